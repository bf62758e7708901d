"""Whole rotations of an Issue target on a real server: the engine, a store in memory, the real clock and short waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from rotator.audit import Ledger
from rotator.errors import Exit
from rotator.model import Credential, Place, Secret, Shape
from rotator.record import Identity, Record
from rotator.rotate import Adopt, Around, Kind, Order, Ports, Run, RunResult
from rotator.schedule import Every
from rotator.seam import Seam
from rotator.spec import Named, PlaceSpec, RotationSpec
from rotator.target import IssueTarget, Settings
from rotator.testing.lab import in_memory
from rotator.testing.memory_ledger import MemoryLedger

T = TypeVar("T")
GRACE = 1.0
"""Seconds."""


class Killed(BaseException):
    """The process is gone."""


class KillAfter(Around):
    """Ends the run right after an effect happened, before anybody can write down what it answered."""

    def __init__(self, name: str) -> None:
        self.name = name

    def effect(self, name: str, kind: Kind, call: Callable[[], T]) -> T:
        answer = call()
        if name == self.name:
            raise Killed
        return answer


class Rotations:
    """One spec over a real target; each run gets a fresh plugin."""

    def __init__(self, make: Callable[[], IssueTarget[Any, Any]]) -> None:
        self.make, self.storage, self.seam = make, in_memory(), Seam()
        self.ledger: Ledger = MemoryLedger()
        target, by = make(), Named("memory", "local", Settings())
        self.spec = RotationSpec(
            name="it",
            source="it.yaml:1",
            owner="team",
            identity=Identity("test", "real", target.endpoint, tuple(target.principals)),
            shape=Shape.ISSUE,
            can=target.can,
            target=Named("real", "real", target.config),
            connection=Named("real", "real", target.connection),
            store=by,
            path="team/it",
            places=(PlaceSpec(Place("local", "team/it"), by),),
            when=Every(86400.0),
            grace=GRACE,
        )
        self.runs = 0

    def run(self, command: Any = None, around: Around | None = None, **order: Any) -> RunResult:
        self.runs += 1
        target = self.make()
        store = self.storage.store(target.runtime)
        asked = Order(run=f"run-{self.runs}", home="home", take_over=True, command=command, timeout=2.0, **order)
        return Run(self.spec, Ports(target, store, {"local": store}), self.ledger, asked, self.seam, *([around] if around else [])).go()

    def adopt(self, key: tuple[str, str]) -> None:
        result = self.run(Adopt(credential=Credential(name=key[0], secret=Secret(key[1]))))
        assert result.exit is Exit.DONE, result

    def until_rest(self) -> RunResult:
        """Run as cron would until nothing waits any more, and no longer than a few seconds."""
        for _ in range(15):
            result = self.run()
            assert result.exit is Exit.DONE, result
            if result.why == "at rest":
                return result
            time.sleep(0.3)
        raise AssertionError(result)

    @property
    def record(self) -> Record:
        target = self.make()
        return self.storage.store(target.runtime).read("team/it")

    @property
    def events(self) -> str:
        return "\n".join(str(row) for row in self.ledger.rows())
