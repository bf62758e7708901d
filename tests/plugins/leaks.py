"""All text that hangs on an exception: what a log, a crash report or a debugger could print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rotator.model import Secret


def reachable_text(error: BaseException, depth: int = 6) -> str:
    """`repr` of everything reachable from the exception by attributes, context and containers. Not frames, not a Secret's inside."""
    texts: list[str] = []
    seen: set[int] = set()

    def walk(value: Any, left: int) -> None:
        if id(value) in seen or left == 0 or isinstance(value, Secret):
            return
        seen.add(id(value))
        texts.append(repr(value))
        if isinstance(value, BaseException):
            for each in (value.__context__, value.__cause__, *value.args):
                walk(each, left - 1)
        if isinstance(value, Mapping):
            for key, each in value.items():
                walk(key, left - 1)
                walk(each, left - 1)
        elif isinstance(value, list | tuple | set | frozenset):
            for each in value:
                walk(each, left - 1)
        elif not isinstance(value, type):
            walk(getattr(value, "__dict__", {}), left - 1)

    walk(error, depth)
    return "\n".join(texts)
