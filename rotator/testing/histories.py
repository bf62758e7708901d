"""Seeded histories: random days of one spec, with faults, humans, strangers, clocks and two runners more, each judged by the oracle.

A history is plain data: it is drawn from a `random.Random` (hypothesis's own shrinks), told over a lab, and kept as JSON where it failed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from rotator.errors import Exit
from rotator.rotate import Command, Compromise, HoldUntil, Kind, Resolve, RunResult, Undo
from rotator.schedule import cron
from rotator.spec import ReloadSpec
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.interleave import Interleaving
from rotator.testing.lab import SHAPES, Lab, Storage
from rotator.testing.oracle import login
from rotator.testing.twins import TwinKey

COMMANDS: dict[str, Callable[[], Command]] = {
    "undo": Undo,
    "hold": lambda: HoldUntil("month end", 2_000.0),
    "compromise current": lambda: Compromise("current"),
    "compromise previous": lambda: Compromise("previous"),
}
AT_ONCE = {"two": ("", ""), "three": ("", "", ""), "hold in mid-run": ("", "hold"), "undo in mid-run": ("", "undo")}
"""Runs that go on at the same time, effect by effect, and what each is told."""
DAY, YEAR = 86_400.0, 31_536_000.0
SKEWS = (DAY, -DAY, 3_600.0, -3_600.0, -10 * YEAR, 50.0)
WAITS = (0.0, 30.0, 400.0, 1_100.0, 1_900.0, 10_100.0)
"""Seconds: at once, in a back-off, past a lease, past grace, past both, the next slot."""
SLOT = -1.0
"""In place of seconds: until the next slot."""
RENEWAL = -2.0
"""Until current, which expires, is to be renewed; else as SLOT."""
LIFETIMES = (9_000.0, 12_000.0)
"""Seconds: less than a slot, and a little more."""
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Casablanca", "America/Santiago")
"""Clocks that change by an hour or by half of one, at two in the night or at midnight, in the north and in the south."""
CRONS = ("30 2 * * *", "15 1 * * *", "0 0 * * *", "45 * * * *")
"""In the hour that a clock skips or shows twice, at the change itself, and each hour."""
TICK = 60.0
"""Seconds between two runs that come as often as they are asked for, at least."""
AGAIN = 0.25
"""How many histories go on to the next rotation once they are at rest."""
FARTHEST = 45
"""Effects of the longest run."""


@dataclass(frozen=True)
class Moment:
    """After so many seconds, one thing happens. `faults`: at the effects with these numbers of its run; `home`: where the runner is."""

    after: float
    act: str
    faults: tuple[tuple[int, str], ...] = ()
    home: str = "here"
    value: float = 0.0


@dataclass(frozen=True)
class History:
    """What happens to one spec."""

    shape: str
    moments: tuple[Moment, ...]
    fences: bool = True
    lag: float = 0.0
    """Seconds until the provider lists and lets in what it has minted; it says so itself."""
    cron: str = ""
    """Empty: a slot each 10,000 seconds."""
    zone: str = "UTC"
    start: float | None = None
    """Seconds since the epoch."""
    again: bool = True
    """Once it is at rest, the next slot comes, and is rotated too."""
    lifetime: float = 0.0
    """Seconds after which what is minted dies by itself; 0: it does not."""
    attested: bool = False
    """Nobody can read the place; a reload says that what it shows was adopted."""
    reuses: bool = False
    """The provider gives the id of its newest key again once that is gone."""

    def line(self) -> str:
        """As JSON, to keep."""
        return json.dumps(asdict(self))

    @staticmethod
    def read(line: str) -> History:
        """What `line` wrote."""
        document: dict[str, Any] = json.loads(line)
        moments = [Moment(**{**each, "faults": tuple((n, kind) for n, kind in each["faults"])}) for each in document.pop("moments")]
        return History(moments=tuple(moments), **document)


# ---- drawn


def draw(rng: random.Random, *, most: int = 7) -> History:
    """A random history of up to so many moments."""
    shape = rng.choice(sorted(SHAPES))
    acts = ["run"] * 8 + ["named", "forced", *AT_ONCE, "undo", "hold", "compromise current", "compromise previous", "skew", "suspend"]
    acts += ["stranger in a place", "new password"] if not shape.startswith("issue") else ["stranger in a place", "new key"]
    moments = [_moment(rng, rng.choice(acts)) for _ in range(rng.randint(2, most))]
    lag = rng.choice([0.0, 0.0, 3.0]) if shape.startswith("issue") else 0.0
    plain = History(shape, (Moment(10_010, "run", _faults(rng)), *moments), rng.random() < 0.5 or shape.startswith("issue"), lag)
    drawn = _around_a_change(rng, plain) if rng.random() < 0.3 else plain
    drawn = replace(drawn, again=rng.random() < AGAIN)
    if shape.startswith("issue") and rng.random() < 0.2:
        drawn = _expiring(rng, drawn)
    return replace(drawn, attested=rng.random() < 0.2, reuses=shape.startswith("issue") and rng.random() < 0.3)


def _expiring(rng: random.Random, history: History) -> History:
    """The same where what is minted expires; about half of the waits are until it is to be renewed, some runs come as often as they ask."""
    first, *others = history.moments
    moments = [replace(each, after=RENEWAL) if rng.random() < 0.4 else each for each in others]
    moments = [Moment(each.after, "watch") if each.act == "named" or rng.random() < 0.1 else each for each in moments]
    return replace(history, moments=(first, *moments), lifetime=rng.choice(LIFETIMES))


def _around_a_change(rng: random.Random, history: History) -> History:
    """The same by a cron expression, begun within two days before a clock changes; about half of the waits are until the next slot."""
    zone = rng.choice(ZONES)
    first, *others = history.moments
    moments = [replace(first, after=SLOT), *(replace(each, after=SLOT) if rng.random() < 0.5 else each for each in others)]
    start = rng.choice(changes(zone)) - rng.uniform(0, 2 * DAY)
    return replace(history, moments=tuple(moments), cron=rng.choice(CRONS), zone=zone, start=round(start))


@cache
def changes(zone: str) -> tuple[float, ...]:
    """When a zone's clock changes in 2026, in seconds since the epoch, to the half hour."""
    clock, first, step = ZoneInfo(zone), datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=30)
    times = [first + number * step for number in range(366 * 48)]
    return tuple(each.timestamp() for each in times if each.astimezone(clock).utcoffset() != (each - step).astimezone(clock).utcoffset())


def _moment(rng: random.Random, act: str) -> Moment:
    value = rng.choice(SKEWS) if act == "skew" else float(rng.randint(0, 1_000_000)) if act in AT_ONCE else 0.0
    home = "here" if rng.random() < 0.7 else "elsewhere"
    return Moment(rng.choice(WAITS), act, _faults(rng), home, value)


def _faults(rng: random.Random) -> tuple[tuple[int, str], ...]:
    """None, one or two, of which one is early in the run."""
    count = rng.choice([0, 1, 1, 2])
    kinds = [each.value for each in Fault]
    return tuple((rng.randint(1, FARTHEST if number else 24), rng.choice(kinds)) for number in range(count))


# ---- told


@dataclass
class Told:
    """What came of a history."""

    violations: list[str]
    runs: int = 0
    faults: int = 0
    humans: bool = False
    """It needed one: nobody but a human can tell what another human did."""
    ends: dict[str, int] = field(default_factory=dict)


class Guarded(FaultPlan):
    """Faults that can be suffered: of a mint no duplicate, of a read only what a read can suffer.

    A call that arrives after its own retry and after later steps harms a target that cannot fence, or that gives an id again; what a
    provider without labels mints long after it was asked may be anybody's; and a publish that comes late shows the one before, which after
    a leak had no grace, and is somebody else's where nobody can read it: docs/limits.md leaves all of it open.
    """

    def __init__(self, plan: dict[int, Fault], *, late: bool, late_mint: bool = True, late_publish: bool = True) -> None:
        super().__init__(plan)
        self.can_be_late, self.of_these = late, {"mint": late_mint, "publish": late_publish}

    def effect(self, name: str, kind: Kind, call: Callable[[], Any]) -> Any:
        fault = self.plan.get(self.count + 1)
        if fault is not None:
            can = self.of_these.get(name, self.can_be_late)
            fault = Fault.TIMEOUT if fault is Fault.LATE and not can else fault
            self.plan[self.count + 1] = _suffered(name, kind, fault)
        return super().effect(name, kind, call)


def _suffered(name: str, kind: Kind, fault: Fault) -> Fault:
    if kind is Kind.READ and fault not in (Fault.CRASH_BEFORE, Fault.ERROR, Fault.DENIED):
        return Fault.ERROR
    return Fault.TIMEOUT if name == "mint" and fault is Fault.DUPLICATE else fault


class Teller:
    """Tells one history over one lab."""

    def __init__(self, history: History, storage: Storage) -> None:
        self.history = history
        when = {"when": cron(history.cron, history.zone)} if history.cron else {}
        more: dict[str, Any] = {"attested": history.attested, "lifetime": history.lifetime}
        more |= {"reloads": (ReloadSpec("app", 3),)} if history.attested else {}
        self.lab = Lab(history.shape, storage, fences=history.fences, lag=history.lag, changes=when, **more)
        self.lab.system.reuses = history.reuses
        if history.start is not None:
            self.lab.seam.t = history.start
        self.plans: list[FaultPlan] = []
        self.leaked = False
        """Somebody called a credential leaked: it dies without grace."""
        self.touched = False
        """A human, or a stranger, did what only a human can settle."""

    def tell(self) -> Told:
        """From the adoption through every moment to its rest."""
        lab = self.lab
        self._adopt()
        for each in self.history.moments:
            self.passes(self.comes(each.after))
            self._act(each)
        self._rest()
        ends = [each.why if isinstance(each, RunResult) else each for each in lab.results]
        return Told(
            violations=list(lab.oracle.violations),
            runs=lab.runs,
            faults=sum(each.hit for each in self.plans),
            humans=self.touched,
            ends={why: ends.count(why) for why in ends},
        )

    def _adopt(self) -> None:
        """Where ids are given again, somebody's key is accepted, and deleted before we mint: ours has its id."""
        lab, theirs = self.lab, ("key-1", "a-secret-of-a-human-0123456789-0000")
        accepted = self.history.reuses and bool(lab.settings.get("labels"))
        if accepted:
            lab.system.keys[theirs[0]] = TwinKey(theirs[1], lab.seam.now() - 500)
            lab.oracle.strangers.add(theirs)
        lab.adopt()
        if accepted:
            del lab.system.keys[theirs[0]]
            lab.oracle.strangers.remove(theirs)
            lab.oracle.living = lab.system.living()

    def comes(self, after: float) -> float:
        """When a moment comes."""
        c, t = self.lab.record().current, self.lab.seam.t
        if after == RENEWAL and c and c.credential.expires:
            spec, expires = self.lab.spec, c.credential.expires.timestamp()
            return max(t, expires - max(self.history.lifetime / 10, spec.grace + spec.soak) + 5.0)
        return t + after if after >= 0 else self._next_slot()

    def passes(self, until: float) -> None:
        """Time passes, and what expires meanwhile nobody has killed."""
        self.lab.seam.t = until
        if self.history.lifetime:
            self.lab.oracle.expire()

    def _act(self, moment: Moment) -> None:
        lab = self.lab
        match moment.act:
            case "skew":
                lab.seam.skew = moment.value
            case "suspend":
                lab.seam.t += 7_200.0
            case "stranger in a place":
                lab.land()
                lab.somebody_writes('{"fields": {"USER": "somebody", "PASSWORD": "else"}}')
                lab.oracle.strangers.add(("somebody", "else"))
                self.touched = True
            case "new password":
                self._new_password()
            case "watch":
                self.watch(lab.seam.t + 10_100.0)
            case "new key":
                self._new_key()
            case act if act in AT_ONCE:
                told = [COMMANDS[each]() if each else None for each in AT_ONCE[act]]
                Interleaving(lab, int(moment.value), faults=0.03).go(told)
            case act:
                self._run(moment, COMMANDS[act]() if act in COMMANDS else None, named=act == "named", forced=act == "forced")

    def watch(self, until: float) -> RunResult:
        """Until then, each run comes when the one before it asks for it, and none has a fault."""
        lab = self.lab
        lab.land()
        lab.oracle.watched = lab.seam.t if not lab.seam.skew else None
        last = lab.clean_run()
        while last.wake is not None and (comes := max(last.wake, lab.seam.t + TICK)) < until:
            self.passes(comes)
            last = lab.clean_run()
        self.passes(max(lab.seam.t, until))
        lab.oracle.watched = None
        return last

    def _run(self, moment: Moment, command: Command | None = None, **order: Any) -> None:
        late = (self.history.fences or self.history.shape.startswith("issue")) and not self.history.reuses
        labels = bool(self.lab.settings.get("labels"))
        self.leaked = self.leaked or isinstance(command, Compromise)
        faults = {number: Fault(kind) for number, kind in moment.faults}
        readable = not self.history.attested
        plan = Guarded(faults, late=late, late_mint=labels, late_publish=late and readable and not self.leaked)
        self.plans.append(plan)
        self.lab.run(command, plan=plan, home=moment.home, **order)

    def _new_password(self) -> None:
        """A human sets current's user a password of his own; what was on its way to the target has arrived."""
        lab = self.lab
        lab.land()
        current = lab.record().current
        assert current is not None
        secret = "a-human-chose-this-0123456789-0123"
        lab.system.users[current.credential.name].secrets = [secret]
        lab.oracle.human_broke_current = self.touched = True
        lab.oracle.strangers.add((current.credential.name, secret))
        lab.oracle.living = lab.system.living()

    def _new_key(self) -> None:
        """A human mints a key of his own, where a slot is free; not inside a crash window of ours, which docs/limits.md leaves open."""
        lab = self.lab
        labels = lab.settings.get("labels")
        if not labels and (len(lab.system.keys) >= 2 or lab.record().pending):
            return
        name, secret = f"key-human-{len(lab.system.keys)}-{lab.runs}", f"a-secret-of-a-human-0123456789-{lab.runs:04d}"
        lab.system.keys[name] = TwinKey(secret, lab.seam.now())
        lab.oracle.strangers.add((name, secret))
        lab.oracle.living = lab.system.living()
        self.touched = True

    # ---- its end

    def _rest(self) -> None:
        """The clock is right again, late packets have landed, nothing fails: two clean runs to wait or rest, time for what is left."""
        lab = self.lab
        lab.seam.t += max(2 * DAY, abs(lab.seam.skew))
        lab.seam.skew = 0.0
        lab.land()
        if self.touched:
            lab.run(Resolve(overwrite=frozenset({"env"})))
        first, second = lab.clean_run(), lab.clean_run()
        if second.exit not in (Exit.DONE, Exit.HUMAN) and not self.touched:
            lab.oracle.violate("I6", f"after two clean runs: {first.why}, {second.why}")
        last = self._until_rest(second)
        if self.history.again and self.history.lifetime:
            last = self._until_rest(self.watch(lab.seam.t + 20_000.0))
        elif self.history.again:
            lab.seam.t = self._next_slot()
            last = self._until_rest(lab.clean_run())
        if self.touched:
            return self._only_its_own_end(last)
        lab.oracle.at_rest(last)
        return lab.audited()

    def _next_slot(self) -> float:
        """A second after the next slot begins, or now where it has."""
        lab = self.lab
        return max(lab.seam.t, lab.spec.when.next_slot(lab.record().last_slot, lab.seam.t) + 1.0)

    def _until_rest(self, last: RunResult) -> RunResult:
        """What was begun ends; where a slot comes meanwhile, its rotation too."""
        for seconds in (1_100.0, 400.0) * 4:
            if last.why == "at rest":
                break
            self.lab.seam.t += seconds
            last = self.lab.clean_run()
        return last

    def _only_its_own_end(self, last: RunResult) -> None:
        """What a human has touched may need a human; what must hold even so: the record is whole, and its chain too."""
        self.lab.audited()
        record = self.lab.record()
        mine = login(record.current.credential) if record.current else None
        oracle, living = self.lab.oracle, self.lab.system.living()
        if last.exit is Exit.DONE and last.why == "at rest" and mine not in living:
            oracle.violate("I13", "at rest, and current does not log in")
        for name, _ in sorted(living - oracle.strangers - {each for each in map(login, record.known()) if each}):
            if last.exit is Exit.DONE or name not in f"{last.message} {last.fix}":
                oracle.violate("I4", f"{name} lives, and neither record nor message names it: {last.why}")


def tell(history: History, storage: Storage) -> Told:
    """One history from its adoption to its rest."""
    return Teller(history, storage).tell()


def less(history: History) -> Sequence[History]:
    """The same with one moment, or one fault, fewer."""
    moments = history.moments
    fewer = [replace(history, moments=(*moments[:at], *moments[at + 1 :])) for at in range(len(moments)) if len(moments) > 1]
    for at, each in enumerate(moments):
        for drop in range(len(each.faults)):
            less = replace(each, faults=(*each.faults[:drop], *each.faults[drop + 1 :]))
            fewer.append(replace(history, moments=(*moments[:at], less, *moments[at + 1 :])))
    return fewer
