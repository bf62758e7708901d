"""A JSON object in which some members are set, and not one other character changes: numbers, order, blanks, duplicates.

JSON: RFC 8259. Python's own reader would write 1.10 back as 1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_BLANK = " \t\n\r"
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Member:
    """One member of the outermost object: where its name begins, what stands between name and value, and its value (`text[start:end]`)."""

    name: str
    value: Any
    first: int
    colon: int
    start: int
    end: int


def members(text: str) -> list[Member]:
    """The members of the object that this text is. Raises `ValueError` where it is none; its error may hold the text."""
    try:
        return list(_members(text))
    except (IndexError, RecursionError):
        raise ValueError from None


def _members(text: str) -> Iterator[Member]:
    at = _past(text, "{", 0)
    more = text[at] != "}"
    while more:
        name, colon = _DECODER.raw_decode(text, at)
        between = _COLON.match(text, colon)
        if not isinstance(name, str) or not between:
            raise ValueError
        value, end = _DECODER.raw_decode(text, between.end())
        yield Member(name, value, at, colon, between.end(), end)
        more = text[_skip(text, end)] == ","
        at = _past(text, ",", end) if more else end
    if _past(text, "}", at) != len(text):
        raise ValueError


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _past(text: str, sign: str, at: int) -> int:
    """Past this sign and the space after it."""
    at = _skip(text, at)
    if text[at] != sign:
        raise ValueError
    return _skip(text, at + 1)


def spliced(text: str, values: Mapping[str, str]) -> str:
    """The text with these members set: where they stand, or at its end in the last one's style. Raises `ValueError` as `members` does."""
    found = members(text)
    text = _with(text, found, {name: value for name, value in values.items() if name not in {each.name for each in found}})
    for each in reversed(found):
        if each.name in values:
            text = text[: each.start] + as_json(values[each.name]) + text[each.end :]
    return text


def _with(text: str, found: Sequence[Member], new: Mapping[str, str]) -> str:
    """The text with new members after the last one."""
    if not new:
        return text
    if not found:
        at = text.index("{") + 1
        return text[:at] + ", ".join(f"{as_json(name)}: {as_json(value)}" for name, value in new.items()) + text[at:]
    last = found[-1]
    begin = text[: last.first]
    gap, colon = begin[len(begin.rstrip(_BLANK)) :], text[last.colon : last.start]
    if len(found) == 1 and not gap:
        gap = " " * colon.endswith(" ")
    added = "".join(f",{gap}{as_json(name)}{colon}{as_json(value)}" for name, value in new.items())
    return text[: last.end] + added + text[last.end :]


def as_json(text: str) -> str:
    """Text as JSON; what is no ASCII stays as it is."""
    return json.dumps(text, ensure_ascii=False)
