"""An oracle that asks the target itself, after every effect, whether a law of the promise was broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rotator.errors import Exit
from rotator.model import Credential, Shape
from rotator.record import Record
from rotator.rotate import RunResult
from rotator.spec import RotationSpec
from rotator.testing.twins import TwinSystem

Login = tuple[str, str]
"""A name and a secret in clear: oracles look at twins, never at real secrets."""
SLACK = 62.0
"""Seconds by which grace may seem shorter: clocks may differ by 60."""


def login(credential: Credential | None) -> Login | None:
    """The credential as a login; None where its secret is not known."""
    return None if credential is None or credential.secret is None else (credential.name, credential.secret.reveal())


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

    def after_effect(self, name: str) -> None:
        """Judge what an effect left. The record and the places are read again only where the effect can have changed them."""
        if name.startswith("write record"):
            self.seen = self.record()
        if name == "publish":
            self._flips()
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
        q = record.previous
        if record.hold and self.now() < record.hold.until and q and login(q.credential) == dead:
            self.violate("I2 hold", f"{name} kills {dead[0]} under a hold")

    def _current_lives(self, name: str, record: Record) -> None:
        if not record.current or self.human_broke_current:
            return
        mine = login(record.current.credential)
        if mine not in self.living and not (self.spec.in_place and record.pending):
            self.violate("I1", f"after {name} current {record.current.id} does not log in")
        if self.spec.in_place:
            return
        for place, seen in self.last_shown.items():
            if seen and seen not in self.living and seen not in self.strangers and record.places:
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
        if record.pending or record.previous:
            self.violate("I6", f"not at rest: {result.why}")
        current = login(record.current.credential) if record.current else None
        known = {name for name, _ in self.strangers} | record.base
        for one in self.system.living() - {current} - self.strangers:
            if one[0] not in known or self.spec.shape is not Shape.ISSUE:
                self.violate("I4", f"{one[0]} lives and nobody holds it")
        if not self.human_broke_current and any(seen != current for seen in self.last_shown.values()):
            self.violate("I6", "a place does not show current at rest")

    def claims(self, result: RunResult) -> None:
        """The exit code says no more than was observed (I13)."""
        record = self.record()
        if result.exit is not Exit.DONE or not record.current or result.why == "stopped":
            return
        current = login(record.current.credential)
        if record.pending and result.why != "not_before":
            self.violate("I13", f"exit 0 with a rotation unfinished ({result.why})")
        if not record.pending and current not in self.system.living():
            self.violate("I13", f"exit 0, and current does not log in ({result.why})")
        if result.why in ("at rest", "grace", "soak") and any(seen != current for seen in self.last_shown.values()):
            self.violate("I13", f"exit 0, and a place does not show current ({result.why})")
