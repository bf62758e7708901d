"""A JSON object in which some members are replaced, and not one other character changes: numbers, order, blanks, duplicates.

JSON: RFC 8259. Python's own reader would write 1.10 back as 1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out; it is what JSONDecoder reads strings with
from typing import Any

_BLANK = re.compile(r"[ \t\n\r]*")
_decoder = json.JSONDecoder()


@dataclass(frozen=True)
class Member:
    """One member of the outermost object; its value stands at `text[start:end]`."""

    name: str
    value: Any
    start: int
    end: int


def members(text: str) -> list[Member]:
    """The members of the object that this text is. Raises `ValueError` where it is none."""
    return list(_members(text))


def _members(text: str) -> Iterator[Member]:
    at = _skip(text, _after(text, _skip(text, 0), "{"))
    while text[at : at + 1] != "}":
        name, at = scanstring(text, _after(text, at, '"'), False)
        start = _skip(text, _after(text, _skip(text, at), ":"))
        value, end = _decoder.raw_decode(text, start)
        yield Member(name, value, start, end)
        at = _skip(text, end)
        if text[at : at + 1] == "}":
            break
        at = _skip(text, _after(text, at, ","))
        if text[at : at + 1] == "}":
            raise ValueError
    if _skip(text, at + 1) != len(text):
        raise ValueError


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def _after(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        raise ValueError
    return at + 1


def spliced(text: str, values: Mapping[str, str]) -> str:
    """The text with these members set, new ones at its end. Raises `ValueError` where it is no object."""
    found = members(text)
    for each in reversed(found):
        if each.name in values:
            text = text[: each.start] + json.dumps(values[each.name], ensure_ascii=False) + text[each.end :]
    missing = {name: value for name, value in values.items() if name not in {each.name for each in found}}
    if not missing:
        return text
    end = text.rindex("}")
    body = text[:end].rstrip(" \t\n\r")
    new = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}" for name, value in missing.items())
    return f"{body}{', ' if found else ''}{new}{text[len(body) :]}"
