"""Reading a ledger or a copy of one leaves no trace, and shows all that was committed."""

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rotator.audit import LEDGER_CHAIN, link
from rotator.errors import Corrupt, Exit, LedgerFailed
from rotator.ledgers.commands import export_heads, export_ledger, show_ledger, verify_ledger
from rotator.ledgers.heads import read_heads
from rotator.ledgers.place import part
from rotator.ledgers.reading import open_readonly
from rotator.ledgers.show import Filter, rows_of
from rotator.ledgers.sqlite import SqliteLedger
from rotator.ledgers.verify import verify
from rotator.record import Record

CHAIN = "local:orders/db"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "var" / "ledger.db"


@pytest.fixture(autouse=True)
def temps(tmp_path, monkeypatch):
    """A directory for temporary files of this test alone."""
    (tmp_path / "temps").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temps"))


@pytest.fixture
def heads():
    return {}


@pytest.fixture
def live(path, make_event, heads):
    """A ledger in use: its log is not empty."""
    ledger = SqliteLedger(path)
    events, heads[CHAIN] = link([make_event(number) for number in range(20)], None)
    ledger.append(events)
    yield ledger
    ledger.close()


def everything(folder):
    """Names, sizes, times and contents, but for the log's index, whose locks are a reader's business."""
    return {
        each.name: (each.stat().st_mtime_ns, "" if each.name.endswith("-shm") else each.read_bytes()) for each in sorted(folder.iterdir())
    }


def read(path):
    before = everything(path.parent)
    ledger = open_readonly(f"sqlite:///{path}")
    lines = [each.line for each in ledger.rows()]
    ledger.close()
    ledger.close()
    assert everything(path.parent) == before
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
    return lines


def copied(path, folder, *suffixes):
    folder.mkdir()
    for each in suffixes:
        shutil.copyfile(part(path, each), folder / f"copy.db{each}")
    return folder / "copy.db"


def test_a_ledger_in_use_is_read_without_a_trace(live, path, make_event, heads):
    assert len(read(path)) == 20
    live.append(link([make_event(21)], heads[CHAIN])[0])
    assert len(read(path)) == 21


def test_a_ledger_at_rest_is_read_without_a_trace(live, path):
    live.close()
    assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]
    assert len(read(path)) == 20


@pytest.mark.parametrize("suffixes", [("", "-wal"), ("", "-wal", "-shm")])
def test_a_copy_of_a_ledger_in_use_is_read_whole(live, path, tmp_path, suffixes):
    assert len(read(copied(path, tmp_path / "copy", *suffixes))) == 20


def test_a_copy_without_its_log_lacks_rows_and_is_found_to(live, path, tmp_path, heads):
    copy = copied(path, tmp_path / "copy", "")
    assert read(copy) == []
    assert verify_ledger(f"sqlite:///{copy}", heads).exit is Exit.FAILED


_DIES = """
import os, sys
from rotator.audit import Event, EventName, link
from rotator.ledgers.sqlite import open_ledger

event = Event(ts="2026-11-24T12:00:00.000+00:00", event=EventName.STEP, chain="local:a")
open_ledger(f"sqlite:///{sys.argv[1]}").append(link([event] * 3, None)[0])
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_read_without_a_trace(path, tmp_path):
    subprocess.run([sys.executable, "-c", _DIES, str(path)], check=False)
    assert part(path, "-wal").exists()
    assert len(read(path)) == 3


def test_a_read_only_medium_is_no_hindrance(live, path, tmp_path):
    medium = tmp_path / "medium"
    medium.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(medium)], capture_output=True, check=False).returncode:
        pytest.skip("only root mounts a file system")
    try:
        for folder, suffixes in (("a", ("",)), ("b", ("", "-wal")), ("c", ("", "-wal", "-shm"))):
            copied(path, medium / folder, *suffixes)
        subprocess.run(["mount", "-o", "remount,ro", str(medium)], check=True)
        assert [len(read(medium / each / "copy.db")) for each in "abc"] == [0, 20, 20]
    finally:
        subprocess.run(["umount", str(medium)], check=True)


def test_rows_of_one_chain_can_be_read(live, path):
    ledger = open_readonly(f"sqlite:///{path}")
    assert len(list(ledger.rows(CHAIN))) == 20
    assert list(ledger.rows("another")) == []
    ledger.close()


def test_it_takes_nothing_and_gives_nothing_once_closed(live, path, make_event):
    ledger = open_readonly(f"sqlite:///{path}")
    with pytest.raises(LedgerFailed, match="for reading only"):
        ledger.append([make_event(1)])
    with pytest.raises(LedgerFailed, match="for reading only"):
        ledger.append_loose(make_event(1))
    ledger.close()
    with pytest.raises(LedgerFailed, match="closed"):
        list(ledger.rows())


def test_a_missing_file_is_said_and_not_made(tmp_path):
    with pytest.raises(LedgerFailed, match="not there"):
        open_readonly(f"sqlite:///{tmp_path}/temps/no.db")
    assert list((tmp_path / "temps").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no database at all, only a few words, and then some more of them. " * 30])
def test_what_is_no_ledger_is_said_to_be_none(tmp_path, content):
    (tmp_path / "no.db").write_bytes(content)
    with pytest.raises(LedgerFailed, match=r"no\.db: the audit ledger cannot be used"):
        open_readonly(f"sqlite:///{tmp_path}/no.db")


def test_a_ledger_that_changes_while_it_is_read_at_rest_is_not_believed(live, path, make_event, heads):
    live.close()
    ledger = open_readonly(f"sqlite:///{path}")
    rows = ledger.rows()
    next(rows)
    writer = SqliteLedger(path)
    writer.append(link([make_event(21)], heads[CHAIN])[0])
    writer.close()
    with pytest.raises(LedgerFailed, match="changed while it was read"):
        list(rows)
    ledger.close()


# ---- tampering with the file itself


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        ("UPDATE event SET line = replace(line, 'APPLY', 'REVOKE') WHERE row = 7", 7),
        ("UPDATE event SET spec = 'another' WHERE row = 7", 7),
        ("UPDATE event SET chain = 'local:another' WHERE row = 7", 7),
        ("UPDATE event SET chain = CAST(x'ff00' AS TEXT) WHERE row = 7", 7),
        ("UPDATE event SET line = CAST(line || x'ff' AS TEXT) WHERE row = 7", 7),
        ("UPDATE event SET line = CAST(line AS BLOB) WHERE row = 7", 7),
        ("DELETE FROM event WHERE row = 7", 7),
        ("DELETE FROM event WHERE row > 6", 7),
        ("UPDATE event SET row = -7 WHERE row = 7", 6),
        ("UPDATE event SET row = CASE row WHEN 7 THEN -8 ELSE -7 END WHERE row IN (7, 8); UPDATE event SET row = -row WHERE row < 0", 7),
        ("UPDATE event SET row = row + 100 WHERE row < 7", 6),
        ("DELETE FROM event", 1),
    ],
)
def test_tampering_in_the_file_is_found(live, path, heads, statement, first):
    live.close()
    intruder = sqlite3.connect(path)
    intruder.executescript(statement)
    intruder.close()
    report = verify_ledger(f"sqlite:///{path}", heads)
    own = next(each for each in report.chains if each.chain == CHAIN)
    assert report.exit is Exit.FAILED
    assert own.first_bad == first  # of rows out of order the lowest that stands after the one that follows it


def test_a_row_put_into_the_file_is_listed(live, path, heads, forge):
    line = forge(next(live.rows()).line, step="REVOKE", seq=8)
    live.close()
    intruder = sqlite3.connect(path)
    intruder.execute("INSERT INTO event (chain, seq, hash, ts, event, line) VALUES (?, 8, 'x', 'y', 'z', ?)", (CHAIN, line))
    intruder.commit()
    intruder.close()
    report = verify_ledger(f"sqlite:///{path}", heads)
    (chain,) = report.chains
    assert (report.exit, [(each.row, each.seq) for each in chain.loose]) == (Exit.DONE, [(21, 8)])


# ---- the commands' functions


class Store:
    """What is needed of a store."""

    def __init__(self, records):
        self.records = records

    def paths(self):
        return list(self.records)

    def read(self, path):
        record = self.records[path]
        if isinstance(record, Exception):
            raise record
        return record


def test_an_exported_copy_with_its_heads_is_proven_elsewhere(live, path, tmp_path, heads, make_event):
    live.append_loose(make_event(1, LEDGER_CHAIN))
    live.close()
    file = tmp_path / "heads.json"
    assert export_heads(f"sqlite:///{path}", {"local": Store({"orders/db": Record(audit_head=heads[CHAIN])})}, file) == []
    known = read_heads(file)
    assert set(known) == {CHAIN, LEDGER_CHAIN}
    lines = list(export_ledger(f"sqlite:///{path}", Filter()))
    assert verify_ledger(f"sqlite:///{path}", known).exit is Exit.DONE
    assert verify(rows_of(lines), known).exit is Exit.DONE
    assert verify(rows_of(lines[:-1]), known).exit is Exit.FAILED
    assert verify(rows_of(lines[1:]), known).exit is Exit.FAILED


def test_heads_without_an_own_chain_hold_those_of_the_stores(live, path, tmp_path, heads):
    file = tmp_path / "heads.json"
    export_heads(f"sqlite:///{path}", {"local": Store({"orders/db": Record(audit_head=heads[CHAIN])})}, file)
    assert read_heads(file) == heads


def test_heads_that_cannot_be_read_now_stay_in_the_file_as_they_were(live, path, tmp_path, heads):
    file = tmp_path / "heads.json"
    export_heads(f"sqlite:///{path}", {"local": Store({"orders/db": Record(audit_head=heads[CHAIN])})}, file)
    gone = export_heads(f"sqlite:///{path}", {"local": Store({"orders/db": Corrupt("torn")}), "far": Store({"a": Record()})}, file)
    assert [type(each) for each in gone] == [Corrupt]
    assert read_heads(file) == {**heads, "far:a": None}
    assert export_heads(f"sqlite:///{path}", {"far": Store({"a": Record()})}, file) == []
    assert read_heads(file) == {"far:a": None}


def test_shown_and_exported_lines_are_those_that_are_meant(live, path):
    assert len(list(show_ledger(f"sqlite:///{path}", Filter(run="run-3")))) == 1
    (line,) = export_ledger(f"sqlite:///{path}", Filter(run="run-3"))
    assert json.loads(line)["seq"] == 4
    assert Path(path).exists()
