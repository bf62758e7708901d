"""When a daemon is to look at each spec: `STATE/wakes-3.db`. A cache: it may be deleted at any time, then every spec is looked at once.

The records have the truth, and a run says when it wants its spec to be looked at again. So do runs by the command line beside a daemon:
else the end of a grace that they began would wait for the daemon's daily look.

The name has the number of the format: a command line of another version beside a daemon knows nothing of this file, and leaves it alone.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rotator.spec import RotationSpec

INDEX = "wakes-3.db"
TABLE = """create table if not exists wake (
    spec text primary key, says text not null, at real not null, told real, written real not null, failed integer not null default 0
)"""
"""`told`: when somebody else wants a look at it, since the daemon began its last run of it. `written`: when `at` was."""
BACK = 60.0
"""Seconds by which the clock may have been set back before a wake that was written ahead of it counts for nothing."""
PATIENCE = 2.0
"""Seconds for which another's write is waited for."""


def fingerprint(spec: RotationSpec, reloads: Mapping[str, Any] | None = None) -> str:
    """Of what a spec says, with its reloads' settings, but for the line where it stands. They hold references to secrets, and no secret."""
    told = [repr((reloads or {}).get(each.name)) for each in spec.reloads]
    return hashlib.sha256(repr((replace(spec, source=""), told)).encode()).hexdigest()[:16]


class Announced(NamedTuple):
    """When a look at a spec was announced, and what stood there before."""

    spec: str
    then: float
    at: float
    told: float | None


class WakeIndex:
    """Of one state directory. `sqlite3.Error` where it cannot be used, `OSError` where it cannot be opened."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        self.path, self.inode = path, path.stat().st_ino
        self.db = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)
        self.db.execute("pragma journal_mode=wal")
        if not self.db.execute("select 1 from sqlite_master where name = 'wake_at'").fetchone():
            with self.transaction():
                self.db.execute(TABLE)
                self.db.execute("create index if not exists wake_at on wake (at)")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is changed in here, or nothing; and one sync of the disk."""
        with self.db:
            self.db.execute("begin immediate")
            yield

    def keep_only(self, specs: Iterable[RotationSpec], now: float, reloads: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Know these specs and no others; a new one, and one that says something else than before, is looked at now. Their fingerprints."""
        wanted = {each.name: fingerprint(each, reloads) for each in specs}
        with self.transaction():
            known = dict(self.db.execute("select spec, says from wake"))
            changed = [(name, says, now, now) for name, says in sorted(wanted.items()) if known.get(name) != says]
            self.db.executemany("delete from wake where spec = ?", [(each,) for each in known.keys() - wanted.keys()])
            self.db.executemany("insert or replace into wake (spec, says, at, written) values (?, ?, ?, ?)", changed)
        return wanted

    def due(self, now: float) -> list[str]:
        """The specs to look at, longest due first; also those whose wake was written by a clock that has been set back since."""
        rows = self.db.execute("select spec from wake where at <= ? or written > ? order by at", (now, now + BACK))
        return [row[0] for row in rows]

    def next(self) -> float | None:
        """When the next spec is to be looked at."""
        row = self.db.execute("select min(at) from wake").fetchone()
        return None if row is None else row[0]

    def begin(self, spec: str) -> None:
        """A look at it begins: what others told up to now, it will see."""
        self.db.execute("update wake set told = null where spec = ? and told is not null", (spec,))

    def set(self, spec: str, says: str, at: float, failed: int, now: float) -> None:
        """Look at it again then, or when somebody else has told meanwhile. Nothing where it says something else by now: then it is due."""
        change = "update wake set at = min(?, coalesce(told, ?)), written = ?, failed = ? where spec = ? and says = ?"
        self.db.execute(change, (at, at, now, failed, spec, says))

    def sooner(self, wakes: Iterable[tuple[str, float]]) -> None:
        """Look at these again then, if not before."""
        with self.transaction():
            change = "update wake set at = min(at, ?), told = min(coalesce(told, ?), ?) where spec = ?"
            self.db.executemany(change, [(at, at, at, spec) for spec, at in wakes])

    def announce(self, wakes: Mapping[str, float]) -> list[Announced]:
        """Look at these again then, if not before and if that is not withdrawn: a run begins elsewhere, and may be cut off."""
        with self.transaction():
            rows = self.db.execute("select spec, at, told from wake").fetchall()
            found = [Announced(spec, wakes[spec], at, told) for spec, at, told in rows if spec in wakes]
            change = "update wake set at = min(at, ?), told = min(coalesce(told, ?), ?) where spec = ?"
            self.db.executemany(change, [(each.then, each.then, each.then, each.spec) for each in found])
        return found

    def withdraw(self, announced: Iterable[Announced]) -> None:
        """As it was, where nobody has said or looked since."""
        change = "update wake set at = case when at = ? then ? else at end, told = ? where spec = ? and told = ?"
        with self.transaction():
            self.db.executemany(change, [(each.then, each.at, each.told, each.spec, each.then) for each in announced])

    def failed(self, spec: str) -> int:
        """How often in a row a look at it failed."""
        row = self.db.execute("select failed from wake where spec = ?", (spec,)).fetchone()
        return row[0] if row else 0

    def there(self) -> bool:
        """Whether it is still the file at its path: somebody may have deleted it."""
        try:
            return self.path.stat().st_ino == self.inode
        except OSError:
            return False

    def close(self) -> None:
        """Let go of it."""
        self.db.close()


def broken(error: sqlite3.Error) -> bool:
    """Whether the file itself is damaged: no lock, and no disk that is full."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError)


def begin_anew(state: Path) -> None:
    """Remove it: it is a cache. For the daemon alone."""
    _remove(state / INDEX)


def open_index(state: Path) -> WakeIndex:
    """The daemon's own; one that is broken is begun anew, one of an earlier format goes. `sqlite3.OperationalError`, `OSError`."""
    _remove(state / "index.db")
    try:
        return WakeIndex(state / INDEX)
    except sqlite3.DatabaseError as error:
        if not broken(error):
            raise
        begin_anew(state)
        return WakeIndex(state / INDEX)


def _remove(file: Path) -> None:
    for each in ("", "-wal", "-shm"):
        file.with_name(file.name + each).unlink(missing_ok=True)


def announce(state: Path, wakes: Mapping[str, float]) -> list[Announced]:
    """Let a daemon on this state directory know that these specs are run now, and want a look then unless that is withdrawn.

    Nothing where no daemon ever was. `sqlite3.Error`, `OSError`.
    """
    if not (state / INDEX).exists():
        return []
    with closing(WakeIndex(state / INDEX)) as index:
        return index.announce(wakes)


def tell(state: Path, wakes: Iterable[tuple[str, float]], announced: Iterable[Announced] = ()) -> None:
    """Let a daemon on this state directory know when these specs want a look; nothing where none ever was. `sqlite3.Error`, `OSError`."""
    if (state / INDEX).exists():
        with closing(WakeIndex(state / INDEX)) as index:
            index.withdraw(announced)
            index.sooner(wakes)
