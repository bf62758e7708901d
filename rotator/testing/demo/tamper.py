"""One act: a copy of the ledger is falsified in five ways, and each is found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotator.audit import canonical, digest
from rotator.testing.demo.stage import DATABASE
from rotator.testing.demo.story import Demo

CHAIN = "local:orders/db"


@dataclass(frozen=True)
class Link:
    """An event of the chain: its row, and what stands in it."""

    row: int
    document: dict[str, Any]


class Copy:
    """A copy of the ledger, and one chain of it, from the first event to the head."""

    def __init__(self, database: sqlite3.Connection, heads: Path) -> None:
        self.database = database
        by_hash = {}
        for row, line in database.execute("SELECT row, line FROM event WHERE chain = ?", (CHAIN,)):
            document = json.loads(line)
            by_hash[document["hash"]] = Link(row, document)
        hash, links = json.loads(heads.read_text())["heads"][CHAIN]["hash"], []
        while hash:
            links.append(by_hash[hash])
            hash = links[-1].document.get("prev", "")
        self.links = links[::-1]

    @property
    def head(self) -> int:
        """The seq of the last event."""
        return len(self.links)

    def at(self, seq: int) -> Link:
        """The event with this seq."""
        return self.links[seq - 1]

    def put(self, row: int, document: dict[str, Any]) -> None:
        """Write an event over a row, in the form that the ledger gives it."""
        columns = ("seq", "hash", "ts", "event", "spec", "rotation", "run")
        values = [document.get(each) for each in columns]
        sets = ", ".join(f"{each} = ?" for each in columns)
        self.database.execute(f"UPDATE event SET {sets}, line = ? WHERE row = ?", (*values, canonical(document), row))


def edit(copy: Copy, seq: int) -> int:
    """Another user did it; the event's own hash is made to fit."""
    forged = {**copy.at(seq).document, "actor": "somebody@else"}
    copy.put(copy.at(seq).row, {**forged, "hash": digest(forged)})
    return seq


def delete(copy: Copy, seq: int) -> int:
    """It never happened."""
    copy.database.execute("DELETE FROM event WHERE row = ?", (copy.at(seq).row,))
    return seq


def insert(copy: Copy, seq: int) -> int:
    """An event that never was, and all after it counted and hashed anew: only the head in the store's record knows better."""
    rows = [each.row for each in copy.links[seq:]]
    spare = copy.database.execute("SELECT max(row) + 1 FROM event").fetchone()[0]
    last = copy.links[-1]
    copy.database.execute(
        "INSERT INTO event SELECT ?, chain, seq, hash, ts, event, spec, rotation, run, line FROM event WHERE row = ?", (spare, last.row)
    )
    before = copy.at(seq).document
    for row, old in zip([*rows, spare], [copy.at(seq), *copy.links[seq:]], strict=True):
        forged = {**old.document, "seq": before["seq"] + 1, "prev": before["hash"]}
        before = {**forged, "hash": digest(forged)}
        copy.put(row, before)
    return copy.head


def swap(copy: Copy, seq: int) -> int:
    """Two events change places."""
    one, other = copy.at(seq), copy.at(seq + 1)
    copy.put(one.row, other.document)
    copy.put(other.row, one.document)
    return seq


def truncate(copy: Copy, seq: int) -> int:
    """The end is cut off."""
    copy.database.executemany("DELETE FROM event WHERE row = ?", [(each.row,) for each in copy.links[seq:]])
    return seq + 1


WAYS: dict[str, Callable[[Copy, int], int]] = {
    "one event edited": edit,
    "one event deleted": delete,
    "one event inserted, and the rest recomputed": insert,
    "two events swapped": swap,
    "the end cut off": truncate,
}
"""Each returns the seq of the first bad event, as `verify` should name it."""


def tamper(demo: Demo) -> None:
    """A whole copy verifies; each falsified one does not."""
    demo.report.act("A copy of the ledger is falsified in five ways")
    folder = demo.stage.folder / "copies"
    folder.mkdir()
    heads = folder / "heads.json"
    demo.fine(demo.operator("audit", "export", "--heads", str(heads.relative_to(demo.stage.folder))), "the heads are written to a file")
    whole = _verify(demo, _copied(demo, "whole"), heads)
    demo.fine(whole, "a copy verifies offline, against these heads")
    for number, (what, way) in enumerate(WAYS.items(), 1):
        path = _copied(demo, f"copy{number}")
        with closing(sqlite3.connect(path)) as database, database:
            copy = Copy(database, heads)
            expected = way(copy, 10 * number)
        done = _verify(demo, path, heads)
        path.unlink()
        found: dict[str, Any] = next((each for each in done.document.get("chains", []) if each["chain"] == CHAIN), {})
        fine = done.code == 1 and found.get("verdict") == "tampered" and found.get("first_bad") == expected
        demo.report.check(fine, f"{what}: found, at event {found.get('first_bad')} of {DATABASE}", done.why)


def _copied(demo: Demo, name: str) -> Path:
    path = demo.stage.folder / "copies" / f"{name}.db"
    with closing(sqlite3.connect(demo.stage.folder / "var" / "ledger.db")) as ledger, closing(sqlite3.connect(path)) as copy:
        ledger.backup(copy)
    return path


def _verify(demo: Demo, path: Path, heads: Path) -> Any:
    where = path.relative_to(demo.stage.folder)
    return demo.operator(
        "--json", "audit", "verify", "--ledger", f"sqlite:///{where}", "--heads", str(heads.relative_to(demo.stage.folder))
    )
