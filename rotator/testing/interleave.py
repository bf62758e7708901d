"""Several runs of one spec at once, effect by effect, in an order that a seed decides: the same seed is the same history."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rotator.rotate import Command, Kind, RunResult
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.lab import Lab

T = TypeVar("T")
PATIENCE = 30.0
FAULTS = (Fault.TIMEOUT, Fault.ERROR, Fault.CRASH_AFTER, Fault.CRASH_BEFORE)


class Turn(FaultPlan):
    """Waits for its turn before each effect."""

    def __init__(self) -> None:
        super().__init__({})
        self.mine, self.waits, self.ended = threading.Semaphore(0), threading.Semaphore(0), False

    def effect(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        self.waits.release()
        assert self.mine.acquire(timeout=PATIENCE)
        return super().effect(name, kind, call)


class Interleaving:
    """Runs started together over one lab."""

    def __init__(self, lab: Lab, seed: int, *, jump: float = 0.0, faults: float = 0.0) -> None:
        self.lab, self.rng, self.jump, self.faults = lab, random.Random(seed), jump, faults
        self.turns: list[Turn] = []
        self.results: list[RunResult | str] = []

    def go(self, commands: Sequence[Command | None]) -> list[RunResult | str]:
        """Run one for each command, each at a home of its own; the results in the order of their ends."""
        threads = []
        for number, command in enumerate(commands):
            turn = Turn()
            self.turns.append(turn)
            threads.append(threading.Thread(target=self._one, args=(turn, command, f"home-{number}"), daemon=True))
        for thread, turn in zip(threads, self.turns, strict=True):
            thread.start()
            assert turn.waits.acquire(timeout=PATIENCE)
        self._schedule()
        for thread in threads:
            thread.join(PATIENCE)
        return self.results

    def _one(self, turn: Turn, command: Command | None, home: str) -> None:
        order: dict[str, Any] = {"command": command, "plan": turn, "home": home, "alone": False}
        try:
            self.results.append(self.lab.run(**order))
        finally:
            turn.ended = True
            turn.waits.release()

    def _schedule(self) -> None:
        running, last = [each for each in self.turns if not each.ended], None
        while running:
            stays = last in running and self.rng.random() < 0.6
            turn = last if stays and last else self.rng.choice(running)
            if self.jump and self.rng.random() < 0.03:
                self.lab.seam.t += self.jump
            if self.rng.random() < self.faults:
                turn.plan[turn.count + 1] = self.rng.choice(FAULTS)
            turn.mine.release()
            assert turn.waits.acquire(timeout=PATIENCE)
            last = turn
            running = [each for each in running if not each.ended]
