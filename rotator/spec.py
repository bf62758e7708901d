"""A spec: one item under `rotations:` in a schedule file, checked and immutable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Protocol

from rotator.model import Can, Place, Shape
from rotator.record import Identity
from rotator.settings import Settings

DEFAULT_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-"


class When(Protocol):
    """When a spec is due. Pure. Slots are seconds since the epoch, UTC, and never fall."""

    def slot(self, last_slot: float, now: float) -> float | None:
        """The newest slot that is due, if it is later than `last_slot`; missed slots coalesce into it."""

    def next_slot(self, last_slot: float, now: float) -> float:
        """When the next slot after `last_slot` comes, `now` or earlier if it is due."""


@dataclass(frozen=True)
class PasswordPolicy:
    """What a password looks like (`generate.py`): at least 32 characters and 128 bits, never a leading `-`."""

    length: int = 32
    alphabet: str = DEFAULT_ALPHABET


@dataclass(frozen=True)
class Named:
    """A choice of something of the owner's: its type, its name in `rotator.yaml`, and its settings."""

    type: str
    name: str
    settings: Settings


@dataclass(frozen=True)
class PlaceSpec:
    """A place of a spec: the store's own visible path, or a destination."""

    place: Place
    by: Named
    attested: bool = False
    """Nobody can read it back, and the schedule accepts that."""


@dataclass(frozen=True)
class ReloadSpec:
    """A reload of a spec, and the level it must reach: 1 sent, 2 accepted, 3 adopted."""

    name: str
    level: int


@dataclass(frozen=True, kw_only=True)
class RotationSpec:
    """One spec. Durations are seconds."""

    name: str
    source: str
    """`file:line` of its name."""
    owner: str
    identity: Identity
    shape: Shape
    can: Can
    target: Named
    """The plugin's type, its settings (`settings`), and the name of the connection (`name`)."""
    connection: Named
    store: Named
    path: str
    """Of its record in the store."""
    places: tuple[PlaceSpec, ...]
    """The store's own place first."""
    when: When
    reloads: tuple[ReloadSpec, ...] = ()
    grace: float = 0.0
    soak: float = 0.0
    max_age: float | None = None
    lifetime: float | None = None
    """How long an issued credential lives by itself, where the provider limits it and says so at load."""
    password: PasswordPolicy = PasswordPolicy()
    retire: bool = False
    check_every: float = 86400.0
    backoff_least: float = 0.0
    """Where the store counts writes, a failed run waits at least an hour."""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_place(self) -> bool:
        """One user with one secret."""
        return self.shape is Shape.IN_PLACE

    @property
    def is_set(self) -> bool:
        """The core chooses the secret."""
        return self.shape.is_set

    @property
    def principals(self) -> tuple[str, ...]:
        """The users whose secrets are rotated, in the target's words."""
        return self.identity.principals

    @cached_property
    def chain(self) -> str:
        """The name of its audit chain: it outlives a renaming of the spec."""
        return f"{self.store.name}:{self.path}"

    def in_store(self, store: Named) -> RotationSpec:
        """The same, with its record and its own place at the same path of another store."""
        return replace(self, store=store, places=(PlaceSpec(Place(store.name, self.path), store), *self.places[1:]))

    @cached_property
    def ours(self) -> re.Pattern[str]:
        """What the label of a key of ours holds (`label`). Another installation has another tag, and whoever else writes ids has none."""
        return re.compile(re.escape(self.label("")) + "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

    def label(self, id: str) -> str:
        """The label of a rotation's key: a tag that is the same as long as environment and path are, and the rotation's id."""
        return f"{sha256(f'{self.identity.environment}:{self.path}'.encode()).hexdigest()[:8]}-{id}"

    @cached_property
    def attested(self) -> frozenset[str]:
        """Names of the places that nobody can read back."""
        return frozenset(each.place.name for each in self.places if each.attested)

    @cached_property
    def place_names(self) -> tuple[str, ...]:
        """Names of all places, the store's own first."""
        return tuple(each.place.name for each in self.places)
