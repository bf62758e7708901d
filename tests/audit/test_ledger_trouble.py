"""A ledger that cannot take an event says so before the side effect, names the file, and says what to do."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from rotator.audit import LEDGER_CHAIN, link
from rotator.errors import LedgerFailed
from rotator.ledgers import place
from rotator.ledgers.sqlite import SqliteLedger, open_ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "var" / "ledger.db"


@pytest.fixture
def ledger(path):
    opened = SqliteLedger(path, busy=0.1)
    yield opened
    opened.close()


def whole(error, path):
    """Whether it names the file and says what to do, and nothing that may hold more hangs on it."""
    return str(path) in str(error) and bool(error.fix) and error.__cause__ is None


def some(make_event, number=1, **about):
    return link([make_event(number, **about)], None)[0]


# ---- the file


def test_a_missing_ledger_is_not_made_where_it_should_be_there(path):
    path.parent.mkdir(mode=0o700)
    with pytest.raises(LedgerFailed, match="not there") as caught:
        open_ledger(f"sqlite:///{path}", create=False)
    assert whole(caught.value, path)
    assert list(path.parent.iterdir()) == []


def test_a_missing_directory_is_not_made_where_the_ledger_should_be_there(path):
    with pytest.raises(LedgerFailed, match="No such file") as caught:
        open_ledger(f"sqlite:///{path}", create=False)
    assert whole(caught.value, path)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602])
def test_a_ledger_that_others_may_read_or_write_is_refused(ledger, path, mode):
    ledger.close()
    path.chmod(mode)
    with pytest.raises(LedgerFailed, match="others could read or change") as caught:
        SqliteLedger(path)
    assert whole(caught.value, path)


def test_a_ledger_of_another_user_is_refused(ledger, path):
    ledger.close()
    os.chown(path, 65534, -1)
    with pytest.raises(LedgerFailed, match="belongs to user 65534") as caught:
        SqliteLedger(path)
    assert whole(caught.value, path)


def test_a_directory_that_others_may_write_is_refused(path):
    path.parent.mkdir()
    path.parent.chmod(0o757)
    with pytest.raises(LedgerFailed, match="others could read or change") as caught:
        SqliteLedger(path)
    assert whole(caught.value, path)


def test_a_symbolic_link_is_refused(ledger, path):
    ledger.close()
    link_to_it = path.with_name("link.db")
    link_to_it.symlink_to(path)
    with pytest.raises(LedgerFailed, match="no regular file") as caught:
        SqliteLedger(link_to_it)
    assert whole(caught.value, link_to_it)


def test_a_dangling_link_is_refused_and_nothing_is_made_at_its_end(path):
    path.parent.mkdir(mode=0o700)
    path.symlink_to(path.with_name("elsewhere.db"))
    with pytest.raises(LedgerFailed, match="no regular file") as caught:
        SqliteLedger(path)
    assert whole(caught.value, path)
    assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]


def test_a_network_file_system_is_refused(path, monkeypatch):
    monkeypatch.setattr(place, "file_system", lambda _folder: "nfs4")
    with pytest.raises(LedgerFailed, match=r"network file system \(nfs4\)") as caught:
        SqliteLedger(path)
    assert whole(caught.value, path)


def test_a_file_where_the_directory_is_meant_is_said(tmp_path):
    (tmp_path / "var").write_text("")
    path = tmp_path / "var" / "deep" / "ledger.db"
    with pytest.raises(LedgerFailed, match=r"a file stands where its directory is meant|NOTDIR|EEXIST") as caught:
        SqliteLedger(path)
    assert whole(caught.value, path)


@pytest.mark.parametrize("content", [b"this is no database, but a text of a few words. " * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_what_is_no_database_is_said_to_be_none(path, content):
    path.parent.mkdir(mode=0o700)
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(LedgerFailed, match=r"not a SQLite database|damaged") as caught:
        SqliteLedger(path)
    assert whole(caught.value, path)
    assert path.read_bytes() == content


def test_an_empty_file_and_anothers_database_are_not_taken_for_a_ledger(path):
    path.parent.mkdir(mode=0o700)
    path.touch(0o600)
    with pytest.raises(LedgerFailed, match="not an audit ledger") as caught:
        SqliteLedger(path)
    assert whole(caught.value, path)


def test_a_ledger_of_a_newer_format_is_left_alone(ledger, path):
    ledger._database.execute("PRAGMA user_version = 2")
    ledger.close()
    with pytest.raises(LedgerFailed, match="format 2, and this rotator writes 1") as caught:
        SqliteLedger(path)
    assert whole(caught.value, path)


def test_a_disk_that_keeps_no_write_ahead_log_is_refused(ledger, path):
    """The dot-file locks of SQLite give no shared memory, as a disk would that cannot do it."""
    ledger.close()
    with sqlite3.connect(path) as plain:
        plain.execute("PRAGMA journal_mode = DELETE")

    class OnAnotherDisk(SqliteLedger):
        def _connect(self):
            return sqlite3.connect(f"{path.as_uri()}?vfs=unix-dotfile", uri=True, isolation_level=None)

    with pytest.raises(LedgerFailed, match="would not be durable: journal_mode is 'delete'") as caught:
        OnAnotherDisk(path)
    assert whole(caught.value, path)


def test_a_ledger_replaced_while_it_is_opened_is_not_used(ledger, path, tmp_path):
    ledger.close()
    shutil.copyfile(path, tmp_path / "other.db")
    (tmp_path / "other.db").chmod(0o600)

    class Replaced(SqliteLedger):
        def _connect(self):
            (tmp_path / "other.db").rename(path)
            return super()._connect()

    with pytest.raises(LedgerFailed, match="replaced while it was opened") as caught:
        Replaced(path)
    assert whole(caught.value, path)


# ---- while it is open


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_removed_file_takes_no_more_events(ledger, path, make_event, suffix):
    ledger.append(some(make_event))
    place.part(path, suffix).unlink()
    with pytest.raises(LedgerFailed, match="removed or replaced") as caught:
        ledger.append(some(make_event, 2))
    assert whole(caught.value, path)
    with pytest.raises(LedgerFailed, match="removed or replaced") as caught:
        ledger.append_loose(make_event(3, LEDGER_CHAIN))
    assert whole(caught.value, path)


def test_a_replaced_file_takes_no_more_events(ledger, path, make_event, tmp_path):
    other = SqliteLedger(tmp_path / "var" / "other.db")
    other.close()
    (tmp_path / "var" / "other.db").rename(path)
    with pytest.raises(LedgerFailed, match="removed or replaced") as caught:
        ledger.append(some(make_event))
    assert whole(caught.value, path)


def test_a_file_removed_in_the_middle_of_an_append_fails_it(path, make_event):
    class Removed(SqliteLedger):
        def _insert(self, events):
            super()._insert(events)
            path.unlink()

    ledger = Removed(path)
    with pytest.raises(LedgerFailed, match="removed or replaced") as caught:
        ledger.append(some(make_event))
    assert whole(caught.value, path)
    ledger.close()


def test_a_locked_ledger_fails_after_its_patience_and_takes_the_event_later(ledger, path, make_event):
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerFailed, match=r"another process held it too long \(SQLITE_BUSY") as caught:
        ledger.append(some(make_event))
    assert whole(caught.value, path)
    holder.execute("ROLLBACK")
    holder.close()
    ledger.append(some(make_event))
    assert len(list(ledger.rows())) == 1


def test_an_append_is_all_or_none(ledger, make_event):
    first, second = link([make_event(1), make_event(2)], None)[0]

    class Halfway(type(ledger)):
        def _insert(self, events):
            super()._insert(events[:1])
            raise KeyboardInterrupt

    ledger.__class__ = Halfway
    with pytest.raises(KeyboardInterrupt):
        ledger.append([first, second])
    assert list(ledger.rows()) == []


def test_a_closed_ledger_takes_and_gives_nothing(ledger, path, make_event):
    ledger.close()
    with pytest.raises(LedgerFailed, match="cannot be used") as caught:
        ledger.append(some(make_event))
    assert whole(caught.value, path)
    with pytest.raises(LedgerFailed, match="ProgrammingError") as caught:
        list(ledger.rows())
    assert whole(caught.value, path)


def test_a_damaged_page_is_said_when_it_is_read(ledger, path, make_event):
    ledger.append(link([make_event(number, reason="x" * 900) for number in range(200)], None)[0])
    ledger.close()
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xee" * (len(data) - 8192)
    path.write_bytes(data)
    opened = SqliteLedger(path)
    with pytest.raises(LedgerFailed, match="damaged") as caught:
        list(opened.rows())
    assert whole(caught.value, path)
    opened.close()


# ---- the disk

_FILLS = """
import resource, signal, sys
from pathlib import Path
from rotator.audit import Event, EventName, link
from rotator.errors import LedgerFailed
from rotator.ledgers.sqlite import SqliteLedger

path, most = Path(sys.argv[1]), int(sys.argv[2])
ledger, head, taken = SqliteLedger(path), None, 0
if most:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    for _ in range(5000):
        event = Event(ts="2026-11-24T12:00:00.000+00:00", event=EventName.STEP, chain="local:a", reason="x" * 2000)
        events, new = link([event], head)
        ledger.append(events)
        head, taken = new, taken + 1
except LedgerFailed as error:
    print(error)
print("taken", taken)
"""


def fill(path, most=0):
    out = subprocess.run([sys.executable, "-c", _FILLS, str(path), str(most)], capture_output=True, text=True, timeout=60, check=True)
    message, taken = out.stdout.splitlines()
    return message, int(taken.split()[1])


@pytest.fixture
def tiny(tmp_path):
    """A file system of 512 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode:
        pytest.skip("only root mounts a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_takes_no_event_and_keeps_those_it_took(tiny):
    message, taken = fill(tiny / "ledger.db")
    assert "there is no space left" in message
    assert "ledger.db" in message
    with sqlite3.connect(tiny / "ledger.db") as read:
        assert read.execute("SELECT count(*) FROM event").fetchone() == (taken,)
    read.close()
    assert taken > 10


def test_a_ledger_is_not_begun_on_a_full_disk_and_leaves_nothing_there(tiny):
    with (tiny / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(4096)):
            pass
    with pytest.raises(LedgerFailed, match="no space left") as caught:
        SqliteLedger(tiny / "ledger.db")
    assert whole(caught.value, tiny / "ledger.db")
    assert [each.name for each in tiny.iterdir()] == ["ballast"]


def test_a_limit_on_the_size_of_files_takes_no_event_and_keeps_those_it_took(path):
    message, taken = fill(path, 400_000)
    assert "the disk answered with an error" in message or "no space left" in message
    with sqlite3.connect(path) as read:
        assert read.execute("SELECT count(*) FROM event").fetchone() == (taken,)
    read.close()
    assert taken > 10


def test_a_file_system_mounted_read_only_takes_no_event(tiny, make_event):
    ledger = SqliteLedger(tiny / "ledger.db")
    ledger.append(some(make_event))
    ledger.close()
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)
    with pytest.raises(LedgerFailed, match=r"cannot be written|cannot be opened") as caught:
        SqliteLedger(tiny / "ledger.db")
    assert whole(caught.value, tiny / "ledger.db")


_AS_NOBODY = """
import encodings.ascii  # Python loads it late, when nobody may read it
import os, sys
from pathlib import Path
from rotator.audit import Event, EventName, link
from rotator.errors import LedgerFailed
from rotator.ledgers.sqlite import SqliteLedger

path = Path(sys.argv[1])
os.setgroups([]); os.setgid(65534); os.setuid(65534)
ledger = None
try:
    ledger = SqliteLedger(path)
    ledger.append(link([Event(ts="2026-11-24T12:00:00.000+00:00", event=EventName.STEP, chain="local:a")], None)[0])
    print("taken")
except LedgerFailed as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user to be")
@pytest.mark.parametrize(("mode", "says"), [(0o400, "cannot be written"), (0o000, "cannot be opened"), (0o600, "taken")])
def test_a_file_without_the_right_to_write_takes_no_event(mode, says):
    with tempfile.TemporaryDirectory() as way:
        os.chmod(way, 0o755)  # noqa: PTH101 - a plain string
        folder = Path(way, "var")
        folder.mkdir(mode=0o700)
        SqliteLedger(folder / "ledger.db").close()
        os.chown(folder, 65534, 65534)
        os.chown(folder / "ledger.db", 65534, 65534)
        (folder / "ledger.db").chmod(mode)
        command = [sys.executable, "-c", _AS_NOBODY, str(folder / "ledger.db")]
        out = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert says in out.stdout
