"""What stands between a lab's faults and its effects: the oracle after each, and the intent in the ledger before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from rotator.rotate import Kind
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.memory_ledger import MemoryLedger

if TYPE_CHECKING:
    from rotator.testing.lab import Lab

T = TypeVar("T")


class Watched(FaultPlan):
    """Puts the oracle behind every effect, and sees that its intent stands in the ledger before it (I8)."""

    target: Any

    def __init__(self, plan: FaultPlan, lab: Lab, run: str, overwrite: frozenset[str]) -> None:
        super().__init__({})
        self.inner, self.lab, self.run, self.overwrite = plan, lab, run, overwrite
        plan.perform = self._perform  # type: ignore[method-assign]  # the oracle stands between the fault and the effect
        plan.sent = self._sent  # type: ignore[method-assign]  # what arrives late carries what was sent
        if isinstance(lab.ledger, MemoryLedger):
            plan.on_disk = self._disk_full

    def _disk_full(self) -> None:
        assert isinstance(self.lab.ledger, MemoryLedger)
        self.lab.ledger.fails = True

    def effect(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        return self.inner.effect(name, kind, call)

    def _sent(self, call: Callable[[], T]) -> Callable[[], T]:
        target = self.target
        runtime = target.runtime

        def arrives() -> T:
            now, target.runtime = target.runtime, runtime
            try:
                return call()
            finally:
                target.runtime = now

        return arrives

    def _perform(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        if kind is Kind.CHANGE:
            self._announced(name)
        try:
            return call()
        finally:
            self.lab.seam.t += 0.4
            if kind is not Kind.READ:
                self.lab.oracle.after_effect(name, self.overwrite)

    def _announced(self, name: str) -> None:
        event = self.lab.last_event(self.run)
        if event is None or (event.get("phase"), event.get("effect")) != ("intent", name):
            late = self.inner.plan and Fault.LATE in self.inner.plan.values()
            if not late and name != "take back" and Fault.DUPLICATE not in self.inner.plan.values():
                self.lab.oracle.violate("I8", f"{name} happens without its intent in the ledger")
