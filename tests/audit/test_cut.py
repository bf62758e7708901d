"""A ledger whose file or write-ahead log was cut at any byte: what is read is a beginning of what was written, or an error of ours."""

import shutil
import sqlite3

import pytest

from rotator.audit import link
from rotator.errors import Exit, LedgerFailed
from rotator.ledgers.sqlite import SqliteLedger
from rotator.ledgers.verify import verify

CHAIN = "local:orders/db"
STEPS = [pytest.param(509, id="every 509th byte"), pytest.param(1, id="every byte", marks=pytest.mark.soak)]


@pytest.fixture
def written(tmp_path, make_event):
    """Three appends of two events, each a transaction, still in the write-ahead log; the folder, the lines, and the head after each."""
    home = tmp_path / "home"
    ledger, head, lines, heads = SqliteLedger(home / "ledger.db"), None, [], []
    for number in (0, 2, 4):
        linked, head = link([make_event(number), make_event(number + 1)], head)
        ledger.append(linked)
        lines += [each.line() for each in linked]
        heads.append(head)
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    ledger.close()
    return copy, lines, heads


def read(folder):
    """What is read, or the words of the error; anything else is raised."""
    try:
        opened = SqliteLedger(folder / "ledger.db", create=False)
    except LedgerFailed as error:
        return None, str(error)
    try:
        return [each.line for each in opened.rows()], ""
    except LedgerFailed as error:
        return None, str(error)
    finally:
        opened.close()


def cut(written, tmp_path, name, length):
    """A copy whose file of this name has so many bytes left."""
    folder = tmp_path / "cut"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(written[0], folder)
    with (folder / name).open("r+b") as file:
        file.truncate(length)
    return folder


@pytest.mark.parametrize("step", STEPS)
def test_a_log_cut_at_any_byte_leaves_whole_transactions_and_the_record_s_head_finds_the_cut(written, tmp_path, step):
    folder, lines, heads = written
    size, lengths = (folder / "ledger.db-wal").stat().st_size, set()
    for length in (*range(0, size, step), size):
        found, trouble = read(cut(written, tmp_path, "ledger.db-wal", length))
        if found is None:
            assert "ledger" in trouble
            continue
        lengths.add(len(found))
        assert len(found) % 2 == 0
        assert found == lines[: len(found)]
        rows = _rows(tmp_path / "cut")
        whole = verify(rows, {CHAIN: heads[-1]}).exit is Exit.DONE
        assert whole == (found == lines)
    assert {2, 4, 6} <= lengths


@pytest.mark.parametrize("step", STEPS)
def test_a_database_cut_at_any_byte_is_said_to_be_damaged_or_shows_a_beginning(written, tmp_path, step):
    folder, lines, _ = written
    with sqlite3.connect(folder / "ledger.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    size = (folder / "ledger.db").stat().st_size
    for length in range(0, size, step):
        found, trouble = read(cut(written, tmp_path, "ledger.db", length))
        assert trouble if found is None else found == lines[: len(found)]


def _rows(folder):
    opened = SqliteLedger(folder / "ledger.db", create=False)
    try:
        return list(opened.rows())
    finally:
        opened.close()
