"""A failing history made shorter: the same failure with less."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

H = TypeVar("H")


def shorter(history: H, fails: Callable[[H], bool], less: Callable[[H], Iterable[H]]) -> H:
    """The first of what `less` makes of it that still fails, and so on, until none does. `history` itself must fail."""
    while True:
        found = next((each for each in less(history) if fails(each)), None)
        if found is None:
            return history
        history = found
