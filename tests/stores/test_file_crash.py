"""Faults at every call that a disk can refuse, and writers killed in the middle."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from rotator.destination import Place, Secret
from rotator.errors import Unreachable
from rotator.record import to_document
from rotator.stores.file import FileStore, FileStoreSettings, prepare
from rotator.testing.broken_disk import BrokenDisk, ShortDisk, each_fault
from rotator.testing.destination_contract import runtime
from rotator.testing.records import a_record, same
from rotator.testing.store_contract import PATH

KEY = "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U="
PLACE = Place("store", PATH)


def make(home, disk=None):
    prepare(str(home))
    return FileStore(FileStoreSettings(path=str(home), key={"env": "KEY"}), runtime(KEY=KEY), disk=disk)


def names_in(path):
    return sorted(each.name for each in path.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_fault_at_any_call_of_a_create_leaves_nothing_or_all_and_the_same_write_may_be_repeated(tmp_path, code):
    failed, codes = [], set()
    for n, disk in each_fault(code):
        home = tmp_path / str(n)
        store, record = make(home, disk), a_record(1)
        try:
            store.write(PATH, record)
        except Unreachable as error:
            failed.append(disk.failed)
            codes.add(error.code)
        disk.at = 0
        found = make(home).read(PATH)
        assert found.revision is None or same(found, record)
        assert same(store.write(PATH, record), make(home).read(PATH))
        assert names_in(home / "records" / "team") == ["app.lock", "app.rec"]
    assert codes == {errno.errorcode[code]}
    assert failed == ["mkdir", "fsync", "create", "write", "fsync", "rename", "fsync"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_fault_at_any_call_of_a_replacement_leaves_the_old_record_or_the_new(tmp_path, code):
    failed = []
    for n, disk in each_fault(code):
        home = tmp_path / str(n)
        first = make(home).write(PATH, a_record(1))
        store, second = make(home, disk), a_record(2, before=first)
        try:
            store.write(PATH, second)
        except Unreachable:
            failed.append(disk.failed)
        disk.at = 0
        found = make(home).read(PATH)
        assert same(found, first) or same(found, second)
        third = a_record(3, before=store.write(PATH, second))
        assert same(store.write(PATH, third), make(home).read(PATH))
    assert failed == ["create", "write", "fsync", "rename", "fsync"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_fault_at_any_call_of_a_publication_shows_consumers_the_old_values_or_the_new(tmp_path, code):
    failed = []
    for n, disk in each_fault(code):
        home = tmp_path / str(n)
        make(home).publish(PLACE, {"u": Secret("a"), "p": Secret("1")}, "v1", 1)
        store, new = make(home, disk), {"u": Secret("b"), "p": Secret("2")}
        try:
            store.publish(PLACE, new, "v2", 2)
        except Unreachable:
            failed.append(disk.failed)
        disk.at = 0
        shown = {key: each.reveal() for key, each in make(home).published(PLACE).items()}
        assert shown in ({"u": "a", "p": "1"}, {"u": "b", "p": "2"})
        store.publish(PLACE, new, "v2", 2)
        assert make(home).published(PLACE)["p"].reveal() == "2"
    assert failed == ["create", "write", "fsync", "rename", "fsync"]


def test_a_write_that_had_landed_is_made_durable_before_it_is_called_a_success(tmp_path):
    """The directory's fsync fails, so the answer is unknown; the repetition must sync again, and may fail again."""
    first = make(tmp_path).write(PATH, a_record(1))
    second = a_record(2, before=first)
    with pytest.raises(Unreachable):
        make(tmp_path, BrokenDisk(5)).write(PATH, second)
    again = BrokenDisk(2)
    with pytest.raises(Unreachable):
        make(tmp_path, again).write(PATH, second)
    assert again.failed == "fsync"


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(tmp_path):
    written = make(tmp_path, ShortDisk()).write(PATH, a_record(1))
    assert same(make(tmp_path).read(PATH), written)


WRITER = """
import sys
from rotator.destination import Place, Secret
from rotator.testing.records import a_record
from rotator.testing.store_contract import PATH
from rotator.stores.file import FileStore, FileStoreSettings
from rotator.testing.destination_contract import runtime
store = FileStore(FileStoreSettings(path=sys.argv[1], key={"env": "KEY"}), runtime(KEY=sys.argv[2]))
record, first = store.read(PATH), True
n = record.seq
while True:
    n += 1
    record = store.write(PATH, a_record(n, before=record, secret="x" * 2000))
    store.publish(Place("store", PATH), {"n": Secret(str(n)), "p": Secret("y" * 2000 + str(n))}, f"v{n}", n)
    if first:
        print("writing", flush=True)
    first = False
"""


def test_a_writer_killed_at_any_moment_leaves_what_can_be_read_and_gone_on_with(tmp_path):
    store, last = make(tmp_path), 0
    for round in range(30):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), KEY], stdout=subprocess.PIPE, env={**os.environ, "PYTHONSAFEPATH": "1"}
        )
        try:
            assert child.stdout.readline() == b"writing\n"
            for _ in range(round * 3):
                store.read(PATH)
        finally:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            child.stdout.close()
        record, shown = store.read(PATH), store.values_of(PATH)
        assert record.seq > last
        assert record.current.credential.secret.reveal() == "x" * 2000
        assert shown.generation in (record.seq, record.seq - 1)
        assert shown.fields["p"].reveal() == "y" * 2000 + shown.fields["n"].reveal() == "y" * 2000 + str(shown.generation)
        last = record.seq
    make(tmp_path).write(PATH, a_record(last + 1, before=store.read(PATH)))
    assert names_in(tmp_path / "records" / "team") == ["app.lock", "app.rec"]
    assert to_document(store.read(PATH))["seq"] == last + 1
