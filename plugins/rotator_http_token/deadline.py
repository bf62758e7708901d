"""One deadline for each call of the contract, with all that it asks for within."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Deadline:
    """`seconds` from the beginning of the outermost `running`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """It runs, unless it runs already."""
        outer = self._until
        try:
            self._until = time.monotonic() + self._seconds if outer is None else outer
            yield
        finally:
            self._until = outer

    def left(self, most: float | None = None) -> float:
        """Seconds that are left, and no more than `most`. `TimeoutError` where none are."""
        seconds = self._seconds if self._until is None else self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds if most is None else min(seconds, most)

    def stop(self) -> None:
        """The next `running` begins anew, also where a call was cut off at any point."""
        self._until = None
