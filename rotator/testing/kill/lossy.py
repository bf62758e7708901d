"""Rotations while requests and replies get lost, between us and the target, and between us and the store."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from rotator.errors import Exit, Unreachable
from rotator.model import Credential
from rotator.rotate import Around, Kind, RunResult
from rotator.testing.kill.oracle import Oracle
from rotator.testing.kill.worker import ShiftedSeam
from rotator.testing.proxy import LossyProxy
from rotator.testing.stands import Stand, World
from rotator.worker import Job, execute, work

T = TypeVar("T")
RATES = {
    "aws_iam_key": 0.08, "http_token": 0.1, "overlapping twin": 0.1, "postgres in place": 0.03, "postgres alternating": 0.03,
    "mysql": 0.03, "redis": 0.03,
}  # fmt: skip
"""What of a client's single sends is lost. One call of a plugin has between one and ten of them: then some 15 % of the calls fail."""
STORE_RATE = 0.15
LATER = 1.6
MOST_RUNS = 40
FAR = 20.0
"""Seconds: from a minute on, a run takes such a clock for wrong."""


class LossyWrites(Around):
    """Loses writes of the record: half of them before they are done, half after."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def effect(self, _name: str, kind: Kind, call: Callable[[], T]) -> T:
        """Perform the effect, or lose it."""
        drawn = self.random.random() if kind is Kind.WRITE else 1.0
        if drawn < STORE_RATE / 2:
            raise Unreachable("the write was lost")
        result = call()
        if drawn < STORE_RATE:
            raise Unreachable("the answer to the write was lost")
        return result


def losing(job: Job, stop: Connection | None, secret: Connection | None, *, seed: int, ahead: float) -> RunResult:
    """A worker whose writes get lost."""
    return work(job, stop, secret, run=partial(execute, around=LossyWrites(seed), seam=ShiftedSeam(ahead)))


@dataclass
class Losses:
    """What came of it."""

    runs: int = 0
    rotations: int = 0
    sent: int = 0
    requests: int = 0
    replies: int = 0
    violations: list[str] = field(default_factory=list)


def lossy_rotations(stand: Stand, folder: Path, seed: int, rotations: int) -> Losses:
    """So many rotations, each to its rest; the oracle looks after every run, past the proxy. The first broken law ends it."""
    losses = Losses()
    with LossyProxy(stand.port, seed=f"{stand.shape} {seed}", rate=RATES.get(stand.shape, 0.05)) as proxy:
        while losses.rotations < rotations and not losses.violations:
            world = World(stand, folder / str(losses.rotations), f"lossy{seed}-{losses.rotations}", port=proxy.port)
            world.adopt()
            _in_one_world(world, proxy, losses, seed, rotations)
        losses.sent, losses.requests, losses.replies = proxy.passed, proxy.lost["request"], proxy.lost["reply"]
    return losses


def _in_one_world(world: World, proxy: LossyProxy, losses: Losses, seed: int, rotations: int) -> None:
    """Rotations of one principal, until its runs live too far ahead of everybody's clocks."""
    oracle, ahead = Oracle(world), 0.0
    while losses.rotations < rotations and ahead < FAR and not oracle.violations:
        proxy.armed = True
        ahead = _one(world, oracle, losses, ahead, seed * 1000 + losses.rotations * MOST_RUNS)
        proxy.armed = False
    oracle.audited()
    losses.violations += oracle.violations


def _one(world: World, oracle: Oracle, losses: Losses, ahead: float, seed: int) -> float:
    """One rotation to its rest; how far ahead it is then."""
    begun, known = world.record().generation, list[Credential]()
    for number in range(MOST_RUNS):
        oracle.about = f"rotation {losses.rotations + 1}, run {number + 1}"
        record = world.record()
        result = world.run(partial(losing, seed=seed + number, ahead=ahead), forced=record.generation == begun)
        losses.runs += 1
        known += [each.credential for each in (record.current, record.previous) if each]
        _judge(oracle, result)
        ahead += LATER if result.why in ("grace", "soak") else 0.0
        if result.why == "at rest" and world.record().generation > begun:
            losses.rotations += 1
            oracle.at_rest([each for each in known if each.secret])
            return ahead
    oracle.violate("I6", f"no rest after {MOST_RUNS} runs, the last one says {result.why}: {result.message}")
    return ahead


def _judge(oracle: Oracle, result: RunResult) -> None:
    """What may never come of a loss: a conflict with nobody, a human's alarm, a dead current."""
    if result.why in ("conflict", "lease", "died") or result.exit is Exit.HUMAN:
        oracle.violate("false alarm", f"{result.why}: {result.message}")
    oracle.after_kill()
