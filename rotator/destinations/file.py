"""A file as a destination: named keys of a JSON object or of a YAML mapping, or one raw value.

    destinations:
      web-config: {type: file, format: json, path: /etc/web/secrets.json, mode: "0640", group: web}
      app-config: {type: file, format: yaml, path: /etc/app/secrets.yaml}
      api-token: {type: file, format: raw, path: /run/web/api-token, owner: web}

and in a schedule `publish: [{destination: web-config, keys: {db_password: password}}]`; of a raw file the one key is called `value`:
`keys: {value: password}`. In a JSON object or a YAML mapping only the named keys of its outermost level are set, as strings; all else stays
as it is, byte for byte: order, white space, comments, how numbers are written. A YAML file is one document; a value of ours that has a tag,
an anchor, or lines of its own (`|`) is refused. What `env_file` says of owner, mode, mounts, links and its lock file holds here; so
does this: the file is replaced as a whole, and has no room for a generation. A writer that comes late is seen and mended by the next run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum

from pydantic import ValidationInfo, field_validator

from rotator.destination import Foreign, Place, Refused, Secret
from rotator.destinations.dotenv import NAME
from rotator.destinations.local import LocalFile, LocalFileSettings
from rotator.jsontext import Member, members, spliced
from rotator.yamltext import Entry, entries
from rotator.yamltext import spliced as yaml_spliced

VALUE = "value"
"""What the one key of a raw file is called: two specs that write the same file are refused as two that write the same key."""


class Format(StrEnum):
    """What the file is."""

    JSON = "json"
    """An object, of which some keys are ours."""
    YAML = "yaml"
    """One mapping, of which some keys are ours."""
    RAW = "raw"
    """One value, and nothing else."""


class FileSettings(LocalFileSettings):
    """`type: file` in rotator.yaml."""

    format: Format
    newline: bool = False
    """Whether a raw value ends with a newline, for readers that want lines."""

    @field_validator("newline")
    @classmethod
    def _of_a_raw_value(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("format") in (Format.JSON, Format.YAML):
            raise ValueError("nothing reads this but `format: raw`: leave it out")
        return value


class File(LocalFile[FileSettings]):
    """Named keys of a JSON object or of a YAML mapping, or one raw value."""

    settings = FileSettings
    kind, name, fix = "a file", NAME, "use letters, digits and _, beginning with no digit"

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """Set all keys in one replacement of the file, under its lock. Does nothing where it is already so."""
        self._one(place)
        super().publish(place, values, version, generation)

    def published(self, place: Place) -> Mapping[str, Secret]:
        """Read and parsed afresh, without a lock: the file is replaced as a whole."""
        self._one(place)
        return super().published(place)

    def replaced(self, old: str, values: Mapping[str, str], path: str) -> str:
        """A raw value replaces all that was there."""
        if self.config.format is Format.RAW:
            return values[VALUE] + "\n" * self.config.newline
        _texts(old, values, path, self.config.format)  # refuses what nobody can set
        if self.config.format is Format.YAML:
            return _yaml_with(old, values, path)
        return spliced(old, values) if old.strip() else json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    def found(self, old: str, keys: Mapping[str, str], path: str) -> Mapping[str, str]:
        """Of a raw value the newline belongs to it unless `newline` says that it is the file's."""
        if self.config.format is not Format.RAW:
            return _texts(old, keys, path, self.config.format)
        value = old.removesuffix("\n") if self.config.newline else old
        return {VALUE: value} if value else {}

    def _one(self, place: Place) -> None:
        if self.config.format is Format.RAW and set(place.keys) != {VALUE}:
            raise Refused("a raw file holds one value", f"write keys: {{{VALUE}: FIELD}}, or use format: json or yaml")


def _texts(text: str, names: Iterable[str], path: str, format: Format) -> dict[str, str]:
    """Our keys that are set in it; null and an empty text are a blank to fill in. `Foreign`: nobody can tell what is ours."""
    found = _members(text, format)
    if found is None:  # said out here: the parser's own error would carry the text along
        raise Foreign(f"{path} is not one {_ONE[format]}", "mend the file, or name another")
    ours = [each for each in found if each.name in set(names)]
    values = {each.name: each.value for each in ours}
    if len(values) < len(ours):
        raise Foreign(f"a key of ours stands twice in {path}", "remove one of them: readers disagree about which one counts")
    wrong = [key for key, value in values.items() if value is not None and not isinstance(value, str)]
    if wrong:
        raise Foreign(f"{wrong[0]!r} in {path} is no plain text", "remove it there, or name another key")
    return {key: value for key, value in values.items() if value}


_ONE = {Format.JSON: "JSON object", Format.YAML: "YAML document that is a mapping"}


def _members(text: str, format: Format) -> Sequence[Member | Entry] | None:
    try:
        return entries(text) if format is Format.YAML else members(text) if text.strip() else []
    except ValueError:
        return None


def _yaml_with(old: str, values: Mapping[str, str], path: str) -> str:
    new = None
    with suppress(ValueError):
        new = yaml_spliced(old, values)
    if new is None:
        raise Foreign(f"{path} is written so that no key can be set without another", "write it as a plain mapping, a key to a line")
    return new
