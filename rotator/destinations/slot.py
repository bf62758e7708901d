"""What destinations that hold one text have in common (a CI variable, a parameter): one field as it is, or some as one JSON object.

A credential of several fields is never spread over several slots: a reader in between would see half of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum

from rotator.destination import Foreign, Place, Refused, Secret
from rotator.jsontext import members, spliced


class Format(StrEnum):
    """What the text is."""

    VALUE = "value"
    """One field, as it is."""
    JSON = "json"
    """An object, of which some members are ours."""


def refuse_pieces(place: Place, form: Format) -> None:
    """Raise `Refused` where more than one field would have to stand in a text that is none but one."""
    if form is Format.VALUE and len(place.keys) != 1:
        raise Refused("it holds one value, so one field", "write keys: {value: FIELD}, or set `format: json` for several in one")


def filled(old: str, values: Mapping[str, Secret], form: Format, where: str) -> str:
    """The text with these values. Of an object other members stay as they are, byte for byte. `Foreign` where it cannot be told."""
    plain = {key: each.reveal() for key, each in values.items()}
    if form is Format.VALUE:
        return next(iter(plain.values()))
    if not old:
        return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    taken(old, Place("", "", dict.fromkeys(plain, "")), form, where)  # refuses what nobody can set
    return spliced(old, plain)


def taken(text: str, place: Place, form: Format, where: str) -> dict[str, Secret]:
    """The fields, as a consumer reads them; without `keys` all that stand there. Empty ones are blanks to fill in, and not set."""
    if form is Format.VALUE:
        return {key: Secret(text) for key in place.keys if text}
    if not text:
        return {}
    found = _members(text)
    if found is None:  # said out here: the parser's own error would carry the text along
        raise Foreign(f"{where} is not one JSON object", "mend it by hand, or use `format: value`")
    ours = {name: value for name, value in found if not place.keys or name in place.keys}
    if len(ours) < len([name for name, _ in found if name in ours]):
        raise Foreign(f"a key of ours stands twice in {where}", "remove one of them: readers disagree about which one counts")
    wrong = [name for name, value in ours.items() if value is not None and not isinstance(value, str)]
    if wrong:
        raise Foreign(f"{wrong[0]!r} in {where} is no text", "remove it there, or name another key")
    return {name: Secret(value) for name, value in ours.items() if isinstance(value, str) and value}


def _members(text: str) -> list[tuple[str, object]] | None:
    try:
        return [(each.name, each.value) for each in members(text)]
    except (ValueError, RecursionError):
        return None
