"""A spec while it is checked: what was written, what its target says of itself, and what follows from both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rotator.load import shapes
from rotator.load.config import Config, Connection, Policy
from rotator.load.yaml import Block
from rotator.model import Can, Reached, Shape
from rotator.schedule import Cron, Every
from rotator.settings import Settings
from rotator.spec import PasswordPolicy

Where = tuple[str | int, ...]
Wrong = Iterator[tuple[Where, str]]
"""Keys inside the spec, and what is wrong there."""


@dataclass(frozen=True)
class Facts:
    """What a target says of itself with these settings."""

    type: str
    settings: Settings
    fields: tuple[str, str]
    shape: Shape
    can: Can
    endpoint: str
    principals: tuple[str, ...]
    admin: str | None
    lifetime: float | None


@dataclass
class Draft:
    """One spec on its way. Seconds."""

    name: str
    file: str
    """The schedule's name in its directory, as `allow.schedules` means it."""
    block: Block
    config: Config
    written: shapes.Rotation
    defaults: shapes.Defaults
    connection: Connection
    store: Connection
    path: str
    policy: Policy
    facts: Facts
    when: Every | Cron
    store_class: Any
    places: list[tuple[shapes.Publish, Connection, Any]]
    """What is published where: the entry, and the class of the destination."""
    reloads: list[tuple[shapes.ReloadWish, Connection, Reached]]
    """Who is told: the entry, and the level that it reaches at most."""

    @property
    def grace(self) -> float:
        """Its own, the file's, the policy's, or none."""
        return self._time("grace")

    @property
    def soak(self) -> float:
        """As `grace`."""
        return self._time("soak")

    def _time(self, name: str) -> float:
        for shape in (self.written, self.defaults):
            value = getattr(shape, name)
            if value is not None:
                return float(value.total_seconds())
        return float(getattr(self.policy, name) or 0.0)

    @property
    def password(self) -> PasswordPolicy:
        """Its own, the policy's, or the usual one."""
        own, bound = self.written.password, self.policy.password or PasswordPolicy()
        if own is None:
            return bound
        return PasswordPolicy(bound.length if own.length is None else own.length, bound.alphabet if own.alphabet is None else own.alphabet)

    @property
    def staleness(self) -> float:
        """Seconds for which a consumer may go on reading the old value."""
        return float(max([self.store_class.staleness, *(cls.staleness for _, _, cls in self.places)]))
