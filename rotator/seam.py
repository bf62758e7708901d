"""The one seam through which time, randomness and sleep come in: tests hand in their own."""

from __future__ import annotations

import random
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """A call ran over its deadline. A BaseException, so that no `except Exception` of a plugin swallows it."""


class Seam:
    """The real world. All times are seconds since the epoch, UTC, but for `ticks`."""

    def now(self) -> float:
        """The wall clock."""
        return time.time()

    def ticks(self) -> float:
        """A clock that only goes forward and counts suspended time: for leases and deadlines."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Do nothing for so long."""
        time.sleep(seconds)

    def jitter(self, most: float) -> float:
        """Between 0 and `most` seconds, evenly ("full jitter")."""
        return random.uniform(0, most)  # noqa: S311 - spreads load, guards nothing

    def choice(self, alphabet: Sequence[str]) -> str:
        """One character by the operating system's generator."""
        return secrets.choice(alphabet)

    def new_id(self) -> str:
        """A UUIDv7 (RFC 9562, section 5.7): sortable by time of making, otherwise random."""
        milliseconds = int(self.now() * 1000) & 0xFFFF_FFFF_FFFF
        bits = (milliseconds << 80) | (7 << 76) | (secrets.randbits(12) << 64) | (2 << 62) | secrets.randbits(62)
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Raise `Interrupted` in the main thread after `seconds`, and again each half second: one that lands in a `__del__` is lost."""

        def interrupt(_signal: int, _frame: FrameType | None) -> None:
            raise Interrupted

        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
