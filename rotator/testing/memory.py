"""In-memory twins of a store and of a place: the real contracts over a `Shelf` that stands for the server.

Two instances over one shelf see one world. Documents are kept as JSON text, so nothing is shared by reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Self

from rotator.destination import Attested, Conflict, Corrupt, Denied, Destination, Place, Refused, Runtime, Secret, Settings, Unreachable
from rotator.model import Finding, Level
from rotator.record import Record, from_document, to_document
from rotator.store import Store
from rotator.values import LATER, refuse_unfit


@dataclass
class Shelf:
    """The server behind the twins: its documents as text, and what tests may do to it."""

    mount: str = "main"
    """Where it answers; another mount is a mistake of configuration."""
    records: dict[str, tuple[int, str]] = field(default_factory=dict)
    objects: dict[str, Record] = field(default_factory=dict)
    """Those of an `ObjectStore`."""
    values: dict[str, str] = field(default_factory=dict)
    writes: int = 0
    """Records ever written: the source of revisions, so that none comes back."""
    down: bool = False
    """Nothing answers."""
    _lock: RLock = field(default_factory=RLock, repr=False)

    def open(self, mount: str) -> AbstractContextManager[Shelf]:
        """One request, alone."""
        if self.down:
            raise Unreachable("the shelf does not answer")
        if mount != self.mount:
            raise Denied(f"there is no mount {mount}", f"name the mount {self.mount}")
        return self

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *_error: object) -> None:
        self._lock.release()

    def show(self, path: str) -> dict[str, Any]:
        """The document that consumers see, siblings and all."""
        shown: dict[str, Any] = json.loads(self.values.get(path, "{}"))
        return shown


class MemorySettings(Settings):
    """Settings of the twins."""

    mount: str = "main"
    holds_generation: bool = True


class MemoryPlace(Destination[MemorySettings]):
    """A place that other things stand in, too; with `holds_generation: false` a late writer wins there, as in an env file."""

    settings = MemorySettings

    def __init__(self, settings: MemorySettings, runtime: Runtime, shelf: Shelf | None = None) -> None:
        super().__init__(settings, runtime)
        self.shelf = Shelf() if shelf is None else shelf

    @property
    def down(self) -> bool:
        """Whether the world behind it answers nobody."""
        return self.shelf.down

    @down.setter
    def down(self, down: bool) -> None:
        self.shelf.down = down

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """See `Destination.publish`."""
        refuse_unfit(values)
        with self.shelf.open(self.config.mount) as shelf:
            shown = shelf.show(place.path)
            _fence(shown, generation if self.config.holds_generation else None)
            shown |= {"version": version, "generation": generation, "fields": shown.get("fields", {}) | _plain(values)}
            shelf.values[place.path] = json.dumps(shown)

    def published(self, place: Place) -> Mapping[str, Secret]:
        """See `Destination.published`."""
        with self.shelf.open(self.config.mount) as shelf:
            fields = shelf.show(place.path).get("fields", {})
        return {key: Secret(fields[key]) for key in place.keys if key in fields}

    def check(self) -> list[Finding]:
        """Whether it answers."""
        try:
            with self.shelf.open(self.config.mount):
                return []
        except Denied as error:
            return [Finding(Level.FAIL, "place.missing", error.what, error.fix)]


class MemoryAttested(Attested[MemorySettings]):
    """A place that nobody can read back: it counts its writes, and tells the number of the last one."""

    settings = MemorySettings

    def __init__(self, settings: MemorySettings, runtime: Runtime, shelf: Shelf | None = None) -> None:
        super().__init__(settings, runtime)
        self.shelf = Shelf() if shelf is None else shelf

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """See `Destination.publish`."""
        refuse_unfit(values)
        with self.shelf.open(self.config.mount) as shelf:
            shelf.writes += 1
            shelf.values[place.path] = json.dumps({"version": version, "mark": f"write {shelf.writes}", "fields": _plain(values)})

    def mark(self, place: Place) -> str | None:
        """See `Attested.mark`. What a stranger put there has another one."""
        with self.shelf.open(self.config.mount) as shelf:
            told: str = shelf.show(place.path).get("mark", "a stranger's")
            return told if place.path in shelf.values else None


class MemoryStore(Store[MemorySettings]):
    """A store whose documents at a path are ours alone."""

    settings = MemorySettings

    def __init__(self, settings: MemorySettings, runtime: Runtime, shelf: Shelf | None = None) -> None:
        super().__init__(settings, runtime)
        self.shelf = Shelf() if shelf is None else shelf

    def read(self, path: str) -> Record:
        """See `Store.read`."""
        with self.shelf.open(self.config.mount) as shelf:
            return _record(shelf, path)

    def write(self, path: str, record: Record) -> Record:
        """See `Store.write`. Every answer arrives, but a caller may have lost one and send the same write again."""
        text = self._text(f"record {path}", to_document(record))
        with self.shelf.open(self.config.mount) as shelf:
            if shelf.records.get(path, (None,))[0] != record.revision:
                return _settled(path, record, _record(shelf, path))
            shelf.writes += 1
            shelf.records[path] = (shelf.writes, text)
            return record.but(revision=shelf.writes)

    def paths(self) -> list[str]:
        """See `Store.paths`."""
        with self.shelf.open(self.config.mount) as shelf:
            return sorted(shelf.records)

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """See `Destination.publish`."""
        refuse_unfit(values)
        text = self._text(f"values {place.path}", {"version": version, "generation": generation, "fields": _plain(values)})
        with self.shelf.open(self.config.mount) as shelf:
            _fence(shelf.show(place.path), generation)
            shelf.values[place.path] = text

    def published(self, place: Place) -> Mapping[str, Secret]:
        """See `Destination.published`."""
        with self.shelf.open(self.config.mount) as shelf:
            fields = shelf.show(place.path).get("fields", {})
        return {key: Secret(value) for key, value in fields.items() if not place.keys or key in place.keys}

    def check(self) -> list[Finding]:
        """Whether it answers."""
        try:
            with self.shelf.open(self.config.mount):
                return []
        except Denied as error:
            return [Finding(Level.FAIL, "store", error.what, error.fix)]

    def _text(self, what: str, document: Mapping[str, Any]) -> str:
        text = json.dumps(document)
        if len(text) > self.limits.max_bytes:
            raise Refused(f"{what} would have more than {self.limits.max_bytes} bytes")
        return text


class ObjectStore(MemoryStore):
    """The same, with records kept as the objects that they are, for hundreds of thousands of histories: a record is immutable."""

    def read(self, path: str) -> Record:
        """See `Store.read`."""
        with self.shelf.open(self.config.mount) as shelf:
            return shelf.objects.get(path, _NOTHING)

    def write(self, path: str, record: Record) -> Record:
        """See `MemoryStore.write`."""
        with self.shelf.open(self.config.mount) as shelf:
            head = shelf.objects.get(path, _NOTHING)
            if head.revision != record.revision:
                return _settled(path, record, head)
            shelf.writes += 1
            shelf.objects[path] = record.but(revision=shelf.writes)
            return shelf.objects[path]


_NOTHING = Record()


def _plain(values: Mapping[str, Secret]) -> dict[str, str]:
    return {key: each.reveal() for key, each in values.items()}


def _fence(shown: Mapping[str, Any], generation: int | None) -> None:
    held = shown.get("generation", 0)
    if generation is not None and held > generation:
        raise Refused(f"generation {held} is shown, later than {generation}", LATER)


def _record(shelf: Shelf, path: str) -> Record:
    if path not in shelf.records:
        return Record()
    revision, text = shelf.records[path]
    document = json.loads(text)
    if not isinstance(document, dict):
        raise Corrupt(f"record {path} is no JSON object")
    return from_document(document, revision)


def _settled(path: str, record: Record, head: Record) -> Record:
    """An earlier, unanswered sending of this very write landed; or we are late."""
    if not record.writes or record.writes[-1] not in head.writes:
        raise Conflict(f"record {path} was changed by another runner")
    return record.but(revision=head.revision if head.writes[-1] == record.writes[-1] else record.revision)
