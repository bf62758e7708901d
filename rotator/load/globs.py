"""Patterns of `allow`: `*` is anything within one part of a path, `?` one character of it, `**` anything at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_MEANINGS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    return re.compile("".join(_MEANINGS.get(each) or re.escape(each) for each in parts), re.DOTALL)


def matches(patterns: Iterable[str] | None, text: str) -> bool:
    """Whether one of the patterns fits the whole text; no patterns at all (None) fit anything."""
    return patterns is None or any(_compiled(each).fullmatch(text) for each in patterns)
