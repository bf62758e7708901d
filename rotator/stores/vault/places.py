"""What consumers see: our fields in a document that may hold others' too.

A note beside the records, without any secret, says for each path which fields are ours and of which generation they are. It is raised by
check-and-set *after* the document was read and *before* it is patched against the version that was read: so of two writers the one of the
lower generation is either refused, or its patch is late, or the other one writes after it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from rotator.errors import Denied, Foreign, Refused, Unreachable
from rotator.model import Place, Secret, same_values
from rotator.stores.vault.kv import Document, Kv
from rotator.stores.vault.settings import VaultSettings
from rotator.stores.vault.wire import Wire, may_have_landed
from rotator.values import LATER

FIELD = "place"


@dataclass(frozen=True)
class Note:
    """What we last meant to show at a path."""

    version: str = ""
    generation: int = -1
    fields: tuple[str, ...] = ()
    revision: int = 0


class Places:
    """The visible documents of one mount. `reader`: where they are read as a consumer does."""

    def __init__(self, kv: Kv, wire: Wire, settings: VaultSettings, reader: Kv) -> None:
        self._kv, self._wire, self._settings, self._own, self._reader = kv, wire, settings, settings.prefix, reader

    def published(self, place: Place) -> dict[str, Secret]:
        """See `Destination.published`. Without `keys`: the fields that we wrote; where we never wrote, all that stands there."""
        path = self._path(place)
        names = tuple(place.keys) or self._note(path).fields
        found = self._reader.get(path, f"read {path}", self._reader.policy.consumer(path))
        return _shown(found, names)

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """See `Destination.publish`."""
        path, tries = self._path(place), 0
        while True:
            trouble = None
            try:
                if self._once(path, values, Note(version, generation, tuple(sorted(values)))):
                    return
            except Unreachable as error:
                if not may_have_landed(error):
                    raise
                trouble = error
            tries += 1
            self._wire.pause(tries)
            if self._wire.left <= 0:
                raise trouble or Unreachable(f"publish at {path}: others changed it at each of {tries} tries", "who writes there so often?")

    def _once(self, path: str, values: Mapping[str, Secret], wanted: Note) -> bool:
        """Whether it stands there now. Read, raise the note, patch what was read."""
        what, line = f"publish at {path}", self._kv.policy.place(path)
        found = self._kv.get(path, what, line)
        if found and found.vanishes:
            raise _vanishes(path)
        note = self._note(path)
        if note.generation > wanted.generation:
            raise Refused(f"{path} shows generation {note.generation}, later than {wanted.generation}", LATER)
        same = (note.version, note.generation, note.fields) == (wanted.version, wanted.generation, wanted.fields)
        if same and same_values(_shown(found, wanted.fields), values):
            return True
        return (same or self._raise(path, wanted, note.revision)) and self._write(path, found, values)

    def _write(self, path: str, found: Document | None, values: Mapping[str, Secret]) -> bool:
        """Where there is a document it is patched, never replaced; of one that was deleted nothing is left to keep."""
        what, line = f"publish at {path}", self._kv.policy.place(path)
        plain = {name: each.reveal() for name, each in values.items()}
        if found is None or found.data is None:
            written = self._kv.put(path, plain, found.version if found else 0, what, line)
        else:
            written = self._kv.patch(path, plain, found.version, what, line)
        if written and written.vanishes:
            raise _vanishes(path)
        return written is not None

    # ---- notes

    def _note(self, path: str) -> Note:
        found = self._kv.get(f"{self._own}/places/{path}", f"read the note of {path}", self._kv.policy.own)
        if found is None or found.data is None:
            return Note(revision=found.version if found else 0)
        try:
            note = json.loads(found.data[FIELD])
            return Note(str(note["version"]), int(note["generation"]), tuple(note["fields"]), found.version)
        except (KeyError, TypeError, ValueError):
            pass
        there = f"-namespace={self._settings.namespace} " if self._settings.namespace else ""
        command = f"`bao kv metadata delete {there}-mount={self._settings.mount} {self._own}/places/{path}`"
        raise Foreign(f"the note of {path} is none of ours", f"{command}; the next run publishes again")

    def _raise(self, path: str, wanted: Note, revision: int) -> bool:
        """Write the note over the one that was read. False: another was faster, or nobody knows: look again."""
        text = json.dumps({"version": wanted.version, "generation": wanted.generation, "fields": wanted.fields})
        written = self._kv.put(
            f"{self._own}/places/{path}", {FIELD: text}, revision, f"write the note of {path}", self._kv.policy.own, again=True
        )
        return written is not None

    def _path(self, place: Place) -> str:
        """The path in the mount. What is rotator's own is no place."""
        if place.path == self._own or place.path.startswith(f"{self._own}/"):
            raise Refused(f"{place.path} lies below {self._own}/, where records are kept", "choose another path, or another `prefix`")
        return place.path


def _shown(found: Document | None, names: tuple[str, ...]) -> dict[str, Secret]:
    """These fields, as a consumer gets them; all of them where none is named. What is no text is shown as JSON."""
    data = found.data if found and found.data else {}
    shown = {name: value for name, value in data.items() if not names or name in names}
    return {name: Secret(value if isinstance(value, str) else json.dumps(value)) for name, value in shown.items()}


def _vanishes(path: str) -> Denied:
    fix = "`bao kv metadata put -delete-version-after=0s` there, and write it anew"
    return Denied(f"{path}: the server deletes each version of it by itself, and consumers would lose their credential", fix)
