"""A story in one world: what comes before the run that is killed, that run, and what comes after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rotator.errors import Exit
from rotator.model import Credential
from rotator.record import Record
from rotator.rotate import Adopt, Command, Resolve, RunResult
from rotator.seam import Seam
from rotator.testing.kill.oracle import RESTING, Oracle
from rotator.testing.kill.worker import Kill, killed
from rotator.testing.stands import Stand, World

LATER = 1.6
"""Seconds by which a later run lives ahead: more than grace, soak or hold."""
RUNS_TO_REST = 5


@dataclass(frozen=True)
class Story:
    """What comes before the run that is killed, and what that run is asked. An adoption is told from before there is a record."""

    before: str = ""
    """`rotate`, `later`, `go on`, `die at EFFECT`; past us: `restore`, `second`, `orphan`, `foreign place`. Commas between them."""
    ask: Callable[[Telling], Command | None] = lambda _told: None
    forced: bool = False
    overtaken: bool = False
    """Once it has minted, another runner writes the record."""
    adopted: bool = True
    shapes: Callable[[Stand], bool] = field(default=lambda _stand: True)


class Telling:
    """One world in which a story is told."""

    def __init__(self, world: World, story: Story) -> None:
        self.world, self.story, self.ahead = world, story, 0.0
        self.known: list[Credential] = [world.first]
        self.second: Credential | None = None
        self.by_hand: list[Credential] = []
        """What a human put in the place of ours."""

    @property
    def other(self) -> str:
        """The id of the second credential."""
        assert self.second is not None
        return self.second.name

    # ---- runs

    def run(self, command: Command | None = None, *, forced: bool = False, **how: Any) -> RunResult:
        """One run, so far ahead. `how`: see `killed`."""
        values = self.world.values() if isinstance(command, Adopt) and not command.new else None
        result = self.world.run(partial(killed, ahead=self.ahead, **how), values, forced=forced, command=command)
        record = self.world.record()
        found = [each.credential for each in (record.current, record.pending, record.previous) if each and each.credential]
        self.known += [each for each in found if each.secret and not any(each.same(one) for one in self.known)]
        return result

    def the_run(self, *, kill: Kill | None = None, census: tuple[Path, Path] | None = None) -> RunResult:
        """The run that the story is about."""
        story = self.story
        return self.run(story.ask(self), forced=story.forced, kill=kill, census=census, overtaken=story.overtaken)

    # ---- before it

    def prepare(self) -> None:
        """What comes before it."""
        if self.story.adopted:
            done = self.run(Adopt())
            assert done.exit is Exit.DONE, done
        for each in filter(None, self.story.before.split(", ")):
            self._act(each)

    def _act(self, act: str) -> None:
        world, stand = self.world, self.world.stand
        match act.partition(" at "):
            case ("rotate", _, _):
                self.run(forced=True)
            case ("later", _, _):
                self.ahead += LATER
            case ("go on", _, _):
                self.run()
            case ("die", _, effect):
                died = self.run(forced=True, kill=Kill(1, "before", effect))
                assert died.why == "died", died
            case ("restore", _, _):
                stand.restore(world.first)
                self.by_hand.append(world.first)
            case ("second", _, _):
                self.second = stand.second(world.one)
                self.known.append(self.second)
            case ("orphan", _, _):
                stand.orphan(world.one, world.spec.label(Seam().new_id()))
            case ("foreign place", _, _):
                self.by_hand.append(world.overwrite())
            case _:
                raise AssertionError(act)

    # ---- after it

    def heal(self, oracle: Oracle) -> None:
        """At most two clean runs. Where a human had to come before the kill as well, he gives his command again, unless it has landed."""
        clean = self.run()
        command = _again(self.story.ask(self), self.world.record())
        if clean.exit is Exit.HUMAN and command:
            again = self.run(command)
            if again.exit is not Exit.DONE:
                oracle.violate("I6", f"the command is given again, and says {again.why}: {again.message}")
            clean = self.run()
        if clean.exit is not Exit.DONE or clean.why not in RESTING:
            clean = self.run()
        oracle.settled(clean)

    def rest(self, oracle: Oracle) -> None:
        """Time passes, and runs go on."""
        for _ in range(RUNS_TO_REST):
            self.ahead += LATER
            if self.run().why == "at rest":
                break
        oracle.at_rest(self.known)


def _again(command: Command | None, record: Record) -> Command | None:
    """What of this command is to be given again, as the record does not show it. That a place may be overwritten is never in it."""
    match command:
        case Adopt() if not (record.current or record.pending):
            return command
        case Adopt(overwrite=places) if places:
            return Resolve(overwrite=places)
        case Resolve(accept=id) if id is None or id not in record.base:
            return command
    return None
