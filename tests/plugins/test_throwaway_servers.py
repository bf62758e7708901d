"""What every contract's test of a frozen system goes by."""

import subprocess
import sys
from pathlib import Path

import pytest

from rotator.testing.servers.base import freeze, thaw

_BUSY = """
import threading
def work():
    while True:
        sum(range(1000))
for _ in range(20):
    threading.Thread(target=work, daemon=True).start()
print("at work", flush=True)
input()
"""


def processor_time(pid):
    return [Path(f"/proc/{pid}/task/{each.name}/stat").read_text().split()[11:15] for each in Path(f"/proc/{pid}/task").iterdir()]


@pytest.mark.skipif(sys.platform != "linux", reason="the states of threads are told by Linux's /proc")
def test_no_thread_of_a_frozen_process_does_anything_once_freeze_has_returned():
    with subprocess.Popen([sys.executable, "-c", _BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as busy:
        busy.stdout.readline()
        freeze(busy.pid)
        states = {each.read_text().rpartition(")")[2].split()[0] for each in Path(f"/proc/{busy.pid}/task").glob("*/stat")}
        before = processor_time(busy.pid)
        busy.stdin.write(b"\n")
        busy.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            busy.wait(0.2)
        assert processor_time(busy.pid) == before
        thaw(busy.pid)
        assert (busy.wait(10), states) == (0, {"T"})


def test_a_process_that_is_gone_is_passed_by():
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert (freeze(gone.pid), thaw(gone.pid)) == (None, None)
