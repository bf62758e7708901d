"""The ledger in a SQLite file: what it takes is there, durable, in order and in one piece."""

import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rotator.audit import LEDGER_CHAIN, link
from rotator.errors import BadInput, Exit
from rotator.ledgers.place import path_of
from rotator.ledgers.sqlite import SqliteLedger, open_ledger
from rotator.ledgers.verify import verify
from rotator.record import Head

CHAIN = "local:orders/db"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "var" / "ledger.db"


@pytest.fixture
def ledger(path):
    opened = open_ledger(f"sqlite:///{path}")
    yield opened
    opened.close()


def test_what_was_appended_is_there_for_the_next_to_open_it(ledger, path, make_event):
    events, head = link([make_event(number) for number in range(24)], None)
    ledger.append(events[:1])
    ledger.append(events[1:])
    ledger.close()
    again = open_ledger(f"sqlite:///{path}", create=False)
    rows = list(again.rows())
    assert [each.line for each in rows] == [each.line() for each in events]
    assert verify(rows, {CHAIN: head}).exit is Exit.DONE
    again.close()


def test_rows_can_be_read_of_one_chain(ledger, make_event):
    for chain in ("a:x", "b:y", "a:x"):
        ledger.append(link([make_event(1, chain)], None)[0])
    assert [each.row for each in ledger.rows("a:x")] == [1, 3]
    assert list(ledger.rows("nobody")) == []


def test_appending_nothing_writes_nothing(ledger):
    ledger.append([])
    assert list(ledger.rows()) == []


def test_loose_events_are_linked_to_the_ledgers_own_chain(ledger, path, make_event):
    for number in range(3):
        ledger.append_loose(make_event(number, LEDGER_CHAIN))
    other = open_ledger(f"sqlite:///{path}")
    other.append_loose(make_event(4, "whatever it says"))
    other.close()
    report = verify(ledger.rows(), {})
    assert report.exit is Exit.DONE
    assert "its 4 events hang together" in report.chains[0].why


def test_the_columns_are_those_of_the_line_even_where_a_field_is_empty(ledger, make_event):
    events, head = link([make_event(1, run="", rotation=None)], None)
    ledger.append(events)
    (row,) = ledger.rows()
    assert row.columns["run"] is None
    assert verify([row], {CHAIN: head}).exit is Exit.DONE


def test_a_file_is_made_for_us_alone_in_a_directory_for_us_alone(ledger, path, make_event):
    ledger.append(link([make_event(1)], None)[0])
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_its_settings_are_durable_and_stay_so(ledger, path):
    assert ledger._ask("synchronous") == 2
    assert ledger._ask("journal_mode") == "wal"
    ledger.close()
    changed = sqlite3.connect(path)
    changed.execute("PRAGMA journal_mode = DELETE")
    changed.close()
    again = open_ledger(f"sqlite:///{path}")
    assert again._ask("journal_mode") == "wal"
    again.close()


def test_opening_is_cheap(ledger, path):
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        opened = open_ledger(f"sqlite:///{path}")
        took.append(time.perf_counter() - begun)
        opened.close()
    assert min(took) < 0.02


def test_close_may_be_called_twice(ledger):
    ledger.close()
    ledger.close()


def test_it_is_found_relative_to_the_working_directory_and_stays_found(tmp_path, monkeypatch, make_event):
    monkeypatch.chdir(tmp_path)
    opened = open_ledger("sqlite:///var/a ledger#%.db")
    monkeypatch.chdir("/")
    opened.append(link([make_event(1)], None)[0])
    opened.close()
    assert (tmp_path / "var" / "a ledger#%.db").stat().st_size


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=ro",
        "sqlite:///a\0b",
        "postgresql://db/x",
        "a.db",
    ],
)
def test_a_url_that_names_no_file_is_bad_input(url):
    with pytest.raises(BadInput, match="names no file"):
        path_of(url)


def test_many_openers_of_a_missing_ledger_make_one(tmp_path):
    path = tmp_path / "var" / "ledger.db"
    children = [_child(path, f"local:{number}", 1) for number in range(6)]
    assert [each.wait(30) for each in children] == [0] * 6
    opened = SqliteLedger(path)
    assert len(list(opened.rows())) == 12
    opened.close()
    assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]


_APPENDS = """
import sys
from rotator.audit import Event, EventName, link
from rotator.ledgers.sqlite import open_ledger

path, chain, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
ledger, head = open_ledger(f"sqlite:///{path}"), None
for _ in range(count):
    two = [Event(ts="2026-11-24T12:00:00.000+00:00", event=EventName.STEP, chain=chain, reason="x" * 700) for _ in range(2)]
    events, head = link(two, head)
    ledger.append(events)
    print(head.seq, head.hash, flush=True)
ledger.close()
"""


def _child(path: Path, chain: str, count: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", _APPENDS, str(path), chain, str(count)], stdout=subprocess.PIPE, text=True)


def test_two_processes_that_append_500_events_each_lose_none(path):
    children = {chain: _child(path, chain, 250) for chain in ("local:a", "local:b")}
    heads = {}
    for chain, child in children.items():
        output, _ = child.communicate(timeout=60)
        assert child.returncode == 0
        heads[chain] = _head(output)
    opened = SqliteLedger(path)
    report = verify(opened.rows(), heads)
    opened.close()
    assert (report.exit, [each.anchored for each in report.chains], [each.loose for each in report.chains]) == (
        Exit.DONE,
        [500, 500],
        [(), ()],
    )


def _head(output):
    seq, hash = output.splitlines()[-1].split()
    return Head(int(seq), hash)


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_process_killed_while_it_appends_leaves_whole_rows_and_all_that_it_was_told_of(path, after, make_event):
    child = _child(path, CHAIN, 100_000)
    told = "".join(child.stdout.readline() for _ in range(after * 5))
    os.kill(child.pid, 9)
    rest, _ = child.communicate(timeout=30)
    complete = [each for each in (told + rest).splitlines() if len(each.split()[-1]) == 64]
    opened = SqliteLedger(path)
    rows = list(opened.rows())
    report = verify(rows, {CHAIN: _head("\n".join(complete))})
    opened.append_loose(
        __import__("rotator.audit").audit.Event(ts="2026-11-24T12:00:00.000+00:00", event="secret.read", chain=LEDGER_CHAIN)
    )
    opened.close()
    assert report.exit is Exit.DONE
    assert len(rows) % 2 == 0  # two events to a transaction: all or none
