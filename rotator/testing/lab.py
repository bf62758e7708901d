"""A laboratory: one spec over a twin, a store and places, a clock that jumps, and an oracle after every effect.

A story is a list of moments with what is done at each; faults come in through the engine's one door.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rotator.audit import EventName, Ledger, Result, digest
from rotator.destination import Destination
from rotator.errors import Corrupt, Exit
from rotator.files import Disk
from rotator.model import Credential, Place, Secret, Shape
from rotator.record import Identity, Record, to_document
from rotator.rotate import Adopt, Command, Order, Ports, Run, RunResult
from rotator.spec import Named, PlaceSpec, ReloadSpec, RotationSpec
from rotator.store import Store
from rotator.target import Runtime, Settings
from rotator.testing.fake_seam import FakeSeam
from rotator.testing.faults import Crash, FaultPlan
from rotator.testing.memory import MemoryAttested, MemoryPlace, MemorySettings, MemoryStore, ObjectStore, Shelf
from rotator.testing.memory_ledger import MemoryLedger
from rotator.testing.memory_reload import MemoryReload
from rotator.testing.oracle import Login, Oracle, overwrites
from rotator.testing.twins import CONNECTION, TwinIssue, TwinKey, TwinSet, TwinSystem, TwinUser, issues, sets
from rotator.testing.watched import Watched

SHAPES: dict[str, dict[str, Any]] = {
    "in place": {"shape": Shape.IN_PLACE, "grace": 0.0},
    "alternating": {"shape": Shape.ALTERNATING, "users": ("app_a", "app_b")},
    "overlapping": {"shape": Shape.OVERLAPPING},
    "issue, two slots": {"shape": Shape.ISSUE},
    "issue, labels": {"shape": Shape.ISSUE, "labels": True},
}
"""The five shapes of every proof."""
PATH = "orders/db"
START = 1_000_000.0
STORE, NO_GENERATION = MemorySettings(), MemorySettings(holds_generation=False)
WITH_EVENTS = 2
"""The result after which all events so far are searched for secrets: an adoption's, and those of the run with a fault or two."""


@dataclass(frozen=True)
class EverySlot:
    """Due each so many seconds after the last slot; missed slots are one."""

    seconds: float

    def slot(self, last_slot: float, now: float) -> float | None:
        missed = (now - last_slot) // self.seconds
        return last_slot + missed * self.seconds if missed >= 1 else None

    def next_slot(self, last_slot: float, now: float) -> float:
        return self.slot(last_slot, now) or last_slot + self.seconds


@dataclass
class Storage:
    """Where records and places live: opened anew for each run, over one truth."""

    store: Callable[[Runtime], Store[Any]]
    place: Callable[[Runtime], Destination[Any]]
    env: Shelf = field(default_factory=Shelf)
    """Behind the place: to make it fail, or to put a stranger's value there."""


def in_memory() -> Storage:
    """A store and a place in memory; the place holds no generation, as an env file does not."""
    kept, env = Shelf(), Shelf()
    return Storage(lambda runtime: MemoryStore(STORE, runtime, kept), lambda runtime: a_place(runtime, env), env)


def as_objects() -> Storage:
    """As `in_memory`, with records that are never written as text."""
    kept, env = Shelf(), Shelf()
    return Storage(lambda runtime: ObjectStore(STORE, runtime, kept), lambda runtime: a_place(runtime, env), env)


def on_disk(folder: Path, disk: Disk | None = None) -> Storage:
    """The file store in a folder, through a disk that may fail, and a place in memory."""
    from rotator.stores.file import FileStore, FileStoreSettings, prepare

    prepare(str(folder / "store"))
    env = Shelf()
    settings = FileStoreSettings.model_validate({"path": str(folder / "store"), "key": {"env": "LAB_STORE_KEY"}})
    key = Secret(base64.b64encode(b"k" * 32).decode())
    return Storage(
        lambda runtime: FileStore(settings, replace(runtime, reveal=lambda _ref: key), disk=disk),
        lambda runtime: a_place(runtime, env),
        env,
    )


def a_place(runtime: Runtime, env: Shelf) -> MemoryPlace:
    """The place of a lab."""
    return MemoryPlace(NO_GENERATION, runtime, env)


@dataclass
class Lab:
    """One spec and its world."""

    shape: str
    storage: Storage
    ledger: Ledger = field(default_factory=MemoryLedger)
    changes: Mapping[str, Any] = field(default_factory=dict)
    reloads: tuple[ReloadSpec, ...] = ()
    lag: float = 0.0
    fences: bool = True
    attested: bool = False
    """The place is one that nobody but the oracle can read."""
    lifetime: float = 0.0
    """Seconds after which what is minted dies by itself; 0: it does not."""

    def __post_init__(self) -> None:
        self.seam = FakeSeam(START)
        self.system = TwinSystem(now=self.seam.now, clock=self.seam.ticks if self.lifetime else None, lag=self.lag)
        self.settings = SHAPES[self.shape]
        self.reload = MemoryReload(MemorySettings(), self.runtime())
        self.runs = 0
        self.results: list[RunResult | str] = []
        self.plans: list[FaultPlan] = []
        self.late: list[Callable[[], object]] = []
        self.truth = self.storage.store(self.runtime())
        self.first = self._first()
        self.spec = self._spec()
        self.oracle = Oracle(self.spec, self.system, self.record, self.shown, self.seam.now)

    # ---- the world

    def _first(self) -> Credential:
        """What a human made before we came."""
        shape = self.settings["shape"]
        if shape is Shape.ISSUE:
            self.system.keys["key-0"] = TwinKey("first-secret-of-a-human-0123456789", START - 1000, last_used=START - 500)
            return Credential(name="key-0", secret=Secret("first-secret-of-a-human-0123456789"))
        users = self.settings.get("users", ("app",))
        for name in users:
            self.system.users[name] = TwinUser(enabled=False)
        self.system.users[users[0]] = TwinUser(["first-secret-of-a-human-0123456789"])
        return Credential(name=users[0], secret=Secret("first-secret-of-a-human-0123456789"))

    def _spec(self) -> RotationSpec:
        target = self.target(self.runtime())
        by = Named("memory", "local", Settings())
        self.fields = target.fields
        keys = {"USER": target.fields[0], "PASSWORD": target.fields[1]}
        places = (
            PlaceSpec(Place("local", PATH), by),
            PlaceSpec(Place("env", "env", keys), Named("memory", "env", Settings()), self.attested),
        )
        spec = RotationSpec(
            name="orders-db",
            source="orders.yaml:5",
            owner="team",
            identity=Identity("test", "twin", target.endpoint, tuple(target.principals)),
            shape=self.settings["shape"],
            can=target.can,
            target=Named("twin", "twin", target.config),
            connection=Named("twin", "twin", target.connection),
            store=by,
            path=PATH,
            places=places,
            reloads=self.reloads,
            when=EverySlot(10_000.0),
            grace=self.settings.get("grace", 1000.0),
            soak=200.0 if self.settings["shape"] is Shape.ISSUE else 0.0,
            lifetime=self.lifetime or None,
        )
        return replace(spec, **self.changes)

    def runtime(self) -> Runtime:
        """What plugins get."""
        return Runtime(reveal=lambda _ref: Secret("unused"), now=lambda: datetime.fromtimestamp(self.seam.now(), UTC))

    def target(self, runtime: Runtime) -> TwinSet | TwinIssue:
        """A fresh instance of the twin."""
        shape = self.settings["shape"]
        if shape is Shape.ISSUE:
            return TwinIssue(CONNECTION, issues(self.settings.get("labels", False), self.lifetime), runtime, self.system)
        users = self.settings.get("users", ("app",))
        return TwinSet(CONNECTION, sets(users, overlapping=shape is Shape.OVERLAPPING, fences=self.fences), runtime, self.system)

    def ports(self) -> Ports:
        """All that a run touches, opened anew."""
        runtime = self.runtime()
        store = self.storage.store(runtime)
        env = MemoryAttested(NO_GENERATION, runtime, self.storage.env) if self.attested else self.storage.place(runtime)
        places = {each.place.name: store if each.place.name == "local" else env for each in self.spec.places}
        return Ports(self.target(runtime), store, places, {each.name: self.reload for each in self.spec.reloads})

    # ---- the truth, past the engine

    def record(self) -> Record:
        """The record as it stands."""
        return self.truth.read(PATH)

    def shown(self, place: str) -> Login | None:
        """What consumers of a place read."""
        each = next(each for each in self.spec.places if each.place.name == place)
        port = self.truth if place == "local" else self.storage.place(self.runtime())
        values = port.published(each.place)
        fields = self.fields if place == "local" else ("USER", "PASSWORD")
        return (values[fields[0]].reveal(), values[fields[1]].reveal()) if values else None

    # ---- runs

    def run(
        self, command: Command | None = None, *, plan: FaultPlan | None = None, home: str = "home", alone: bool = True, **order: Any
    ) -> RunResult | str:
        """One run; "crashed" where a fault ended its process. `alone`: no other run goes on, so what it says must be true at its end."""
        self.runs += 1
        self.land()
        plan, run = plan or FaultPlan({}), f"run-{self.runs:03d}"
        watched, begun = Watched(plan, self, run, overwrites(command)), self.oracle.asked(command)
        self.plans.append(plan)
        asked = Order(run=run, home=home, take_over=True, command=command, timeout=2.0, **order)
        try:
            ports = self.ports()
            watched.target = ports.target
            result: RunResult | str = Run(self.spec, ports, self.ledger, asked, self.seam, watched).go()
        except Crash:
            result = "crashed"
        if isinstance(self.ledger, MemoryLedger):
            self.ledger.fails = False
        self.late += plan.late
        plan.late = []
        if isinstance(result, RunResult):
            self._judged(result, begun.time, alone=alone)
            if alone and result.claimed:
                self._told_alike(result, run)
        self.oracle.answered(begun, result, alone=alone, clean=not plan.hit)
        self.results.append(result)
        return result

    def _judged(self, result: RunResult, begun: float, *, alone: bool) -> None:
        """What it says is no more than the truth, and holds no secret."""
        try:
            self.record()
        except Corrupt:
            return
        if alone:
            self.oracle.claims(result, begun)
        self._leaks(result)

    def dry(self, command: Command | None = None, **order: Any) -> RunResult:
        """A dry-run; it changes nothing."""
        asked = Order(run="dry", home="home", take_over=True, command=command, dry=True, timeout=2.0, **order)
        return Run(self.spec, self.ports(), self.ledger, asked, self.seam).go()

    def adopt(self) -> None:
        """Take over what the human made."""
        self.oracle.start()
        result = self.run(Adopt(credential=self.first))
        assert isinstance(result, RunResult), result
        assert result.exit is Exit.DONE or (self.attested and result.why == "not observed"), result
        self.oracle.start()

    def at(self, seconds: float) -> None:
        """Move the clock to so many seconds after the start, never back."""
        self.seam.t = max(self.seam.t, START + seconds)

    def somebody_writes(self, text: str) -> None:
        """Somebody else writes to the place. Where nobody can read it, and we could not note our last write, none can tell whose it is."""
        each, was = self.spec.places[1].place, self.storage.env.values.get("env")
        mark, known = json.loads(was or "{}").get("mark"), self.record().marks.get(each.name)
        self.storage.env.values["env"] = text
        cut_off = self.attested and known is not None and known.writing is not None
        noted = known is not None and known.told == mark
        if not cut_off and (each.name in self.oracle.theirs or was is None or not self.attested or noted):
            self.oracle.theirs[each.name] = self.shown(each.name)

    def land(self) -> None:
        """What was late arrives now."""
        late = FaultPlan({})
        late.late, self.late, self.oracle.landing = self.late, [], True
        late.land()
        self.oracle.landing = False

    def clean_runs(self, times: Sequence[float] = (0, 400, 1900, 2400, 3100, 4600, 5200)) -> None:
        """Two clean runs must bring it to wait or rest, and time alone the rest of the way."""
        last = RunResult(spec="", exit=Exit.DONE, why="", message="")
        for number, seconds in enumerate(times):
            self.at(20_000.0 + seconds)
            last = self.clean_run()
            if number == 1 and last.exit not in (Exit.DONE, Exit.HUMAN):
                self.oracle.violate("I6", f"after two clean runs: {last.why}")
            if number > 1 and last.why == "at rest":
                break
        self.oracle.at_rest(last)
        self.audited()

    def clean_run(self) -> RunResult:
        """A run without a fault."""
        result = self.run()
        assert isinstance(result, RunResult)
        return result

    def audited(self) -> None:
        """The chain verifies from the record's head back to its begin (I9)."""
        before = self._before()
        head = self.record().audit_head
        if head is None:
            return self.oracle.violate("I9", "the record has no audit head")
        at, steps = head.hash, 0
        while at:
            if at not in before:
                return self.oracle.violate("I9", f"the chain breaks {steps} events below the head")
            at, steps = before[at], steps + 1
        return None

    def _before(self) -> dict[str, str]:
        """Of each event of the spec's chain, by its hash, the hash before. In memory an event is as it was linked: nothing to digest."""
        if isinstance(self.ledger, MemoryLedger):
            return {each.hash: each.prev for each in self.ledger.events if each.chain == self.spec.chain}
        events = (json.loads(row.line) for row in self.ledger.rows(self.spec.chain))
        return {digest(each): each.get("prev", "") for each in events}

    def last_event(self, run: str, name: str = "") -> dict[str, Any] | None:
        """The newest event of a run, of any name or of this one, in any chain."""
        if isinstance(self.ledger, MemoryLedger):
            return next((vars(each) for each in reversed(self.ledger.events) if each.run == run and name in ("", each.event)), None)
        rows = [json.loads(each.line) for each in self.ledger.rows()]
        return next((each for each in reversed(rows) if each["run"] == run and name in ("", each["event"])), None)

    def _told_alike(self, result: RunResult, run: str) -> None:
        """The newest end in the ledger says of a run what its exit code says (I13), unless the ledger itself failed."""
        if result.why == "ledger":
            return
        last = self.last_event(run, EventName.RUN_END) or {}
        told, done = (last.get("reason"), last.get("outcome")), Result.SUCCESS if result.exit is Exit.DONE else Result.FAILURE
        if told != (result.why, done):
            self.oracle.violate("I13", f"the ledger says {told} of a run that ended with {result.why}, {result.exit.name}")

    def _leaks(self, result: RunResult) -> None:
        """No secret in what a run says (I7)."""
        record = self.record()
        told = repr(result)
        if len(self.results) == WITH_EVENTS:
            told += self._told()
        for each in record.known():
            if each.secret and each.secret.reveal() in told:
                self.oracle.violate("I7", f"a result or event holds the secret of {each.name}")

    def _told(self) -> str:
        """All that the ledger says, as text to search in."""
        if isinstance(self.ledger, MemoryLedger):
            return " ".join(map(str, set().union(*(vars(event).values() for event in self.ledger.events))))
        return " ".join(each.line for each in self.ledger.rows())

    def documents(self) -> str:
        """The whole state, to see that a dry-run changed nothing."""
        return json.dumps(to_document(self.record()), sort_keys=True) + repr(sorted(self.system.living()))
