"""Placeholders: `{principal}`, `{params.x}`, `{label}`, `{id}`, `{secret}`, `{secrets.x}`, `{expires.date}`. One pass, nothing nested.

A value never ends one part of a URL and begins another: in a path and a query it is percent-encoded, and a path that has a `.` or `..`
among its parts, an encoded slash read as one, is refused, because clients, proxies and servers fold it away (RFC 3986, section 5.2.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from rotator.errors import BadInput
from rotator.model import Secret

_PLACE = re.compile(r"\{([a-z]+(?:\.[A-Za-z0-9_-]+)?)\}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""What Python makes of bytes that are no UTF-8 (PEP 383), and JSON of half a pair."""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Left:
    """Stands for an optional value that was not given: the key that holds it is left out."""


LEFT: Final = Left()
Value = str | int | bool | Secret | Left
Lookup = Callable[[str], Value]
"""The value of a placeholder, by its name without the braces."""


def names(text: str) -> list[str]:
    """The placeholders of a text. `ValueError` where a brace is none."""
    if re.search(r"[{}]", _PLACE.sub("", text)):
        raise ValueError("a brace that is no placeholder; placeholders are like {principal} or {params.x}")
    return _PLACE.findall(text)


def names_within(value: Any) -> Iterator[str]:
    """The placeholders of all texts in a JSON value. `ValueError` as `names`."""
    if isinstance(value, str):
        yield from names(value)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if re.search(r"[{}]", str(key)):
                raise ValueError("a placeholder stands in a value, not in a key")
            yield from names_within(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from names_within(each)


def whole(text: str) -> str | None:
    """The placeholder that is all of this text; None where there is more, or none."""
    match = _PLACE.fullmatch(text)
    return match[1] if match else None


def fill(text: str, lookup: Lookup) -> str:
    """The text with its values in place. For headers and texts in JSON; a control character in a value is `BadInput`."""

    def value(match: re.Match[str]) -> str:
        filled = _text(lookup(match[1]), match[1])
        if CONTROL.search(filled):
            raise BadInput(f"the value of {{{match[1]}}} holds a control character")
        return filled

    return _PLACE.sub(value, text)


def fill_path(path: str, lookup: Lookup) -> str:
    """The path with its values percent-encoded. `BadInput` where a part would be `.`, `..` or empty by a value."""
    filled = _PLACE.sub(lambda match: quote(_filled(match[1], lookup), safe=""), path)
    if folds(unquote(filled)):
        raise BadInput("a value of the path comes out as `.` or `..`, which would reach another resource")
    return filled


def folds(text: str) -> bool:
    """Whether a `.` or `..` stands between slashes of either kind, or is all of it."""
    return any(part in (".", "..") for part in re.split(r"[/\\]", text))


def fill_query(query: Mapping[str, str], lookup: Lookup) -> str:
    """The query, encoded; a key whose optional value was not given is left out."""
    given = {key: text for key, text in query.items() if not _left_out(text, lookup)}
    return urlencode({key: fill(text, lookup) for key, text in given.items()}, quote_via=quote, safe="")


def fill_json(value: Any, lookup: Lookup) -> Any:
    """The JSON value filled. A text that is one placeholder keeps its value's type; an optional one not given is left out."""
    if isinstance(value, str):
        name = whole(value)
        found = lookup(name) if name else None
        return found if isinstance(found, int) else fill(value, lookup)
    if isinstance(value, Mapping):
        return {key: fill_json(each, lookup) for key, each in value.items() if not _left_out(each, lookup)}
    if isinstance(value, list | tuple):
        return [fill_json(each, lookup) for each in value if not _left_out(each, lookup)]
    return value


def _left_out(value: Any, lookup: Lookup) -> bool:
    name = whole(value) if isinstance(value, str) else None
    return name is not None and isinstance(lookup(name), Left)


def _filled(name: str, lookup: Lookup) -> str:
    text = _text(lookup(name), name)
    if not text:
        raise BadInput(f"the value of {{{name}}} is empty")
    return text


def _text(value: Value, name: str) -> str:
    if isinstance(value, Left):
        raise BadInput(f"nothing was given for {{{name}}}")
    text = value.reveal() if isinstance(value, Secret) else str(value).lower() if isinstance(value, bool) else str(value)
    if _SURROGATE.search(text):  # an encoder's error would carry the text with it
        raise BadInput(f"the value of {{{name}}} is no UTF-8")
    return text
