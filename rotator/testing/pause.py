"""A run that stands still before one of its effects until the test lets it go: paused between its last check and the effect."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from rotator.rotate import Kind, RunResult
from rotator.testing.faults import FaultPlan
from rotator.testing.lab import Lab

T = TypeVar("T")
PATIENCE = 20.0
"""Seconds of real time after which a test that waits for another thread fails."""


class PausePlan(FaultPlan):
    """Stands still before the first effect whose name begins so."""

    def __init__(self, before: str) -> None:
        super().__init__({})
        self.before, self.reached, self.go_on, self.done = before, threading.Event(), threading.Event(), False

    def effect(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        if not self.done and name.startswith(self.before):
            self.done = True
            self.reached.set()
            assert self.go_on.wait(PATIENCE), "nobody let the paused run go"
        return super().effect(name, kind, call)


class Paused:
    """`with Paused(lab, before="revoke") as run: …; run.resume()`."""

    def __init__(self, lab: Lab, before: str, **order: Any) -> None:
        self.lab, self.plan, self.order = lab, PausePlan(before), order
        self.result: RunResult | str | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.result = self.lab.run(plan=self.plan, **self.order)

    def __enter__(self) -> Self:
        self.thread.start()
        assert self.plan.reached.wait(PATIENCE), f"the run never came to {self.plan.before!r}"
        return self

    def resume(self) -> RunResult | str:
        """Let it go on, and wait for its end."""
        self.plan.go_on.set()
        self.thread.join(PATIENCE)
        assert self.result is not None
        return self.result

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.result is None:
            self.resume()
