"""Kills at every boundary: n = 1, 2, 3 … before each effect, and after each change, until a run has no such effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from rotator.model import Credential
from rotator.rotate import Command, Kind, RunResult, Undo
from rotator.testing.kill.oracle import Oracle
from rotator.testing.kill.worker import Kill, When, killed
from rotator.testing.stands import Stand, World

LATER = 1.6
"""Seconds by which a later run lives ahead: more than grace or soak."""
RUNS_TO_REST = 5


@dataclass(frozen=True)
class Story:
    """What comes before the run that is killed, and what that run is asked."""

    before: tuple[str, ...] = ()
    """`rotate`, `later`, `go on`, `die at …`."""
    command: Command | None = None
    forced: bool = False
    shapes: Callable[[Stand], bool] = field(default=lambda _stand: True)


def _in_place(stand: Stand) -> bool:
    return stand.grace == "0s"


def _soaks(stand: Stand) -> bool:
    return stand.soak != "0s"


def _mints(stand: Stand) -> bool:
    return stand.shape in ("aws_iam_key", "http_token")


STORIES: dict[str, Story] = {
    "rotation": Story(forced=True),
    "end of grace": Story(("rotate", "later"), shapes=lambda stand: not _in_place(stand)),
    "end of soak": Story(("rotate", "later", "go on", "later"), shapes=_soaks),
    "undo in grace": Story(("rotate",), Undo(), shapes=lambda stand: not _in_place(stand)),
    "undo in soak": Story(("rotate", "later", "go on"), Undo(), shapes=_soaks),
    "abort": Story(("die at write record PROMOTE",), Undo()),
    "recovery": Story(("die at write record ISSUE",), shapes=_mints),
}


class Telling:
    """One world whose story is told up to the kill, and then to its end."""

    def __init__(self, world: World) -> None:
        self.world, self.ahead = world, 0.0
        self.known: list[Credential] = [world.first]
        self.note = world.folder.parent / "note"

    def run(self, kill: Kill | None = None, *, forced: bool = False, command: Command | None = None) -> RunResult:
        """One run, so far ahead."""
        result = self.world.run(partial(killed, kill=kill, ahead=self.ahead), forced=forced, command=command)
        record = self.world.record()
        self.known += [each.credential for each in (record.current, record.pending, record.previous) if each and each.credential]
        self.known = [each for each in self.known if each.secret is not None]
        return result

    def prepare(self, story: Story) -> None:
        """What comes before the killed run."""
        self.world.adopt()
        for each in story.before:
            match each.partition(" at "):
                case ("rotate", _, _):
                    self.run(forced=True)
                case ("later", _, _):
                    self.ahead += LATER
                case ("go on", _, _):
                    self.run()
                case ("die", _, effect):
                    died = self.run(Kill(1, "before", effect), forced=True)
                    assert died.why == "died", died

    def rest(self) -> None:
        """Time passes, and runs go on."""
        for _ in range(RUNS_TO_REST):
            self.ahead += LATER
            if self.run().why == "at rest":
                return


def one_kill(world: World, story: Story, number: int, when: When) -> tuple[str, Oracle]:
    """One history; the effect at which it was killed, empty: it has no such effect.

    It is told to its end where the kill was at a change; before a read all is as it was before the next change.
    """
    telling = Telling(world)
    telling.prepare(story)
    oracle = Oracle(world)
    telling.note.unlink(missing_ok=True)
    result = telling.run(Kill(number, when, note=str(telling.note)), forced=story.forced, command=story.command)
    kind, _, effect = telling.note.read_text().partition(" ") if telling.note.exists() else ("", "", "")
    oracle.about = f"{when} {effect} ({number})"
    if effect and result.why != "died":
        oracle.violate("I13", f"it was killed, and says {result.why}")
    oracle.after_kill()
    clean = [telling.run() for _ in range(2)][-1]
    oracle.settled(clean.exit, clean.why)
    if kind != Kind.READ.value:
        telling.rest()
        oracle.at_rest(telling.known)
    oracle.audited()
    return effect, oracle


def every_kill(stand: Stand, folder: Path, *, most: int | None = None) -> Iterator[tuple[str, str, list[str]]]:
    """Every story of this shape with a kill at every boundary: the story, where it was killed, and what was found."""
    numbers = count(1)
    for name, story in STORIES.items():
        if not story.shapes(stand):
            continue
        for when in ("before", "after"):
            for number in count(1):
                unique = next(numbers)
                world = World(stand, folder / str(unique), f"b{unique}")
                effect, oracle = one_kill(world, story, number, "before" if when == "before" else "after")
                if not effect or (most is not None and number > most):
                    yield name, "", oracle.violations
                    break
                yield name, f"{when} {effect}", [f"{name}: {each}" for each in oracle.violations]
