"""A run that ends itself by SIGKILL at one of its effects; one that is overtaken; one that only notes what it does; one in the future."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, TypeVar

from rotator.record import WRITES_KEPT
from rotator.rotate import Around, Kind, Order, RunResult
from rotator.worker import Job, WorkerSeam, execute, ports, work

T = TypeVar("T")
When = Literal["before", "after"]
LONGEST_SLEEP = 0.02
"""Seconds that a shifted run really sleeps: servers on this machine are not late."""


@dataclass(frozen=True)
class Kill:
    """Before or after the effect with this number, from 1.

    `effect`: only those whose name begins so are counted. `note`: a file that gets the name of the effect.
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
        del kind
        self.count += name.startswith(self.kill.effect)
        hit = name.startswith(self.kill.effect) and self.count == self.kill.number
        if hit and self.kill.when == "before":
            self._die(name)
        try:
            return call()
        finally:
            if hit:
                self._die(name)

    def _die(self, name: str) -> None:
        if self.kill.note:
            Path(self.kill.note).write_text(name)
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Point:
    """A moment before or after an effect, and what every file of the world was then, as one hash."""

    number: int
    when: When
    name: str
    kind: str
    files: str


class Census(Around):
    """Writes down every moment at which a run could be killed."""

    def __init__(self, folder: Path, note: Path) -> None:
        self.folder, self.note, self.count = folder, note, 0

    def effect(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        """Perform the effect."""
        self.count += 1
        self._tell("before", name, kind)
        try:
            return call()
        finally:
            self._tell("after", name, kind)

    def _tell(self, when: When, name: str, kind: Kind) -> None:
        with self.note.open("a") as note:
            note.write(json.dumps(vars(Point(self.count, when, name, kind.value, _hash(self.folder)))) + "\n")


def _hash(folder: Path) -> str:
    """Of all files below it. An SQLite index of a log (`-shm`) is no state: it is made anew from the log."""
    found = hashlib.sha256()
    for each in sorted(folder.rglob("*")):
        if each.is_file() and not each.name.endswith("-shm"):
            found.update(f"{each.name} {each.stat().st_size} ".encode() + each.read_bytes())
    return found.hexdigest()


class Overtaken(Around):
    """Once a key is minted, and before the record is told, another runner writes the record: as after a lease that lapsed."""

    def __init__(self, inner: Around, job: Job, order: Order) -> None:
        self.inner, self.job, self.order, self.done = inner, job, order, False

    def effect(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        """Perform the effect; after the mint somebody else acts."""
        result = self.inner.effect(name, kind, call)
        if name == "mint" and not self.done:
            self.done, path = True, self.job.spec.path
            store = ports(self.job, self.order).store
            head = store.read(path)
            store.write(path, head.but(lease=None, seq=head.seq + 1, writes=(*head.writes, "another-runner")[-WRITES_KEPT:]))
        return result


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
    job: Job,
    stop: Connection | None,
    secret: Connection | None,
    *,
    kill: Kill | None = None,
    census: tuple[Path, Path] | None = None,
    overtaken: bool = False,
    ahead: float | None = None,
) -> RunResult:
    """`rotator.worker.work` with a kill in it, or a census of this folder into this file, or in the future. Workers must be picklable."""

    def run(job: Job, order: Order) -> RunResult:
        around = KillAt(kill) if kill else Census(*census) if census else Around()
        seam = ShiftedSeam(ahead) if ahead is not None else None
        return execute(job, order, around=Overtaken(around, job, order) if overtaken else around, seam=seam)

    return work(job, stop, secret, run=run)
