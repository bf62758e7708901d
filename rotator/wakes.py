"""When a daemon is to look at each spec: `STATE/index.db`. A cache: it may be deleted at any time, then every spec is looked at once.

The records have the truth, and a run says when it wants its spec to be looked at again. So do runs by the command line beside a daemon:
else the end of a grace that they began would wait for the daemon's daily look.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rotator.spec import RotationSpec

INDEX = "index.db"
FORMAT = 2
TABLE = "create table wake (spec text primary key, says text not null, at real not null, failed integer not null default 0)"


def fingerprint(spec: RotationSpec) -> str:
    """Of what a spec says, but for the line where it stands. It holds references to secrets and no secret."""
    return hashlib.sha256(repr(replace(spec, source="")).encode()).hexdigest()[:16]


class WakeIndex:
    """Of one state directory. One that another version of rotator wrote is begun anew. `sqlite3.Error` where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("pragma journal_mode=wal")
        with self.db:
            self.db.execute("begin immediate")
            if self.db.execute("pragma user_version").fetchone()[0] != FORMAT:
                self.db.execute("drop table if exists wake")
                self.db.execute(TABLE)
                self.db.execute("create index wake_at on wake (at)")
                self.db.execute(f"pragma user_version={FORMAT}")

    def keep_only(self, specs: Iterable[RotationSpec], now: float) -> None:
        """Know these specs and no others; a new one, and one that says something else than before, is looked at now."""
        wanted = {each.name: fingerprint(each) for each in specs}
        known = dict(self.db.execute("select spec, says from wake"))
        changed = [(name, says, now) for name, says in sorted(wanted.items()) if known.get(name) != says]
        with self.db:
            self.db.execute("begin")
            self.db.executemany("delete from wake where spec = ?", [(each,) for each in known.keys() - wanted.keys()])
            self.db.executemany("insert or replace into wake (spec, says, at) values (?, ?, ?)", changed)

    def due(self, now: float) -> list[str]:
        """The specs to look at, longest due first."""
        return [row[0] for row in self.db.execute("select spec from wake where at <= ? order by at", (now,))]

    def next(self) -> float | None:
        """When the next spec is to be looked at."""
        row = self.db.execute("select min(at) from wake").fetchone()
        return None if row is None else row[0]

    def set(self, spec: str, at: float, failed: int) -> None:
        """Look at it again then."""
        self.db.execute("update wake set at = ?, failed = ? where spec = ?", (at, failed, spec))

    def sooner(self, wakes: Iterable[tuple[str, float]]) -> None:
        """Look at these again then, if not before."""
        self.db.executemany("update wake set at = min(at, ?) where spec = ?", [(at, spec) for spec, at in wakes])

    def failed(self, spec: str) -> int:
        """How often in a row a look at it failed."""
        row = self.db.execute("select failed from wake where spec = ?", (spec,)).fetchone()
        return row[0] if row else 0

    def close(self) -> None:
        """Let go of it."""
        self.db.close()


def tell(state: Path, wakes: Iterable[tuple[str, float]]) -> None:
    """Let a daemon on this state directory know when these specs want to be looked at; nothing where none ever was. `sqlite3.Error`."""
    if (state / INDEX).exists():
        with closing(WakeIndex(state / INDEX)) as index:
            index.sooner(wakes)
