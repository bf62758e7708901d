"""Tells such a history, and looks for the way out of it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from rotator.errors import Exit
from rotator.model import Credential, Secret
from rotator.rotate import Adopt, Command, Compromise, HoldUntil, Resolve, RunResult, Undo
from rotator.testing.astray.history import PLACES, TRIES, WORLD, Astray, Turn, draw, less
from rotator.testing.astray.world import Meddled, World
from rotator.testing.interleave import Interleaving
from rotator.testing.oracle import login
from rotator.testing.shrink import shorter

HOLDS = (2_000.0, 20_000.0, 150.0)
"""Seconds that a human keeps the old one: past its grace, past its next slot too, and neither."""


class Teller:
    """Tells one, and looks for the way out of it."""

    def __init__(self, history: Astray) -> None:
        self.history, self.world = history, World(history)
        self.lab = self.world.lab
        self.adoption: dict[str, Any] = {}
        """What refused adoptions have taught the operator."""
        self.trail: list[str] = []
        self.accepted: set[str] = set()
        self.two_old = False
        """A place was written over in a grace: docs/limits.md leaves open that what it showed has none."""

    def tell(self) -> list[str]:
        """Violations."""
        lab = self.lab
        lab.adopt()
        self.world.keep()
        lab.seam.t += 10_010
        for each in self.history.turns:
            lab.seam.t += each.after
            self._act(each)
            self.world.keep()
        lab.seam.t += 100_000
        self._way_out()
        left_open = ["I2 grace: revoke orphan"] * self.two_old + ["I2 grace: disable ", "I2 grace: revoke kills"] * self.world.restored
        left_open += ["I2: disable kills", "I2: revoke kills"] * self.world.taken
        return [each for each in lab.oracle.violations if not each.startswith(tuple(left_open))]

    def _act(self, turn: Turn) -> None:
        if turn.act in WORLD:
            return self.world.happen(turn.act, turn.pick)
        if turn.act == "two":
            other = self._command("adopt" if turn.pick % 3 else "undo", turn.pick)
            self._said(other)
            before = list(self.lab.oracle.violations)
            Interleaving(self.lab, turn.pick, faults=0.02).go([None, other])
            if self._gives_up(other):
                self._forgiven(before)
            return None
        command = self._command(turn.act, turn.pick)
        self._said(command)
        return self._run(turn, command, gave_up=self._gives_up(command))

    def _gives_up(self, command: Command | None) -> bool:
        """Whether a human hands over what places show: a new secret with nothing to keep, or the second one's end."""
        return isinstance(command, Adopt) and not self.world.issue and (command.new or command.take_second)

    def _run(self, turn: Turn, command: Command | None, *, gave_up: bool) -> None:
        """What a human does within a run the run may not have seen; and what he gives up he knows: only later runs are asked."""
        lab, before = self.lab, list(self.lab.oracle.violations)
        within = turn.within[1] if turn.within else ""
        plan = Meddled(turn, lambda: self.world.happen(within, turn.pick, within=True))
        lab.run(command, plan=plan, alone=not within, named=turn.act != "run", forced=turn.act == "forced")
        self.world.stays()
        if within or gave_up:
            self._forgiven(before)

    def _forgiven(self, before: list[str]) -> None:
        """Of what was broken since, only that somebody else's credential was killed."""
        found = self.lab.oracle.violations
        found[:] = [*before, *(each for each in found if each not in before and each.startswith("HUMAN"))]

    def _command(self, act: str, pick: int) -> Command | None:
        lab = self.lab
        some = frozenset(each for number, each in enumerate(sorted(PLACES)) if pick >> number & 1)
        ids = sorted(lab.system.keys) or ["key-0"]
        one = ids[pick // 8 % len(ids)]
        retire = one if self.world.issue and pick % 5 == 0 else None
        match act:
            case "undo":
                return Undo()
            case "hold":
                return HoldUntil("month end", HOLDS[pick % len(HOLDS)])
            case "leaked current" | "leaked previous" | "leaked pending":
                return Compromise(act.removeprefix("leaked "))
            case "adopt":
                return Adopt(credential=self._chosen(pick), take_second=pick % 7 < 3, retire=retire, overwrite=some)
            case "adopt new":
                return Adopt(new=True, take_second=pick % 7 < 3, overwrite=some)
            case "overwrite":
                return Resolve(overwrite=some or PLACES)
            case "accept":
                return Resolve(accept=one)
            case "revoke":
                return Resolve(revoke=one)
        return None

    def _chosen(self, pick: int) -> Credential:
        """Any that logs in."""
        living = sorted(self.lab.system.living())
        if not living:
            return self.world.works()
        name, secret = living[pick // 4 % len(living)]
        return Credential(name=name, secret=Secret(secret))

    def _said(self, command: Command | None) -> None:
        """Whose death a human asks for is nobody's any more; what he hands us is ours."""
        strangers = self.lab.oracle.strangers
        gone = command.retire if isinstance(command, Adopt) else command.revoke if isinstance(command, Resolve) else None
        strangers -= {each for each in strangers if each[0] == gone}
        if isinstance(command, Resolve) and command.accept:
            self.accepted.add(command.accept)
        if isinstance(command, Adopt | Resolve) and command.overwrite and self.lab.record().previous:
            self.two_old = True
        if isinstance(command, Adopt) and command.credential is not None:
            strangers.discard(login(command.credential) or ("", ""))
        if isinstance(command, Adopt) and (command.take_second or command.new):
            strangers -= {each for each in strangers if not self.world.issue}

    # ---- the way out

    def _way_out(self) -> None:
        """Two runs, then what the messages name, until it is at rest. An operator has half an hour, and tells no lies."""
        lab = self.lab
        for number in range(TRIES):
            last = self._plain_run(named=number % 3 < 2)
            if last.exit is Exit.DONE and last.why == "at rest":
                return self._rests(last)
            lab.seam.t += 1_100.0
            if "no free slot" in last.message:
                self.world.makes_room()
            if number:
                self._follow(last)
        last = self._plain_run(named=True)
        lab.oracle.violate("WAY OUT", f"none is found: {' > '.join(self.trail[-12:])}: {last.message} | {last.fix}")
        return None

    def _plain_run(self, *, named: bool) -> RunResult:
        result = self.lab.run(named=named)
        assert isinstance(result, RunResult)
        self.trail.append(result.why)
        return result

    def _follow(self, last: RunResult) -> None:
        """Type what the message names; what is refused then says what is missing."""
        for _ in range(4):
            command = self._named(last)
            if command is None:
                return
            self._said(command)
            result = self._command_run(command)
            self.trail.append(f"{type(command).__name__.lower()}: {result.why}")
            if isinstance(command, Resolve) and command.revoke and "--overwrite" in (result.fix or ""):
                self._command_run(replace(command, overwrite=PLACES))
            if not isinstance(command, Adopt) or result.why != "refused":
                self.adoption = {}
                return
            if "let it end, or undo it" in result.message:
                self._command_run(Undo())
                return
            self._learn(result)

    def _command_run(self, command: Command) -> RunResult:
        before = list(self.lab.oracle.violations)
        result = self.lab.run(command, named=True)
        assert isinstance(result, RunResult)
        if self._gives_up(command):
            self._forgiven(before)
        return result

    def _named(self, last: RunResult) -> Command | None:
        """The command that a message names."""
        fix = last.fix or ""
        if "rotator resolve" in (told := f"{last.message} {fix}") and "--overwrite" in told:
            return Resolve(overwrite=PLACES)
        if "--seen" in fix:
            return Resolve(seen=frozenset({"env"}))
        if "a slot is free after" in fix:
            return Resolve(
                revoke=next((each for each in sorted(self.lab.system.keys) if f"{each} is" in fix or f"{each}," in fix), "key-0")
            )
        if "--revoke" in fix:
            named = [each for each in sorted(self.lab.system.keys) if each in last.message.replace(",", "").split()]
            return Resolve(accept=named[0]) if named else None
        if last.why == "check" and any(each.code == "stray" for each in last.findings):
            return Adopt(credential=self.world.works(), **{"take_second": True} | self.adoption)
        if "rotator adopt" in fix:
            second = {"take_second": True} if "--take-second" in fix or "--drop-second" in fix else {}
            if "--new" in fix and self.world.in_hand() is None:
                return Adopt(new=True, **second | self.adoption)
            return Adopt(credential=self.world.works(), **second | self.adoption)
        if "rotator compromise" in fix:
            return Compromise("previous" if "--version previous" in fix else "current")
        return Undo() if "rotator undo" in fix else None

    def _learn(self, refused: RunResult) -> None:
        """What a refused adoption asks for."""
        fix = refused.fix or ""
        if "--overwrite" in fix:
            self.adoption["overwrite"] = PLACES
        if "delete one there" in fix:
            self.world.makes_room()
        if "delete it there" in fix:
            self.lab.system.keys.pop(refused.message.split()[1], None)
            self.lab.oracle.living = self.lab.system.living()
        if "--take-second" in fix:
            self.adoption["take_second"] = True
        if "leave out --retire" in fix:
            self.adoption.pop("retire", None)
        elif "--retire" in fix:
            mine = self.world.works().name
            self.adoption["retire"] = next((each for each in sorted(self.lab.system.keys) if each != mine), None)

    def _rests(self, last: RunResult) -> None:
        """At rest everything is as exit 0 says, and no key of ours lives that nobody holds."""
        lab = self.lab
        record = lab.record()
        mine = login(record.current.credential) if record.current else None
        lab.audited()
        lab.oracle.claims(last)
        if mine not in lab.system.living():
            lab.oracle.violate("I13", "at rest, and current does not log in")
        ours = [id for id, key in lab.system.keys.items() if key.label and (id, key.secret) != mine and id not in self.accepted]
        if ours and not self.world.forgot:
            lab.oracle.violate("I4", f"{ours} live with our label, and nobody holds them")


def broken(seed: int) -> str | None:
    """What is wrong with the history of this seed, or None. It is shortened first."""
    history = draw(random.Random(seed))  # the same seed is the same history
    found = Teller(history).tell()
    if not found:
        return None
    law = found[0].partition(":")[0]
    history = shorter(history, lambda each: any(one.startswith(f"{law}:") for one in Teller(each).tell()), less)
    return f"seed {seed}: {Teller(history).tell()}: {history}"
