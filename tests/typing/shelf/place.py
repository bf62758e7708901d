"""The destination `shelf`: settings of applications in an SQLite database, a row for each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import ClassVar

from rotator.destination import Denied, Destination, Finding, Level, Place, Refused, Secret, Settings, Unreachable
from rotator.settings import LocalPath
from rotator.values import LATER, refuse_unfit

TABLE = "CREATE TABLE setting (app TEXT, name TEXT, value TEXT, generation INTEGER DEFAULT 0, PRIMARY KEY (app, name))"
SET = (
    "INSERT INTO setting (app, name, value, generation) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (app, name) DO UPDATE SET value = excluded.value, generation = excluded.generation"
)
_OURS = ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_READONLY", "SQLITE_AUTH", "SQLITE_NOTADB", "SQLITE_ERROR")


class ShelfSettings(Settings):
    """`type: shelf` in rotator.yaml."""

    path: LocalPath


class Shelf(Destination[ShelfSettings]):
    """A place is an application: the rows that its keys name are ours, all others are not."""

    settings: ClassVar[type[Settings]] = ShelfSettings
    by_path = True

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        refuse_unfit(values)
        with self._shelf(changes=True) as shelf:
            found = shelf.execute("SELECT name, generation FROM setting WHERE app = ?", [place.path])
            held = max((each for name, each in found if name in values), default=0)
            if held > generation:
                raise Refused(f"{place.path} is of generation {held}, later than {generation}", LATER)
            shelf.executemany(SET, [(place.path, name, each.reveal(), generation) for name, each in values.items()])

    def published(self, place: Place) -> Mapping[str, Secret]:
        with self._shelf() as shelf:
            found = shelf.execute("SELECT name, value FROM setting WHERE app = ? AND value <> ''", [place.path])
            return {name: Secret(value) for name, value in found if not place.keys or name in place.keys}

    def check(self) -> list[Finding]:
        try:
            with self._shelf(changes=True) as shelf:
                shelf.execute("SELECT app, name, value, generation FROM setting LIMIT 0")
        except Denied as error:
            return [Finding(Level.FAIL, "place.missing", error.what, error.fix)]
        return []

    def _shelf(self, *, changes: bool = False) -> AbstractContextManager[sqlite3.Connection]:
        return transaction(self.config.path, self.runtime.timeout, TABLE, changes=changes)


@contextmanager
def transaction(path: str, timeout: float, table: str, *, changes: bool) -> Iterator[sqlite3.Connection]:
    """One transaction on a database that is there: committed at the end, undone by any exception. Never makes the file."""
    try:
        uri = Path(path).absolute().as_uri() + "?mode=rw"
        wait = timeout * 0.4  # for a lock, twice at most: to begin, and to commit
        with closing(sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None)) as database:
            database.execute("PRAGMA secure_delete = ON")  # what was replaced shall not stay in a free page
            database.execute("BEGIN IMMEDIATE" if changes else "BEGIN")  # immediate: nobody writes between our look and our write
            yield database
            database.execute("COMMIT")
    except sqlite3.Error as error:
        code = error.sqlite_errorname
    else:
        return
    if code.startswith(_OURS):
        raise Denied(f"{path} is no database that we may write, or it has no such table", f"sqlite3 {path} '{table}'", code)
    raise Unreachable(f"{path} cannot be used now", code=code)
