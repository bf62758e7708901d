"""Faults at the n-th effect of a run, in eight ways. n = 1, 2, 3 … until a run has no fault: a new step is covered without a new test."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from rotator.errors import Denied, RotatorError, Unreachable
from rotator.rotate import Around, Kind

T = TypeVar("T")


class Fault(StrEnum):
    """How an effect fails."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after, reply lost"
    ERROR = "error without effect"
    TIMEOUT = "timeout with effect"
    LATE = "effect visible late"
    DUPLICATE = "duplicated call"
    DISK = "ENOSPC or EIO"
    DENIED = "401, 403 or 429 in mid-run"


READS = frozenset({Fault.CRASH_BEFORE, Fault.ERROR, Fault.DENIED})
"""What a read can suffer: for it the others are one of these, as it leaves nothing behind."""


def can_suffer(name: str, kind: Kind, fault: Fault) -> bool:
    """Whether this fault means anything at this effect. A mint is never duplicated: no call of ours or of a driver repeats it."""
    return fault in READS if kind is Kind.READ else not (name == "mint" and fault is Fault.DUPLICATE)


class Crash(BaseException):
    """The process is gone: nothing catches this."""


class FaultPlan(Around):
    """Fails the effects whose numbers are in `plan`; counts all."""

    def __init__(self, plan: dict[int, Fault], *, on_disk: Callable[[], None] | None = None) -> None:
        self.plan, self.count, self.hit, self.on_disk = plan, 0, False, on_disk
        self.late: list[Callable[[], object]] = []
        self.names: list[str] = []
        self.kinds: list[Kind] = []
        self.denied = False
        self.watched = False
        """Whether its effects are those that a proof counts."""

    def effect(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        self.count += 1
        fault = self.plan.get(self.count)
        self.names.append(name)
        self.kinds.append(kind)
        if self.denied and kind is Kind.CHANGE:
            raise Denied("the admin's right was taken away", "give it back", "403")
        if fault is None:
            return self.perform(name, kind, call)
        self.hit = True
        return self._fail(fault, name, kind, call)

    def perform(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        """The effect itself; an oracle looks in here."""
        return super().effect(name, kind, call)

    def sent(self, call: Callable[[], T]) -> Callable[[], T]:
        """The call as it was sent, for what arrives late; a lab keeps the fence with it."""
        return call

    def _fail(self, fault: Fault, name: str, kind: Kind, call: Callable[[], T]) -> T:
        match fault:
            case Fault.CRASH_BEFORE:
                raise Crash
            case Fault.CRASH_AFTER:
                self.perform(name, kind, call)
                raise Crash
            case Fault.ERROR:
                raise Unreachable("connection refused")
            case Fault.TIMEOUT:
                self.perform(name, kind, call)
                raise Unreachable("no answer")
            case Fault.LATE:
                if kind is not Kind.READ:
                    sent = self.sent(call)
                    self.late.append(lambda: self.perform(name, kind, sent))
                raise Unreachable("no answer")
            case Fault.DUPLICATE:
                return self._twice(name, kind, call)
            case Fault.DISK:
                return self._disk(name, kind, call)
            case Fault.DENIED:
                self.denied = kind is Kind.CHANGE
                raise Denied("the admin's right was taken away", "give it back", "403")

    def _twice(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        result = self.perform(name, kind, call)
        if name == "mint":
            return result
        try:
            self.perform(name, kind, call)
        except RotatorError:
            return result
        return result

    def _disk(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        """The ledger's disk is full from here on; a record write fails at once."""
        if self.on_disk:
            self.on_disk()
        if kind is Kind.WRITE:
            raise Unreachable("no space left on device")
        return self.perform(name, kind, call)

    def land(self) -> None:
        """What was late arrives now."""
        waiting, self.late = self.late, []
        for call in waiting:
            try:
                call()
            except RotatorError:
                continue
