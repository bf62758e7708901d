"""The store `shelf`: the same database for consumers, and a second one, which none of them can read, for the records."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection

from rotator.record import from_document, to_document
from rotator.settings import LocalPath
from rotator.store import Conflict, Corrupt, Denied, Finding, Level, Record, Refused, Store

from .place import Shelf, ShelfSettings, transaction

TABLE = "CREATE TABLE record (path TEXT PRIMARY KEY, revision TEXT, document TEXT)"


class ShelfStoreSettings(ShelfSettings):
    """`type: shelf` among the stores."""

    records: LocalPath


class ShelfStore(Shelf, Store[ShelfSettings]):
    """A record is a row, replaced where its revision is still the one that was read."""

    settings = ShelfStoreSettings
    config: ShelfStoreSettings

    def read(self, path: str) -> Record:
        with self._records() as records:
            return _head(records, path)

    def write(self, path: str, record: Record) -> Record:
        document = json.dumps(to_document(record))
        if len(document) > self.limits.max_bytes:
            raise Refused(f"record {path} would have {len(document)} bytes, more than {self.limits.max_bytes}", "shorten the fields")
        with self._records(changes=True) as records:
            head = _head(records, path)
            if head.revision != record.revision:
                return _settle(path, record, head)
            revision = secrets.token_hex(8)
            records.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", [path, revision, document])
        return record.but(revision=revision)

    def paths(self) -> list[str]:
        with self._records() as records:
            return [path for (path,) in records.execute("SELECT path FROM record ORDER BY path")]

    def check(self) -> list[Finding]:
        try:
            self.paths()
        except Denied as error:
            return [Finding(Level.FAIL, "store", error.what, error.fix), *super().check()]
        return super().check()

    @contextmanager
    def _records(self, *, changes: bool = False) -> Iterator[Connection]:
        """The records hold secrets in clear: what keeps them from others is the mode of this file alone."""
        path = Path(self.config.records)
        if path.exists() and path.stat().st_mode & 0o077:
            raise Denied(f"{path} can be opened by others", f"chmod 600 {path}")
        with transaction(str(path), self.runtime.timeout, TABLE, changes=changes) as records:
            yield records


def _head(records: Connection, path: str) -> Record:
    """The record as it stands; absent: an empty one. What cannot be read is `Corrupt`, never empty."""
    found = records.execute("SELECT revision, document FROM record WHERE path = ?", [path]).fetchone()
    if found is None:
        return Record()
    try:
        document = json.loads(found[1])
    except (TypeError, ValueError):
        document = None
    if not isinstance(document, dict):
        raise Corrupt(f"record {path} is no document of ours", fix="bring it back from a backup")
    return from_document(document, found[0])


def _settle(path: str, record: Record, head: Record) -> Record:
    """Another head than the one to be replaced: this very write landed before and its answer was lost, or another was faster.

    Where another wrote after us, the revision stays as it was: our next write is a conflict.
    """
    if not record.writes or record.writes[-1] not in head.writes:
        raise Conflict(f"record {path} was changed by another runner")
    return record.but(revision=head.revision if head.writes[-1] == record.writes[-1] else record.revision)
