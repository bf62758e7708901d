"""The audit ledger in one SQLite file, by the standard library.

Durable means: write-ahead log with `synchronous = FULL`, so each commit is synced before `append` returns
(https://www.sqlite.org/pragma.html#pragma_synchronous). Both settings are read back at each open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from rotator.audit import LEDGER_CHAIN, Event, Ledger, Row, canonical, link
from rotator.errors import LedgerFailed
from rotator.ledgers.place import APPLICATION, SCHEMA, identity, path_of, settle, uri
from rotator.ledgers.trouble import of_sqlite, troubles
from rotator.record import Head

BUSY = 30.0
"""Seconds to wait for another process that writes."""
COLUMNS = ("seq", "hash", "ts", "event", "spec", "rotation", "run")
"""What the table repeats of a line, beside its chain: to search by, never to believe."""

_DURABLE = (("synchronous", "FULL", 2), ("journal_mode", "WAL", "wal"))
_INSERT = f"INSERT INTO event (chain, {', '.join(COLUMNS)}, line) VALUES (?{', ?' * (len(COLUMNS) + 1)})"  # noqa: S608 - our own names
_SELECT = f"SELECT row, chain, line, {', '.join(COLUMNS)} FROM event"  # noqa: S608 - our own names
_LAST = "SELECT seq, hash FROM event WHERE chain = ? ORDER BY row DESC LIMIT 1"


def open_ledger(url: str, create: bool = True) -> Ledger:
    """The ledger at `sqlite:///path`, open for writing; made where it is missing and `create` says so.

    Raises `BadInput` for a URL that is none, `LedgerFailed` where the file cannot be used.
    """
    return SqliteLedger(path_of(url), create=create)


class SqliteLedger(Ledger):
    """One connection to one file, for one process and one thread. Opening it raises `LedgerFailed` where it cannot take events."""

    def __init__(self, path: Path, *, create: bool = True, busy: float = BUSY) -> None:
        self.path, self.busy = path.absolute(), busy
        with troubles(path):
            settle(path, create=create)
            before = identity(path).get("")
            self._database = self._connect()
            try:
                self._agree()
                self._files = identity(path)
                if self._files.get("") != before:
                    raise LedgerFailed("the audit ledger was replaced while it was opened", where=str(path), fix="try again")
            except BaseException:
                self._database.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        return connect(self.path, "mode=rw", self.busy)

    def _agree(self) -> None:
        """It is one of our ledgers, and it keeps what it takes."""
        application, version = self._ask("application_id"), self._ask("user_version")
        if application != APPLICATION:
            raise LedgerFailed("this is not an audit ledger of rotator", where=str(self.path), fix="name another file in `audit.ledger`")
        if version != SCHEMA:
            raise LedgerFailed(
                f"the audit ledger has format {version}, and this rotator writes {SCHEMA}",
                where=str(self.path),
                fix="run the version of rotator that wrote it, or name another file in `audit.ledger`",
            )
        for name, value, wanted in _DURABLE:
            self._ask(f"{name} = {value}")
            got = self._ask(name)
            if got != wanted:
                raise LedgerFailed(
                    f"the audit ledger would not be durable: {name} is {got!r}, not {wanted!r}",
                    where=str(self.path),
                    fix="put it on a local disk",
                )

    def _ask(self, pragma: str) -> object:
        answer = self._database.execute(f"PRAGMA {pragma}").fetchone()
        return answer[0] if answer else None

    def append(self, events: Sequence[Event]) -> None:
        """Write and sync these linked events, all or none. `LedgerFailed` where that cannot be done; then they may be given again."""
        if events:
            with self._transaction():
                self._insert(events)

    def append_loose(self, event: Event) -> None:
        """Link one event to the ledger's own chain, write and sync it. Several processes may do so at once. `LedgerFailed`."""
        with self._transaction():
            last = self._database.execute(_LAST, (LEDGER_CHAIN,)).fetchone()
            linked, _ = link([replace(event, chain=LEDGER_CHAIN)], Head(*last) if last else None)
            self._insert(linked)

    def _insert(self, events: Sequence[Event]) -> None:
        documents = [each.document() for each in events]
        table = [(each["chain"], *(each.get(name) for name in COLUMNS), canonical(each)) for each in documents]
        self._database.executemany(_INSERT, table)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, in the file that still stands under its name: before and after, or nobody would ever read the event."""
        with troubles(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._still_there()
                yield
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # the error under way says more; what is not committed is not there
                    self._database.execute("ROLLBACK")
                raise
            self._still_there()

    def _still_there(self) -> None:
        if identity(self.path) != self._files:
            raise LedgerFailed(
                "the audit ledger (or its -wal, -shm) was removed or replaced while it was open",
                where=str(self.path),
                fix="put it back if you have it; the next run opens what stands there, and `rotator audit verify` tells what is missing",
            )

    def rows(self, chain: str | None = None) -> Iterator[Row]:
        """All rows in their order, of one chain or of all. `LedgerFailed` where they cannot be read."""
        return read_rows(self._database, self.path, chain)

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self._database.close()


def connect(path: Path, options: str, busy: float = BUSY) -> sqlite3.Connection:
    """An open file: each statement is its own transaction unless one was begun."""
    database = sqlite3.connect(uri(path, options), uri=True, timeout=busy, isolation_level=None)
    database.text_factory = _text
    return database


def _text(data: bytes) -> str:
    """A line that is no UTF-8 is for `verify` to find, not for a reader to stop at."""
    return data.decode("utf-8", "replace")


def read_rows(database: sqlite3.Connection, path: Path, chain: str | None) -> Iterator[Row]:
    """The rows of an open database, as they are: what is no text comes back as no line, for `verify` to find."""
    where, values = (" WHERE chain = ?", (chain,)) if chain is not None else ("", ())
    try:
        for row, of, line, *columns in database.execute(f"{_SELECT}{where} ORDER BY row", values):
            yield Row(row, _str(of), _str(line), dict(zip(COLUMNS, columns, strict=True)))
    except sqlite3.Error as error:
        raise of_sqlite(error, path) from None


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
