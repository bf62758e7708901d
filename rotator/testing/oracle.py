"""An oracle that asks the target itself, after every effect, whether a law of the promise was broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from rotator.errors import Exit
from rotator.model import Credential, Shape
from rotator.record import Record
from rotator.rotate import Adopt, Command, Compromise, HoldUntil, Resolve, RunResult, Undo
from rotator.spec import RotationSpec
from rotator.testing.twins import TwinSystem

Login = tuple[str, str]
"""A name and a secret in clear: oracles look at twins, never at real secrets."""
SLACK = 62.0
"""Seconds by which grace may seem shorter: clocks may differ by 60."""
SPARE = 900.0
"""Seconds that runs may lose, to a lease and a back-off, and still renew what expires in time."""
WAITS = ("not_before", "lease", "clock", "conflict", "refused")
"""Ends of runs that could or would do nothing."""


def login(credential: Credential | None) -> Login | None:
    """The credential as a login; None where its secret is not known."""
    return None if credential is None or credential.secret is None else (credential.name, credential.secret.reveal())


def overwrites(command: Command | None) -> frozenset[str]:
    """The places whose values a human gives up by a command."""
    return command.overwrite if isinstance(command, Adopt | Resolve) else frozenset()


@dataclass(frozen=True)
class Asked:
    """What was so when a run began: by the clock of its machine, and by the right one."""

    command: Command | None
    now: float
    time: float
    before: Record
    living: set[Login]
    held: tuple[Login, float] | None


@dataclass
class Oracle:
    """Judges one spec. `record` and `shown` read the truth of the store and the places, past the engine."""

    spec: RotationSpec
    system: TwinSystem
    record: Callable[[], Record]
    shown: Callable[[str], Login | None]
    now: Callable[[], float]
    strangers: set[Login] = field(default_factory=set)
    """Credentials of humans: nobody may kill them."""
    human_broke_current: bool = False
    violations: list[str] = field(default_factory=list)
    living: set[Login] = field(default_factory=set)
    left: dict[Login, float] = field(default_factory=dict)
    """When a place last ceased to show it."""
    last_shown: dict[str, Login | None] = field(default_factory=dict)
    ever_shown: set[Login] = field(default_factory=set)
    slots: list[float] = field(default_factory=list)
    begun: dict[str, float] = field(default_factory=dict)
    """Slots of rotations by their ids."""
    promoted: str | None = None
    were_current: set[str] = field(default_factory=set)
    seen: Record = field(default_factory=Record)
    held: tuple[Login, float] | None = None
    """What a human keeps alive, and until when: he was told so."""
    theirs: dict[str, Login | None] = field(default_factory=dict)
    """What somebody else has put into a place."""
    ours: set[Login | None] = field(default_factory=set)
    """What the record knew when a run began: where a place shows it, it is nobody else's."""
    expiry: dict[Login, float] = field(default_factory=dict)
    expired: set[Login] = field(default_factory=set)
    """What has died by itself."""
    ran_out: set[Login] = field(default_factory=set)
    """What was current then."""
    watched: float | None = None
    """Since when each run comes as early as the one before it has asked for."""
    last_run: float = -math.inf
    """When the last run began."""
    landing: bool = False
    """Whether what arrives was sent by a run that has ended: what it proved may have expired since."""

    def start(self) -> None:
        """Take stock before the first effect."""
        self.living = self.system.living()
        for place in self.spec.place_names:
            self.last_shown[place] = self.shown(place)
        self.ever_shown |= {each for each in self.last_shown.values() if each}
        self.seen = self.record()
        self.promoted = self.seen.current.id if self.seen.current else None
        self.were_current |= {self.promoted} if self.promoted else set()

    def violate(self, law: str, what: str) -> None:
        """Note a broken law."""
        text = f"{law}: {what}"
        if text not in self.violations:
            self.violations.append(text)

    def after_effect(self, name: str, overwrite: frozenset[str] = frozenset()) -> None:
        """Judge what an effect left. The record and the places are read again only where the effect can have changed them.

        `overwrite`: places whose values a human gave up when he asked for this run.
        """
        if self.system.expiring:
            self.expire()
        if name.startswith("write record"):
            before, self.seen = self.seen, self.record()
            self._holds_current(before)
        if name == "publish":
            self._flips()
            self._written_over(overwrite)
        living, record = self.system.living(), self.seen
        for dead in sorted(self.living - living):
            self._died(dead, name, record)
        self.living = living
        self._current_lives(name, record)
        self._slot(record)

    def _flips(self) -> None:
        for place in self.spec.place_names:
            seen = self.shown(place)
            before = self.last_shown[place]
            if seen != before:
                self.last_shown[place] = seen
                self.left |= {before: self.now()} if before else {}
                self.ever_shown |= {seen} if seen else set()

    def _died(self, dead: Login, name: str, record: Record) -> None:
        if dead in self.strangers:
            self.violate("HUMAN", f"{name} kills {dead[0]}, which is somebody else's")
        if self.spec.in_place:
            return
        if self.held and self.held[0] == dead and self.now() < self.held[1]:
            self.violate("I2 hold", f"{name} kills {dead[0]} under a hold")
        showing = [place for place, seen in self.last_shown.items() if seen == dead]
        if showing:
            self.violate("I2", f"{name} kills {dead[0]}, which {showing} show")
            return
        versions = [each for each in (record.current, record.previous) if each]
        leaked = any(login(each.credential) == dead and each.id in record.compromised for each in versions)
        buried = any(login(each.credential) == dead for each in record.tombstones)
        if dead not in self.ever_shown or leaked or buried:
            return
        since = self.now() - self.left.get(dead, -1e9)
        if since < self.spec.grace - SLACK:
            self.violate("I2 grace", f"{name} kills {dead[0]} {since:.0f} s after the last place ceased to show it")

    def _current_lives(self, name: str, record: Record) -> None:
        if not record.current or self.human_broke_current:
            return
        mine = login(record.current.credential)
        next_one = login(record.pending.credential) if self.spec.in_place and record.pending else None
        dud = next_one is not None and next_one[1] in self.system.duds
        if not {mine, next_one} & self.living and mine not in self.ran_out and not dud:
            self.violate("I1", f"after {name} current {record.current.id} does not log in")
        if self.spec.in_place:
            return
        for place, seen in self.last_shown.items():
            if seen and seen not in self.living and seen not in self.strangers and seen not in self.expired and record.places:
                self.violate("I1 place", f"after {name} {place} shows {seen[0]}, which is dead")

    def _slot(self, record: Record) -> None:
        """A version that becomes current for the first time rotates the slot that it was begun for; UNDO only makes one current again."""
        if record.pending:
            self.begun[record.pending.id] = record.pending.slot
        if record.current and record.current.id != self.promoted:
            new = record.current.id
            if new not in self.were_current and (not record.previous or record.previous.id == self.promoted):
                slot = self.begun.get(new, record.last_slot)
                if slot in self.slots and record.generation > 1:
                    self.violate("I11", f"slot {slot} was rotated twice")
                self.slots.append(slot)
            self.promoted = new
            self.were_current.add(new)

    def at_rest(self, result: RunResult) -> None:
        """After clean runs: nothing is unfinished, and what lives is known."""
        record = self.record()
        self._flips()
        if result.exit is Exit.HUMAN and not self.strangers and not self.human_broke_current:
            self.violate("I6", f"nobody touched it, yet it needs a human: {result.why}")
        if result.exit is Exit.HUMAN:
            return
        if record.pending or record.previous or result.why != "at rest":
            self.violate("I6", f"not at rest: {result.why}: {result.message}")
        if self.spec.when.slot(record.last_slot, self.last_run) is not None:
            self.violate("I6", f"a slot is due at rest, the last one was {record.last_slot:.0f}")
        current = login(record.current.credential) if record.current else None
        if current not in self.system.living() and not self.human_broke_current:
            self.violate("I6", f"current does not log in at rest: {result.why}")
        known = {name for name, _ in self.strangers} | record.base
        for one in self.system.living() - {current} - self.strangers:
            if one[0] not in known or self.spec.shape is not Shape.ISSUE:
                self.violate("I4", f"{one[0]} lives and nobody holds it")
        self._forgotten(record)
        if not self.human_broke_current and any(seen != current for seen in self.last_shown.values()):
            self.violate("I6", "a place does not show current at rest")

    def _forgotten(self, record: Record) -> None:
        """What is switched off is not gone: a key that may be switched on again, a user with a password."""
        assert record.current is not None
        known = {name for name, _ in self.strangers} | record.base | {record.current.credential.name}
        for id in sorted(set(self.system.keys) - known):
            self.violate("I4", f"{id} is still there, and nobody holds it")
        for name, user in self.system.users.items():
            if name not in known and user.secrets:
                self.violate("I4", f"{name} keeps a password, and nobody holds it")

    def claims(self, result: RunResult, since: float = math.inf) -> None:
        """The exit code says no more than was observed (I13). `since`: when the run began; what expires later it may have seen alive."""
        record = self.record()
        if result.exit is not Exit.DONE or not record.current or result.why == "stopped":
            return
        current = login(record.current.credential)
        if record.pending and result.why != "not_before":
            self.violate("I13", f"exit 0 with a rotation unfinished ({result.why})")
        if not record.pending and current not in self.system.living() and self.expiry.get(current or ("", ""), 0.0) <= since:
            self.violate("I13", f"exit 0, and current does not log in ({result.why})")
        if any(seen != current for seen in self.last_shown.values()):
            self.violate("I13", f"exit 0, and a place does not show current ({result.why})")

    # ---- places of somebody else's

    def _written_over(self, overwrite: frozenset[str]) -> None:
        """What somebody else has put into a place stays there, unless a human gave it up, or the record knows it as ours."""
        for place, value in [*self.theirs.items()]:
            if self.last_shown[place] == value:
                continue
            del self.theirs[place]
            readable = not next(each.attested for each in self.spec.places if each.place.name == place)
            ours = readable and value in self.ours | {login(each) for each in self.seen.known()}
            if place not in overwrite and not ours:
                self.violate("HUMAN place", f"publish writes over what somebody else has put into {place}")

    # ---- what humans ask

    def asked(self, command: Command | None) -> Asked:
        """A run begins. What a human gives up by his command is held no more."""
        self.last_run = self.now()
        asked = Asked(command, self.last_run, self.system.time(), self.seen, self.living, self.held)
        self.ours = {login(each) for each in self.seen.known()} if self.theirs else set()
        if self.held and _gives_up(command, self.held[0]):
            self.held = None
        return asked

    def answered(self, asked: Asked, result: RunResult | str, *, alone: bool, clean: bool) -> None:
        """A run has ended. `alone`: there was no other; `clean`: without a fault."""
        if asked.command:
            self._answered(asked, result, alone=alone)
        if self.system.expiring and alone and clean and isinstance(result, RunResult):
            self._renewed(asked, result)

    def _answered(self, asked: Asked, result: RunResult | str, *, alone: bool) -> None:
        """Exit 0 says that it is held; what was not done leaves what was; of what was cut off the record tells."""
        q, command = asked.before.previous, asked.command
        told = result if isinstance(result, RunResult) else None
        if isinstance(command, HoldUntil) and told and told.exit is Exit.DONE and alone and q:
            named = [each for each in sorted(self.living) if each[0] == q.credential.name]
            self.held = (login(q.credential) or (named or [("", "")])[0], asked.now + command.seconds)
            if self.held[0] in asked.living - self.living - self.expired and self.now() < self.held[1]:
                self.violate("I2 hold", f"exit 0 says that {q.credential.name} is held, and the same run has killed it")
        elif told and not told.claimed:
            self.held = asked.held
        elif self.seen.hold and self.seen.previous and (self.held is None or isinstance(command, HoldUntil)):
            old = login(self.seen.previous.credential)
            self.held = (old, self.seen.hold.until) if old else None
        if told is None or told.claimed:
            for place in overwrites(command):
                self.theirs.pop(place, None)

    def _holds_current(self, before: Record) -> None:
        """What has become current is no old one that is held. After an expired one it may be one that dies a moment later (ADR 0035)."""
        mine = login(self.seen.current.credential) if self.seen.current else None
        if self.held and mine == self.held[0]:
            self.held = None
        was = login(before.current.credential) if before.current else None
        if (self.landing or was in self.ran_out) and mine in self.expired:
            self.ran_out.add(mine)

    # ---- what expires

    def _margin(self, expires: float) -> float:
        """When what expires must be renewed."""
        return expires - max((self.spec.lifetime or 0.0) / 10, self.spec.grace + self.spec.soak)

    def expire(self) -> None:
        """What has died by itself since the last look, nobody has killed."""
        now = self.system.time()
        self.expiry |= {(id, key.secret): key.expires for id, key in self.system.keys.items() if key.expires is not None}
        gone = {each for each in self.living if self.expiry.get(each, math.inf) <= now}
        if not gone:
            return
        self.living = self.living - gone
        self.expired |= gone
        mine = login(self.seen.current.credential) if self.seen.current else None
        if mine in gone:
            self.ran_out.add(mine)
            by = self._margin(self.expiry[mine]) - self.spec.grace - self.spec.soak - SPARE
            if self.watched is not None and self.watched <= by and not self._touched():
                self.violate("I1 expiry", f"{mine[0]}, which is current, expires, though runs came whenever they were asked for")

    def _touched(self) -> bool:
        return bool(self.strangers) or self.human_broke_current

    def _renewed(self, asked: Asked, result: RunResult) -> None:
        """A run that comes in time, and has no old one in its way, renews what expires."""
        c = asked.before.current
        mine = login(c.credential) if c else None
        if mine not in self.expiry or asked.before.previous or asked.now != asked.time or self._touched():
            return
        if result.why in WAITS or (result.steps and result.steps[-1].why in WAITS):  # a leak has the last word even where the run waits
            return
        in_time = self._margin(self.expiry[mine]) + 1.0 <= asked.time < self.expiry[mine] - 60.0
        now = self.seen.current
        if in_time and now and login(now.credential) == mine:
            self.violate("I1 expiry", f"{mine[0]}, which is current and expires soon, was not renewed by a run in time: {result.why}")


def _gives_up(command: Command | None, held: Login) -> bool:
    """Whether a human ends by this command what he has held."""
    if isinstance(command, Adopt):
        return command.take_second or command.new or command.retire is not None
    if isinstance(command, Resolve):
        return command.revoke == held[0]
    return isinstance(command, Undo) or (isinstance(command, Compromise) and command.which == "previous")
