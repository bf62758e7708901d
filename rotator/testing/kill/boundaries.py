"""Kills at every boundary of a run: before and after each of its effects.

A run that nobody kills is watched first. It tells every moment at which it could be killed, and what every file of its world was then.
A moment is left out where it is the one before it once more: in between there was nothing but a read, and no byte of any file has
changed, so a kill there leaves the same world behind. A login at a provider that notes them is no such read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from rotator.errors import Exit
from rotator.rotate import Kind
from rotator.testing.kill.oracle import Oracle
from rotator.testing.kill.stories import STORIES
from rotator.testing.kill.telling import Story, Telling
from rotator.testing.kill.worker import Kill, Point
from rotator.testing.stands import Stand, World

TRACES = ("login", "confirm dead")
"""Reads that a provider may note."""
TRIES = 2
"""So often a kill is tried whose effect did not come: on a busy machine a run may go another way."""

NUMBERS = count(1)
"""Of the worlds of this process."""


@dataclass
class Told:
    """What came of one story."""

    moments: int = 0
    """At which the run could be killed."""
    kills: int = 0
    violations: list[str] = field(default_factory=list)


def census(world: World, story: Story) -> tuple[list[Point], Oracle]:
    """The story with nobody killed: every moment of its run."""
    telling, note = Telling(world, story), world.folder.parent / f"{world.folder.name}.census"
    telling.prepare()
    oracle = Oracle(world, by_hand=telling.by_hand)
    oracle.about = "no kill"
    result = telling.the_run(census=(world.folder, note))
    if result.exit is not Exit.DONE and not story.overtaken:
        oracle.violate("I6", f"a run that nobody kills says {result.why}: {result.message}")
    _judge(telling, oracle)
    return [Point(**json.loads(line)) for line in note.read_text().splitlines()], oracle


def different(points: list[Point], *, traces: bool) -> Iterator[Point]:
    """Less those that are the one before once more."""
    before: Point | None = None
    for each in points:
        quiet = each.when == "before" or (each.kind == Kind.READ.value and not (traces and each.name in TRACES))
        if before is None or not quiet or each.files != before.files:
            yield each
        before = each


def one_kill(world: World, story: Story, point: Point) -> tuple[str, Oracle]:
    """One history, told to its end; the effect at which it was killed, empty: the run did not come to it."""
    telling, note = Telling(world, story), world.folder.parent / f"{world.folder.name}.note"
    telling.prepare()
    oracle = Oracle(world, by_hand=telling.by_hand)
    result = telling.the_run(kill=Kill(point.number, point.when, note=str(note)))
    effect = note.read_text() if note.exists() else ""
    oracle.about = f"{point.when} {effect or point.name} ({point.number})"
    if effect and result.why != "died":
        oracle.violate("I13", f"it was killed, and says {result.why}")
    _judge(telling, oracle)
    return effect, oracle


def _judge(telling: Telling, oracle: Oracle) -> None:
    oracle.after_kill()
    telling.heal(oracle)
    telling.rest(oracle)
    oracle.audited()


class Worlds:
    """Makes worlds, each with a principal of its own, and removes their files."""

    def __init__(self, stand: Stand, folder: Path) -> None:
        self.stand, self.folder = stand, folder

    def one_kill(self, story: Story, point: Point) -> tuple[str, Oracle]:
        """One history in a new world."""
        world = self.make()
        try:
            return one_kill(world, story, point)
        finally:
            shutil.rmtree(world.folder)

    def make(self) -> World:
        """A new one."""
        number = next(NUMBERS)
        return World(self.stand, self.folder / str(number), f"b{number}")


def every_kill(stand: Stand, folder: Path, story: Story, *, most: int | None = None, all_moments: bool = False) -> Told:
    """The story with a kill at each of its moments; `most`: at so many of them, spread evenly."""
    worlds = Worlds(stand, folder)
    points, oracle = census(worlds.make(), story)
    told = Told(len(points), violations=oracle.violations)
    chosen = points if all_moments else list(different(points, traces=stand.mints))
    for point in chosen[:: max(1, len(chosen) // most)][:most] if most else chosen:
        for left in reversed(range(TRIES)):
            effect, oracle = worlds.one_kill(story, point)
            told.violations += oracle.violations
            if effect == point.name:
                break
            if not left and not effect:
                told.violations.append(f"{oracle.about}: the run did not come to it")
        told.kills += bool(effect)
    return told


def stories_of(stand: type[Stand]) -> list[str]:
    """Those that this shape can tell."""
    return [name for name, story in STORIES.items() if story.shapes(stand)]  # type: ignore[arg-type]  # they ask for class variables
