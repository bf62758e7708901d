"""Reading a ledger, or a copy of one, without a trace: nothing is created, changed or locked for long beside it.

SQLite reads a write-ahead-log database read-only where the log's index is there or may be made, or where nobody changes the file
(https://www.sqlite.org/wal.html#read_only_databases). So there are three ways in, by what stands beside the file.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rotator.audit import Event, EventName, Ledger, Row
from rotator.errors import LedgerFailed
from rotator.ledgers.place import part, path_of
from rotator.ledgers.sqlite import connect, read_rows
from rotator.ledgers.trouble import troubles_of_reading


def open_readonly(url: str) -> ReadOnlyLedger:
    """The ledger, or the copy of one, at `sqlite:///path`, for reading. Loose modes are no matter here: an auditor's copy is his.

    Read the heads first: what is written after this call may or may not be seen. Raises `BadInput`, `LedgerFailed`.
    """
    return ReadOnlyLedger(path_of(url))


class ReadOnlyLedger(Ledger):
    """Rows and nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._copy: Path | None = None
        self._database: sqlite3.Connection | None = None
        self._stamp: tuple[int, int] | None = None
        with troubles_of_reading(path):
            path.stat()
            try:
                self._database = self._open()
                self._database.execute("PRAGMA trusted_schema = OFF")
                self._database.execute("SELECT row FROM event LIMIT 1").fetchone()
            except BaseException:
                self.close()
                raise

    def _open(self) -> sqlite3.Connection:
        log, index = part(self.path, "-wal"), part(self.path, "-shm")
        if log.exists() and index.exists():
            return connect(self.path, "mode=ro&readonly_shm=1")  # in use, or left by a crash
        if log.exists() and log.stat().st_size:
            return connect(self._copied(log), "mode=rw")  # a copy without its index, which SQLite would make beside it
        self._stamp = _stamp(self.path)
        return connect(self.path, "immutable=1")

    def _copied(self, log: Path) -> Path:
        """Both files in a directory of our own, gone with `close`."""
        self._copy = Path(tempfile.mkdtemp(prefix="rotator-audit-"))
        for each in (log, self.path):
            shutil.copyfile(each, self._copy / each.name)
        return self._copy / self.path.name

    def rows(self, chain: str | None = None) -> Iterator[Row]:
        """All rows in their order, of one chain or of all. `LedgerFailed` where they cannot be read."""
        if self._database is None:
            raise LedgerFailed("the audit ledger is closed", where=str(self.path))
        yield from read_rows(self._database, self.path, chain)
        if self._stamp is not None and self._stamp != _stamp(self.path):
            raise LedgerFailed("the audit ledger changed while it was read", where=str(self.path), fix="read it again")

    def last_of(self, events: Sequence[EventName]) -> Iterator[Row]:
        """The newest row of each spec, reason and outcome among these events, newest first. `LedgerFailed` where it cannot be read."""
        assert self._database is not None
        marks = ", ".join("?" * len(events))
        kind = ", ".join(f"CASE WHEN json_valid(line) THEN json_extract(line, '$.{each}') END" for each in ("reason", "outcome"))
        newest = f"SELECT max(row) FROM event WHERE event IN ({marks}) GROUP BY spec, {kind}"  # noqa: S608 - as many marks as events
        asked = f"SELECT row, chain, line FROM event WHERE row IN ({newest}) ORDER BY row DESC"  # noqa: S608 - as above
        with troubles_of_reading(self.path):
            for row, chain, line in self._database.execute(asked, events):
                yield Row(row, chain, line)

    def append(self, events: Sequence[Event]) -> None:
        """Always `LedgerFailed`."""
        raise LedgerFailed(f"the audit ledger is open for reading only: {len(events)} events not taken", where=str(self.path))

    def append_loose(self, event: Event) -> None:
        """Always `LedgerFailed`."""
        self.append([event])

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._copy is not None:
            shutil.rmtree(self._copy)
            self._copy = None


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
