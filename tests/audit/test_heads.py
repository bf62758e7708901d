"""Heads: from the stores, and from a file that is believed only if it is whole."""

import errno
import json
import os
from pathlib import Path

import pytest

from rotator.audit import LEDGER_CHAIN
from rotator.errors import BadInput, Corrupt, LedgerFailed, Unreachable
from rotator.ledgers.heads import heads_of, own_head, read_heads, write_heads
from rotator.ledgers.sqlite import SqliteLedger
from rotator.ledgers.trouble import of_heads
from rotator.record import Head, Record

HASH = "0123456789abcdef" * 4


def test_what_was_written_is_read(tmp_path):
    heads = {"local:orders/db": Head(12, HASH), "vault:x": None, LEDGER_CHAIN: Head(1, HASH)}
    write_heads(tmp_path / "heads.json", heads)
    assert read_heads(tmp_path / "heads.json") == heads
    assert (tmp_path / "heads.json").stat().st_mode & 0o777 == 0o600
    write_heads(tmp_path / "heads.json", {})
    assert read_heads(tmp_path / "heads.json") == {}
    assert [each.name for each in tmp_path.iterdir()] == ["heads.json"]


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(LedgerFailed, match=r"no/heads\.json: the file for the heads cannot be written: its directory") as caught:
        write_heads(tmp_path / "no" / "heads.json", {})
    assert caught.value.fix == "make that directory, or name a file in another one"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "{",
        "[" * 100_000,
        '{"format": 1}',
        '{"format": 2, "heads": {}}',
        '{"format": true, "heads": {}}',
        '{"format": "1", "heads": {}}',
        '{"format": 1, "heads": {}, "more": 1}',
        '{"format": 1, "format": 1, "heads": {}}',
        '{"format": 1, "heads": []}',
        '{"format": 1, "heads": {"a": {}}}',
        '{"format": 1, "heads": {"a": 7}}',
        '{"format": 1, "heads": {"a": {"seq": 1, "hash": "' + HASH + '"}, "a": null}}',
        '{"format": 1, "heads": {"a": {"seq": 1, "hash": "' + HASH + '", "more": 1}}}',
        '{"format": 1, "heads": {"a": {"seq": 0, "hash": "' + HASH + '"}}}',
        '{"format": 1, "heads": {"a": {"seq": -1, "hash": "' + HASH + '"}}}',
        '{"format": 1, "heads": {"a": {"seq": true, "hash": "' + HASH + '"}}}',
        '{"format": 1, "heads": {"a": {"seq": 1.0, "hash": "' + HASH + '"}}}',
        '{"format": 1, "heads": {"a": {"seq": 1, "hash": "' + HASH.upper() + '"}}}',
        '{"format": 1, "heads": {"a": {"seq": 1, "hash": "' + HASH[:-1] + '"}}}',
        '{"format": 1, "heads": {"a": {"seq": 1, "hash": 7}}}',
    ],
)
def test_nonsense_is_bad_input_that_names_the_file_and_not_its_content(tmp_path, text):
    (tmp_path / "heads.json").write_text(text)
    with pytest.raises(BadInput, match="no heads file") as caught:
        read_heads(tmp_path / "heads.json")
    assert str(tmp_path / "heads.json") in str(caught.value)
    assert HASH not in str(caught.value)


def test_a_missing_file_and_one_that_is_no_text_are_bad_input(tmp_path):
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_heads(tmp_path / "heads.json")
    (tmp_path / "heads.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="no UTF-8"):
        read_heads(tmp_path / "heads.json")


class Store:
    """A store, some of whose records cannot be read."""

    def __init__(self, records):
        self.records = records

    def paths(self):
        if self.records is None:
            raise Unreachable("no answer")
        return list(self.records)

    def read(self, path):
        if isinstance(self.records[path], Exception):
            raise self.records[path]
        return self.records[path]


def test_heads_come_from_every_record_that_can_be_read_and_the_others_are_named():
    stores = {
        "local": Store({"a": Record(audit_head=Head(3, HASH)), "b": Record(), "c": Corrupt("torn"), "d": Record(format=2)}),
        "far": Store(None),
        "vault": Store({"a": Record(audit_head=Head(4, HASH))}),
    }
    heads, troubles = heads_of(stores)
    assert heads == {"local:a": Head(3, HASH), "local:b": None, "vault:a": Head(4, HASH)}
    assert [type(each) for each in troubles] == [Corrupt, BadInput, Unreachable]
    assert "local:d: its record has format 2" in str(troubles[1])


@pytest.mark.parametrize("there", ["link", "device", "text", "json"])
def test_heads_replace_nothing_but_heads(tmp_path, there):
    path, kept = tmp_path / "there", tmp_path / "kept"
    kept.write_text("mine")
    if there == "link":
        path.symlink_to(kept)
    elif there == "device":
        os.mkfifo(path)
    else:
        path.write_text("version: 1\n" if there == "text" else '{"format": 1}')
    before = path.lstat()
    with pytest.raises(BadInput, match="the heads were not written" if there in ("link", "device") else "no heads file") as caught:
        write_heads(path, {"local:orders/db": Head(12, HASH)})
    assert str(path) in str(caught.value)
    assert (path.lstat().st_ino, path.lstat().st_size, kept.read_text()) == (before.st_ino, before.st_size, "mine")
    empty = tmp_path / "empty"
    empty.touch()
    write_heads(empty, {"local:orders/db": Head(12, HASH)})
    assert read_heads(empty) == {"local:orders/db": Head(12, HASH)}


def test_the_ledgers_own_head_is_its_last_loose_event(tmp_path, make_event):
    ledger = SqliteLedger(tmp_path / "var" / "ledger.db")
    assert own_head(ledger) is None
    for number in range(3):
        ledger.append_loose(make_event(number))
    *_, last = ledger.rows(LEDGER_CHAIN)
    assert own_head(ledger) == Head(3, json.loads(last.line)["hash"])
    ledger._database.execute("UPDATE event SET line = 'x' WHERE row = 3")
    assert own_head(ledger) is None
    ledger._database.execute("UPDATE event SET line = '{}' WHERE row = 3")
    assert own_head(ledger) is None
    ledger.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT, errno.ENOTDIR, errno.EIO])
def test_why_the_heads_cannot_be_written_is_told_with_what_to_do(number):
    told = of_heads(OSError(number, "no"), Path("/x/heads.json"))
    assert errno.errorcode[number] in str(told)
    assert "the file for the heads cannot be written" in str(told)
    assert told.fix
