"""Records: one text field each, replaced by check-and-set, one version kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rotator.errors import Conflict, Corrupt, Denied, PortError, Refused, Unreachable
from rotator.record import WRITES_KEPT, Record, from_document, to_document
from rotator.stores.vault.kv import Document, Kv
from rotator.stores.vault.wire import Wire, may_have_landed

FIELD = "record"
WANTED = {"cas_required": True, "max_versions": 1, "delete_version_after": "0s"}
"""Of each record's key: nobody writes it without a check-and-set, replaced documents do not stay, and none vanishes."""
RESERVE = 1.5
"""Seconds that are kept for the one read which decides about a write that got no answer."""


class Records:
    """The records below one prefix."""

    def __init__(self, kv: Kv, wire: Wire, prefix: str, max_bytes: int) -> None:
        self._kv, self._wire, self._prefix, self._most = kv, wire, f"{prefix}/records", max_bytes
        self._old: dict[str, list[int]] = {}
        """By path, the versions that a write leaves behind where the mount keeps them. A path in it has the metadata it should."""
        self._unsure: set[str] = set()
        """Ids of writes that were sent without an answer; an earlier call's too, for they can only make us more careful."""

    def read(self, path: str) -> Record:
        """See `Store.read`."""
        found = self._get(path)
        return self._parse(path, found) if found else Record()

    def _get(self, path: str) -> Document | None:
        return self._kv.get(f"{self._prefix}/{path}", f"read record {path}", self._kv.policy.own)

    def _parse(self, path: str, found: Document) -> Record:
        if found.data is None:
            fix = f"bring version {found.version} back with `bao kv undelete`; where it was destroyed, delete its metadata and adopt anew"
            raise Corrupt(f"record {path}: version {found.version} was deleted by somebody else; it is not taken for empty", fix=fix)
        text = found.data.get(FIELD)
        try:
            document = json.loads(text) if isinstance(text, str) and len(found.data) == 1 else None
        except ValueError:
            document = None
        if not isinstance(document, Mapping):
            raise Corrupt(f"record {path} is no document of ours", fix="somebody else wrote there; bring the last version back")
        return from_document(document, found.version)

    def paths(self) -> list[str]:
        """See `Store.paths`."""
        return sorted(self._walk(""))

    def _walk(self, folder: str) -> list[str]:
        found: list[str] = []
        for each in self._kv.keys(f"{self._prefix}/{folder}".rstrip("/"), "list records"):
            found += self._walk(f"{folder}{each}") if each.endswith("/") else [f"{folder}{each}"]
        return found

    # ---- write

    def write(self, path: str, record: Record) -> Record:
        """See `Store.write`."""
        text = json.dumps(to_document(record), separators=(",", ":"))
        if len(text) > self._most:
            raise Refused(f"record {path} would have {len(text)} bytes, more than {self._most}", "shorten the fields")
        self._prepare(path, record)
        written = self._send(path, {FIELD: text}, record)
        if written is None:
            return self._settle(path, record)
        self._tidy(path, record, written)
        if written.vanishes:
            raise Denied(
                f"record {path} was written, but the server will delete it by itself", "set `delete_version_after` of the mount to 0s"
            )
        return record.but(revision=written.version)

    def _send(self, path: str, data: Mapping[str, str], record: Record) -> Document | None:
        """Send it until there is an answer: the same bytes against the same revision may land but once.

        None: they did not land now. What never left us, and what Vault did not try (sealed, rate limit), is the caller's to repeat.
        """
        tries, trouble, cas = 0, None, record.revision or 0
        while trouble is None or self._wire.left > RESERVE:
            try:
                return self._kv.put(f"{self._prefix}/{path}", data, cas, f"write record {path}", self._kv.policy.own)
            except Unreachable as error:
                if trouble is None and not may_have_landed(error):
                    raise
                trouble, tries = error, tries + 1
                self._unsure.update(record.writes[-1:])
                self._wire.pause(tries)
        found = self._get(path)
        if (found.version if found else 0) == cas:
            raise trouble  # the head still is what we would replace: it may land yet
        return None

    def _settle(self, path: str, record: Record) -> Record:
        """The head is not the one this write replaces: either this very write landed and its answer was lost, or we are late.

        Where another wrote after us, the revision stays the old one, so that our next write is a conflict.
        """
        head, mine = self.read(path), record.writes[-1:]
        if not mine or mine[0] not in head.writes:
            since = (head.revision or 0) - (record.revision or 0)
            if self._unsure.intersection(mine) and since > WRITES_KEPT:
                text = f"write record {path}: no answer came, and {since} writes later nobody can tell any more whether it landed"
                raise Unreachable(text, "which other runner writes there so often?")
            raise Conflict(f"record {path} was changed by another runner")
        return record.but(revision=head.revision if head.writes[-1] == record.writes[-1] else record.revision)

    # ---- old versions

    def _prepare(self, path: str, record: Record) -> None:
        """Before the first write of a path: its key's own settings, and which old versions stand there. A new key has none yet."""
        if path in self._old:
            return
        what = f"look at the versions of record {path}"
        found = self._kv.metadata(f"{self._prefix}/{path}", what)
        if found is None:
            return
        if any(found.get(name) != value for name, value in WANTED.items()):
            self._kv.set_metadata(f"{self._prefix}/{path}", WANTED, f"keep one version of record {path}")
        self._old[path] = _standing(found, record.revision)

    def _tidy(self, path: str, record: Record, written: Document) -> None:
        """After a write: what it replaced is destroyed, where the mount would keep it.

        The write has landed, so trouble here is no trouble of the write: it is left to the next one. `check` names a right that is missing.
        """
        try:
            if path not in self._old:
                self._kv.set_metadata(f"{self._prefix}/{path}", WANTED, f"keep one version of record {path}")
                self._old[path] = []
            if self._kv.open() > 1:
                old = [*self._old[path], *([record.revision] if record.revision else [])]
                self._old[path] = [each for each in old if each < written.version]
                if self._old[path]:
                    self._kv.destroy(f"{self._prefix}/{path}", self._old[path], f"destroy old versions of record {path}")
            self._old[path] = []
        except PortError:
            return

    def forget(self) -> None:
        """The next write of each path looks at its versions again."""
        self._old.clear()


def _standing(metadata: Mapping[str, Any], head: int | None) -> list[int]:
    """The old versions that can still be read."""
    versions = metadata.get("versions")
    found = versions.items() if isinstance(versions, Mapping) else ()
    return [int(each) for each, about in found if each.isdigit() and int(each) != head and not about.get("destroyed")]
