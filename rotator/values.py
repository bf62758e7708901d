"""What no store or destination ever writes: values that no consumer could log in with, or that not every reader reads alike."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rotator.errors import Refused
from rotator.model import Secret

MOST = 65536
"""Bytes of one value."""
LATER = "a later run was faster; where none was, the record is an older one, from a backup: `rotator resolve NAME --overwrite PLACE`"
"""What to do where a place holds a later generation than the one that is to be shown."""
_MASK = re.compile(r"\*+|•+|[\[<(]?(masked|redacted|hidden|filtered)[\])>]?", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")


def refuse_unfit(values: Mapping[str, Secret]) -> None:
    """Raise `Refused` where a value is empty, a mask of one, not one line of text, or too long. Names the field, never the value."""
    if not values:
        raise Refused("there is nothing to write: no field was given")
    for name, value in values.items():
        wrong = _unfit(value.reveal())
        if wrong:
            raise Refused(f"the value of {name} {wrong}: it was not written", "check where this value comes from")


def _unfit(value: str) -> str | None:
    """What is wrong with it, in words that tell nothing of it."""
    if not value:
        return "is empty"
    if _MASK.fullmatch(value):
        return "is a mask (such as ***), not a secret"
    if "\0" in value:
        return "holds a NUL character"
    if "\n" in value or "\r" in value:
        return "holds a line break"
    if _SURROGATE.search(value):
        return "is no valid Unicode text"
    if len(value.encode()) > MOST:
        return f"is longer than {MOST} bytes"
    return None
