"""A run that ends itself by SIGKILL at one of its effects; and one that lives a little in the future."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, TypeVar

from rotator.rotate import Around, Kind, RunResult
from rotator.worker import Job, WorkerSeam, execute, work

T = TypeVar("T")
When = Literal["before", "after"]
LONGEST_SLEEP = 0.15
"""Seconds that a shifted run really sleeps: servers on this machine are not late."""


@dataclass(frozen=True)
class Kill:
    """Before the effect with this number (from 1), or after the change with this number: after a read there is nothing to see.

    `effect`: only those whose name begins so are counted. `note`: a file that gets the name and the kind of the effect.
    """

    number: int
    when: When
    effect: str = ""
    note: str | None = None


class KillAt(Around):
    """Ends the process at that effect, as nothing but the kernel can."""

    def __init__(self, kill: Kill) -> None:
        self.kill, self.count = kill, 0

    def effect(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        """Perform the effect, unless it is the one."""
        counts = name.startswith(self.kill.effect) and (self.kill.when == "before" or kind is not Kind.READ)
        self.count += counts
        hit = counts and self.count == self.kill.number
        if hit and self.kill.when == "before":
            self._die(name, kind)
        result = call()
        if hit:
            self._die(name, kind)
        return result

    def _die(self, name: str, kind: Kind) -> None:
        if self.kill.note:
            Path(self.kill.note).write_text(f"{kind.value} {name}")
        os.kill(os.getpid(), signal.SIGKILL)


class ShiftedSeam(WorkerSeam):
    """The real world, so many seconds later; a long sleep is a short one that shifts the clock."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def now(self) -> float:
        """The wall clock, ahead."""
        return super().now() + self.ahead

    def sleep(self, seconds: float) -> None:
        """Do nothing for a moment, and go ahead by the rest."""
        super().sleep(min(seconds, LONGEST_SLEEP))
        self.ahead += max(0.0, seconds - LONGEST_SLEEP)


def killed(
    job: Job, stop: Connection | None, secret: Connection | None, *, kill: Kill | None = None, ahead: float | None = None
) -> RunResult:
    """`rotator.worker.work` with a kill in it, or in the future, or both. Picklable, as a worker must be."""
    around = KillAt(kill) if kill else None
    seam = ShiftedSeam(ahead) if ahead is not None else None
    return work(job, stop, secret, run=partial(execute, around=around, seam=seam))
