"""The owner's programs are run without a shell, in a session of their own, to a deadline, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rotator.errors import Denied, Unreachable
from rotator.program import environment, run_program
from rotator.testing.processes import gone_within


def run(*argv, stdin=None, env=None, timeout=10.0, limit=100_000):
    return run_program(argv, stdin=stdin, env=environment() if env is None else env, timeout=timeout, limit=limit)


def shell(script, **more):
    return run("/bin/sh", "-c", script, **more)


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 1_000_000])
def test_what_it_is_given_comes_back_whole(size):
    assert run("/bin/cat", stdin=b"x" * size, limit=size) == (0, b"x" * size)


def test_it_may_end_without_reading_what_it_is_given():
    assert run("/bin/true", stdin=b"x" * 1_000_000) == (0, b"")


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", -9), ("exec >&-; exit 3", 3)])
def test_how_it_ended_is_told(script, code):
    assert shell(script) == (code, b"")


def test_its_environment_is_what_it_is_given_and_nothing_else(monkeypatch):
    monkeypatch.setenv("PASSWORD_OF_OURS", "x")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("HOME", raising=False)
    found = dict(line.split("=", 1) for line in run("/usr/bin/env", env=environment(ROTATOR_PLACE="a"))[1].decode().splitlines())
    assert found == {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "ROTATOR_PLACE": "a"}


def test_it_begins_in_the_root_directory():
    assert run("/bin/pwd") == (0, b"/\n")


def test_no_shell_reads_its_arguments():
    assert run("/bin/echo", "$HOME; `id`") == (0, b"$HOME; `id`\n")


def test_it_has_a_session_of_its_own_and_none_of_our_files():
    with open("/dev/null") as ours:  # noqa: PTH123 - a file descriptor
        os.set_inheritable(ours.fileno(), False)
        code, told = shell("cut -d' ' -f6 /proc/$$/stat; ls /proc/$$/fd; readlink /proc/$$/fd/0 /proc/$$/fd/2")
    words = told.decode().split()
    assert code == 0
    assert int(words[0]) not in (os.getsid(0), 0)
    assert words[-2:] == ["/dev/null", "/dev/null"]
    assert set(words[1:-2]) <= {"0", "1", "2", "255", "10"}


def gone(pid):
    """Whether a process has ended; one that nobody waits for is a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - of the kernel
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def left_behind(pid):
    end = time.monotonic() + 5
    while not gone(pid) and time.monotonic() < end:
        os.sched_yield()
    return not gone(pid)


def test_what_it_leaves_behind_is_killed_and_is_not_waited_for(tmp_path):
    begun = time.monotonic()
    assert shell(f"sleep 600 & echo $! > {tmp_path}/pid; echo done") == (0, b"done\n")
    assert time.monotonic() - begun < 5, "the child holds stdout, but the program has ended"
    assert not left_behind(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("script", ["sleep 600", "exec >&-; sleep 600", "trap '' TERM; sleep 600 & echo $! > {}/pid; wait"])
def test_one_that_does_not_end_is_killed_with_its_children_and_nobody_knows_what_it_did(script, tmp_path):
    begun = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not end within 0.2 s") as error:
        shell(script.format(tmp_path), timeout=0.2)
    assert time.monotonic() - begun < 5
    assert "sleep" not in str(error.value), "only the program is named, never an argument"
    if (tmp_path / "pid").exists():
        assert not left_behind(int((tmp_path / "pid").read_text()))


def test_one_that_writes_too_much_is_killed():
    with pytest.raises(Unreachable, match="more than 1000 bytes"):
        shell("cat /dev/zero", limit=1000)


def test_exactly_the_limit_is_let_through():
    assert shell("head -c 1000 /dev/zero", limit=1000) == (0, bytes(1000))


@pytest.mark.parametrize(
    ("text", "mode", "says", "fix"),
    [
        (None, 0, "no such program", "whole path"),
        ("exit 0\n", 0o755, "no program", "#!/bin/sh"),
        ("#!/nowhere\n", 0o755, "none that runs it", "whole"),
        ("#!/bin/sh\n", 0o644, "may not be run", "chmod"),
    ],
)
def test_one_that_cannot_be_started_is_denied(tmp_path, text, mode, says, fix):
    file = tmp_path / "program"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    with pytest.raises(Denied, match=says) as no:
        run(str(file))
    assert fix in no.value.fix
    assert no.value.__context__ is None or no.value.__suppress_context__


def test_where_nothing_can_be_started_it_may_be_tried_again(monkeypatch):
    def full(*_arguments, **_named):
        raise BlockingIOError(11, "no more processes")

    monkeypatch.setattr("subprocess.Popen", full)
    with pytest.raises(Unreachable, match="could not be started") as error:
        run("/bin/true")
    assert error.value.code == "EAGAIN"


def test_it_dies_with_the_run_that_is_killed(tmp_path):
    """Else it acts late, beside the next run."""
    code = "import sys; from rotator.program import run_program; run_program(['/bin/sh', '-c', sys.argv[1]], env={}, timeout=600)"
    told = tmp_path / "pid"
    run = subprocess.Popen(
        [sys.executable, "-c", code, f"echo $$ > {told}.new; mv {told}.new {told}; exec sleep 600"], env={"PATH": os.defpath}
    )
    end = time.monotonic() + 30
    while not told.exists() and time.monotonic() < end:
        time.sleep(0.01)
    pid = int(told.read_text())
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    try:
        assert gone_within([pid], 20.0).seconds < 20.0
    finally:
        if os.path.exists(f"/proc/{pid}"):  # noqa: PTH110 - plain text
            os.kill(pid, signal.SIGKILL)
