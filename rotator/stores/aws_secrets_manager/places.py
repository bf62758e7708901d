"""What consumers see: our fields in a secret that may hold others' too.

A note beside the records, without any secret, says for each path which fields are ours and of which generation they are. It is raised by
compare-and-set *after* the secret was read and *before* AWSCURRENT is moved from the version that was read: so of two writers the one of
the lower generation is either refused, or its move is late, or the other one writes after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rotator.aws.answers import Unsure
from rotator.aws.wire import Wire
from rotator.errors import Foreign, Refused, Unreachable
from rotator.jsontext import members, spliced
from rotator.model import Place, Secret, same_values
from rotator.seam import Seam
from rotator.stores.aws_secrets_manager.policy import Policy
from rotator.stores.aws_secrets_manager.secrets import Head, Line, Secrets, Written, refuse_unwritable, token_of
from rotator.stores.aws_secrets_manager.settings import AwsSecretsManagerSettings
from rotator.values import LATER

MOST = 65536
"""Bytes of one secret value (Secrets Manager quotas)."""


@dataclass(frozen=True)
class Note:
    """What we last meant to show at a path."""

    version: str = ""
    generation: int = -1
    fields: tuple[str, ...] = ()
    revision: str | None = None


class Places:
    """The visible secrets. `reader`: where they are read as a consumer does."""

    def __init__(
        self, secrets: Secrets, reader: Secrets, wire: Wire, settings: AwsSecretsManagerSettings, policy: Policy, seam: Seam
    ) -> None:
        self._secrets, self._reader, self._wire, self._settings, self._policy, self._seam = secrets, reader, wire, settings, policy, seam

    def published(self, place: Place) -> dict[str, Secret]:
        """See `Destination.published`. Without `keys`: the fields that we wrote; where we never wrote, all that stands there."""
        path = self._path(place)
        names = tuple(place.keys) or (() if self._settings.replica else self._note(path).fields)
        line = self._line(path) if self._reader is self._secrets else lambda _: self._policy.consumer(path)
        return self._shown(path, self._reader.head(path, f"read {path}", line), names)

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """See `Destination.publish`."""
        path, tries = self._path(place), 0
        wanted = Note(version, generation, tuple(sorted(values)))
        once = self._arrived if self._settings.replica else self._once
        while True:
            trouble = None
            try:
                if once(path, values, wanted):
                    return
            except Unsure as error:
                trouble = error
            tries += 1
            if self._wire.left < self._wire.reserve:
                raise trouble or self._late(path, tries)
            self._wire.pause(tries + 4 * self._settings.replica)

    def _late(self, path: str, tries: int) -> Unreachable:
        if self._settings.replica:
            return Unreachable(
                f"{path}: the replica does not show it yet", "the next run looks again; is the primary a place of this rotation?"
            )
        return Unreachable(f"publish at {path}: others changed it at each of {tries} tries", "who writes there so often?")

    def _arrived(self, path: str, values: Mapping[str, Secret], wanted: Note) -> bool:
        """Of a replica: whether it shows these values. Another place writes its primary."""
        found = self._secrets.head(path, f"look for {path}", self._line(path))
        return same_values(self._shown(path, found, wanted.fields), values)

    def _once(self, path: str, values: Mapping[str, Secret], wanted: Note) -> bool:
        """Whether it stands there now. Read, raise the note, move AWSCURRENT from what was read."""
        what, line = f"publish at {path}", self._line(path)
        refuse_unwritable(path, self._secrets.about(path, what, line), self._settings.region)
        found, note = self._secrets.head(path, what, line), self._note(path)
        if note.generation > wanted.generation:
            raise Refused(f"{path} shows generation {note.generation}, later than {wanted.generation}", LATER)
        text = self._text(path, found, values)
        same = (note.version, note.generation, note.fields) == (wanted.version, wanted.generation, wanted.fields)
        if same and same_values(self._shown(path, found, wanted.fields), values):
            return True
        if not same and not self._raise(path, wanted, note):
            return False
        over = found.version if found else None
        return self._replace(path, text, over, (wanted.version, wanted.generation), what, line)

    def _replace(self, name: str, text: str, over: str | None, marks: tuple[object, ...], what: str, line: Line) -> bool:
        written = self._secrets.replace(name, text, over, token_of(name, over, *marks), what, line)
        if written is Written.TAKEN:
            written = self._secrets.replace(name, text, over, self._seam.new_id(), what, line)
        return written is Written.DONE

    # ---- the value

    def _text(self, path: str, found: Head | None, values: Mapping[str, Secret]) -> str:
        """The new value: what stands there with our fields in it."""
        if self._settings.whole:
            text = self._only(values).reveal()
        else:
            self._members(path, found)
            old = found.text if found and found.text is not None else "{}"
            text = spliced(old, {name: each.reveal() for name, each in values.items()})
        if len(text.encode()) > MOST:
            raise Refused(f"{path} would have {len(text.encode())} bytes, more than {MOST}", "shorten what stands beside our fields")
        return text

    def _only(self, values: Mapping[str, Secret]) -> Secret:
        if len(values) != 1:
            raise Refused(f"`whole` shows one field as the whole secret, and {len(values)} are to be shown", "name that one in `keys`")
        return next(iter(values.values()))

    def _shown(self, path: str, found: Head | None, names: tuple[str, ...]) -> dict[str, Secret]:
        """These fields, as a consumer gets them; all of them where none is named. What is no text is shown as its JSON."""
        if self._settings.whole:
            if len(names) != 1 or found is None or found.text is None:
                return {}
            return {names[0]: Secret(found.text)}
        shown = [each for each in self._members(path, found) if not names or each.name in names]
        text = found.text if found and found.text else ""
        return {each.name: Secret(each.value if isinstance(each.value, str) else text[each.start : each.end]) for each in shown}

    def _members(self, path: str, found: Head | None) -> Any:
        if found is None:
            return []
        try:
            return members(found.text or "")
        except (ValueError, RecursionError):
            pass
        kind = "binary" if found.text is None else "no JSON object"
        raise Refused(
            f"the secret {path} is {kind}: our fields have no place in it", "make it a JSON object; a plain text of one field: `whole`"
        )

    # ---- notes

    def _note_name(self, path: str) -> str:
        return f"{self._settings.prefix}/places/{path}"

    def _note(self, path: str) -> Note:
        found = self._secrets.head(self._note_name(path), f"read the note of {path}", self._policy.own)
        if found is None:
            return Note()
        try:
            note = json.loads(found.text or "")
            return Note(str(note["version"]), int(note["generation"]), tuple(note["fields"]), found.version)
        except (KeyError, TypeError, ValueError):
            pass
        command = f"`aws secretsmanager delete-secret --force-delete-without-recovery --secret-id {self._note_name(path)}`"
        raise Foreign(f"the note of {path} is none of ours", f"{command}; the next run publishes again")

    def _raise(self, path: str, wanted: Note, note: Note) -> bool:
        """Write the note over the one that was read. False: another was faster: look again."""
        text = json.dumps({"version": wanted.version, "generation": wanted.generation, "fields": wanted.fields})
        marks = (wanted.version, wanted.generation, *wanted.fields)
        return self._replace(self._note_name(path), text, note.revision, marks, f"write the note of {path}", self._policy.own)

    # ---- paths

    def _line(self, path: str) -> Callable[[tuple[str, ...]], dict[str, Any]]:
        return lambda actions: self._policy.place(path, actions)

    def _path(self, place: Place) -> str:
        """The name of the secret. What is rotator's own is no place."""
        own = self._settings.prefix
        if place.path == own or place.path.startswith(f"{own}/"):
            raise Refused(f"{place.path} lies below {own}/, where records are kept", "choose another path, or another `prefix`")
        return place.path
