"""A seam with a clock that tests move, and sleep that takes no time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from rotator.seam import Seam


class FakeSeam(Seam):
    """`t` is the wall clock and the steady clock in one; `skew` is what the wall clock is off by."""

    def __init__(self, t: float = 1_000_000.0, seed: int = 0) -> None:
        self.t, self.skew, self.rng, self.made = t, 0.0, random.Random(seed), 0

    def now(self) -> float:
        return self.t + self.skew

    def ticks(self) -> float:
        return self.t

    def sleep(self, seconds: float) -> None:
        self.t += seconds

    def jitter(self, most: float) -> float:
        return self.rng.uniform(0, most)

    def choice(self, alphabet: Sequence[str]) -> str:
        return self.rng.choice(alphabet)

    def new_id(self) -> str:
        self.made += 1
        return f"00000000-0000-7000-8000-{self.made:012d}"

    def deadline(self, seconds: float) -> AbstractContextManager[None]:  # type: ignore[override]  # no generator for each effect
        return nullcontext()
