"""What goes astray: drawn from a seed, made shorter where it breaks a law."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from rotator.testing.faults import Fault
from rotator.testing.lab import SHAPES

WAITS = (0.0, 30.0, 400.0, 1_100.0, 1_900.0, 10_100.0)
FAULTS = [each for each in Fault if each is not Fault.LATE]
"""What arrives late has its own histories; here a human may have undone what it was sent for."""
PLACES = frozenset({"env", "local"})
WITHIN = ("current's password", "other's password", "a key more", "a key less", "place back", "place empty")
"""What strangers do, between two runs or within one."""
WORLD = (*WITHIN, "record back", "store back", "record lost")
"""And backups: between two runs, for a run is refused by its revision the store that is not as it was."""
RUNS = (
    *("run", "run", "run", "named", "named", "forced", "undo", "hold", "hold", "leaked current", "leaked previous", "leaked pending"),
    *("adopt", "adopt", "adopt new", "overwrite", "accept", "revoke", "two"),
)
LIFETIMES = (9_000.0, 12_000.0, 30_000.0, 200_000.0)
"""Seconds: less than a slot, a little more, some of them, and more than there is."""
TRIES = 23
"""Commands of an operator who looks for the way out."""


@dataclass(frozen=True)
class Turn:
    """After so many seconds, one thing. `pick` chooses among what there is then; `within`: at this effect of the run, something else."""

    after: float
    act: str
    pick: int
    faults: tuple[tuple[int, Fault], ...] = ()
    within: tuple[int, str] | None = None


@dataclass(frozen=True)
class Astray:
    """What happens to one spec."""

    shape: str
    fences: bool
    turns: tuple[Turn, ...]
    attested: bool = False
    """Nobody can read the place."""
    lifetime: float = 0.0
    """Seconds after which what is minted dies by itself; 0: it does not."""


def draw(rng: random.Random, most: int = 7) -> Astray:
    """A random one."""
    shape, fences, turns = rng.choice(sorted(SHAPES)), rng.random() < 0.5, tuple(_turn(rng) for _ in range(rng.randint(3, most)))
    attested = rng.random() < 0.2
    begun = (*_held(rng), *turns) if rng.random() < 0.2 else turns
    expires = shape.startswith("issue") and rng.random() < 0.4
    return Astray(shape, fences, begun, attested, rng.choice(LIFETIMES) if expires else 0.0)


def _held(rng: random.Random) -> tuple[Turn, ...]:
    """How a fifth begins: the old one is held, somebody else changes the new one, and a human adopts what works; the second one stays."""
    acts = (("run", 0), ("hold", 1), ("current's password", 1), ("adopt", rng.choice((4, 24))))
    return tuple(Turn(30.0, act, pick) for act, pick in acts)


def _turn(rng: random.Random) -> Turn:
    act = rng.choice(RUNS if rng.random() < 0.65 else WORLD)
    faults = tuple((rng.randint(1, 40), rng.choice(FAULTS)) for _ in range(rng.choice([0, 0, 1, 1, 2])))
    within = (rng.randint(1, 40), rng.choice(WITHIN)) if rng.random() < 0.15 else None
    return Turn(rng.choice(WAITS), act, rng.randint(0, 1_000_000), faults, within)


def less(history: Astray) -> list[Astray]:
    """The same with one turn, or one thing of a turn, fewer."""
    turns = history.turns
    fewer = [replace(history, turns=(*turns[:at], *turns[at + 1 :])) for at in range(len(turns)) if len(turns) > 1]
    for at, each in enumerate(turns):
        plain = [replace(each, within=None)] if each.within else []
        plain += [replace(each, faults=(*each.faults[:drop], *each.faults[drop + 1 :])) for drop in range(len(each.faults))]
        fewer += [replace(history, turns=(*turns[:at], less, *turns[at + 1 :])) for less in plain]
    return fewer
