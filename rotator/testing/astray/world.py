"""The lab of such a history, and what humans and backups do to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rotator.model import Credential, Secret
from rotator.record import Record
from rotator.rotate import Kind
from rotator.testing.astray.history import Astray, Turn
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.lab import PATH, Lab, as_objects
from rotator.testing.memory import MemoryStore
from rotator.testing.twins import TwinKey


class Meddled(FaultPlan):
    """Faults, and a stranger's hand before one of the effects."""

    def __init__(self, turn: Turn, act: Callable[[], None]) -> None:
        super().__init__(dict(turn.faults))
        self.within, self.act = turn.within[0] if turn.within else 0, act

    def effect(self, name: str, kind: Kind, call: Callable[[], Any]) -> Any:
        if self.count + 1 == self.within:
            self.act()
        fault = self.plan.get(self.count + 1)
        if fault and kind is Kind.READ and fault not in (Fault.CRASH_BEFORE, Fault.DENIED):
            self.plan[self.count + 1] = Fault.ERROR
        if fault is Fault.DUPLICATE and name == "mint":
            self.plan[self.count + 1] = Fault.TIMEOUT
        return super().effect(name, kind, call)


class World:
    """The lab, and what humans and backups do to it."""

    def __init__(self, history: Astray) -> None:
        self.lab = lab = Lab(history.shape, as_objects(), fences=history.fences, attested=history.attested, lifetime=history.lifetime)
        self.issue = history.shape.startswith("issue")
        self.labels = bool(lab.settings.get("labels"))
        assert isinstance(lab.truth, MemoryStore)
        self.shelf, self.env = lab.truth.shelf, lab.storage.env
        self.past: list[tuple[Record, str | None]] = []
        self.values: list[str] = []
        self.made = 0
        self.forgot = False
        """The record was lost once: what it knew is an acceptance of whoever adopts."""
        self.restored = False
        """A record from a backup may know an earlier end of a grace."""
        self.taken = False
        """What somebody has put there was taken for our own write: whoever reads it has what the record calls the old one."""
        self.put: str | None = None
        """What somebody has put into the place within this run."""
        self.hand: tuple[str, str] | None = None
        """The last credential that the operator made, for nothing else worked."""

    def keep(self) -> None:
        """A backup of the store and of the place."""
        if PATH in self.shelf.objects:
            self.past.append((self.shelf.objects[PATH], self.shelf.values.get(PATH)))
        if "env" in self.env.values:
            self.values.append(self.env.values["env"])

    def secret(self) -> str:
        """A new one that a human makes up."""
        self.made += 1
        return f"a-human-chose-this-0123456789-{self.made:04d}"

    def happen(self, act: str, pick: int, *, within: bool = False) -> None:
        """One thing that we do not do."""
        left = dict(self.lab.oracle.left)
        {
            "current's password": lambda: self._password(pick, other=False, within=within),
            "other's password": lambda: self._password(pick, other=True, within=within),
            "a key more": lambda: self._key_more(within=within),
            "a key less": lambda: self._key_less(pick),
            "record back": lambda: self._back(pick, values=False),
            "store back": lambda: self._back(pick, values=True),
            "record lost": self._lost,
            "place back": lambda: self._place_back(pick, within=within),
            "place empty": self._place_empty,
        }[act]()
        oracle = self.lab.oracle
        oracle.living, oracle.human_broke_current = self.lab.system.living(), True
        oracle._flips()  # noqa: SLF001 - the oracle of this very history
        oracle.left = left  # what a human has taken away from a place and brought back nobody has seen

    def _place_back(self, pick: int, *, within: bool) -> None:
        """Somebody brings back what a place once showed: it has a mark of its own. Within a run, what we had looked at before is lost."""
        if not self.values:
            return
        text = self.values[pick % len(self.values)]
        if self.lab.attested:
            self.made += 1
            text = json.dumps(json.loads(text) | {"mark": f"back {self.made}"})
        if text == self.env.values.get("env"):
            return
        if within:
            self.env.values["env"], self.put = text, text
            self.lab.oracle.theirs.clear()
        else:
            self.lab.somebody_writes(text)

    def _place_empty(self) -> None:
        self.env.values.clear()
        self.lab.oracle.theirs.clear()

    def stays(self) -> None:
        """After a run: what somebody has put into a place within it stays, unless the run has taken it for its own write. Where that was
        announced and cut off, docs/limits.md leaves open that the next one takes it so.
        """
        put, self.put = self.put, None
        mark = self.lab.record().marks.get("env")
        taken = mark is not None and (mark.writing is not None or mark.told == json.loads(put or "{}").get("mark"))
        if put is not None and put == self.env.values.get("env"):
            self.taken |= taken
            if not taken:
                self.lab.oracle.theirs["env"] = self.lab.shown("env")

    def _password(self, pick: int, *, other: bool, within: bool) -> None:
        """What a human sets in a rotation to that very user, or between our look and our statement, limits.md leaves open."""
        if self.issue:
            return
        record, users = self.lab.record(), sorted(self.lab.system.users)
        mine = record.current.credential.name if record.current else users[0]
        name = next((each for each in users if each != mine), mine) if other else mine
        user, secret = self.lab.system.users[name], self.secret()
        second = self.lab.shape == "overlapping" and pick % 2
        user.secrets, user.enabled = [*user.secrets[:1], secret] if second else [secret], True
        if not within and not record.pending:
            self.lab.oracle.strangers.add((name, secret))

    def _key_more(self, *, within: bool) -> None:
        """Not within a crash window of ours without labels: limits.md leaves that open."""
        keys = self.lab.system.keys
        open_window = not self.labels and (within or len(keys) >= 2 or self.lab.record().pending or not self.lab.record().current)
        if not self.issue or open_window:
            return
        secret = self.secret()
        keys[f"key-human-{self.made}"] = TwinKey(secret, self.lab.seam.now())
        self.lab.oracle.strangers.add((f"key-human-{self.made}", secret))

    def _key_less(self, pick: int) -> None:
        keys = self.lab.system.keys
        if keys:
            del keys[sorted(keys)[pick % len(keys)]]

    def _back(self, pick: int, *, values: bool) -> None:
        if not self.past:
            return
        record, value = self.past[pick % len(self.past)]
        self.shelf.writes += 1
        self.shelf.objects[PATH] = record.but(revision=self.shelf.writes)
        if values and value is not None:
            self.shelf.values[PATH] = value
        self.restored = True
        self._other_past()

    def _lost(self) -> None:
        self.shelf.objects.pop(PATH, None)
        self.forgot = True
        self._other_past()

    def _other_past(self) -> None:
        """The record tells of other slots than the oracle has seen."""
        oracle = self.lab.oracle
        oracle.slots.clear()
        oracle.held = None
        oracle.seen = self.lab.record()
        oracle.promoted = oracle.seen.current.id if oracle.seen.current else None
        mark = oracle.seen.marks.get("env")
        if mark is not None and mark.writing is not None:  # announced when it was kept: what stands there is taken for that write
            self.taken = True
            oracle.theirs.pop("env", None)

    # ---- what an operator has in hand

    def in_hand(self) -> Credential | None:
        """What logs in, of what somebody knows: what the store shows, or the place, or what a human has made."""
        lab = self.lab
        living = lab.system.living()
        humans = sorted(each for each in living if each in lab.oracle.strangers)
        for each in (lab.shown("local"), lab.shown("env"), self.hand, *humans):
            if each in living:
                return Credential(name=each[0], secret=Secret(each[1]))
        return None

    def works(self) -> Credential:
        """What is in hand, or else what a human makes now."""
        held = self.in_hand()
        if held is None:
            name, secret = self._makes_one()
            held = Credential(name=name, secret=Secret(secret))
        return held

    def makes_room(self) -> None:
        """An operator deletes a key of a human's at a provider that has no slot left."""
        mine = {each.name for each in self.lab.record().versions()}
        others = [each for each in sorted(self.lab.system.keys) if each not in mine]
        for each in others[:1]:
            del self.lab.system.keys[each]
        self.lab.oracle.living = self.lab.system.living()

    def _makes_one(self) -> tuple[str, str]:
        secret = self.secret()
        if self.issue:
            if len(self.lab.system.keys) >= 2 and not self.labels:
                self._key_less(0)
            name = f"key-human-{self.made}"
            self.lab.system.keys[name] = TwinKey(secret, self.lab.seam.now())
        else:
            name = min(self.lab.system.users)
            self.lab.system.users[name].secrets, self.lab.system.users[name].enabled = [secret], True
        self.lab.oracle.living, self.lab.oracle.human_broke_current = self.lab.system.living(), True
        self.hand = (name, secret)
        return self.hand
