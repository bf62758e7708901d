"""What a configuration is, once it is read and checked: frozen, picklable, and without a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rotator.load.globs import matches
from rotator.load.problems import Problem
from rotator.settings import Settings
from rotator.spec import Named, PasswordPolicy, RotationSpec


@dataclass(frozen=True)
class Allow:
    """Who may ask for what. None: anybody, anything."""

    schedules: tuple[str, ...] | None = None
    principals: tuple[str, ...] | None = None
    stores: tuple[str, ...] | None = None

    def schedule(self, file: str) -> bool:
        """Whether the specs of this schedule file may; `file` is its name in the schedules directory."""
        return matches(self.schedules, file)

    def principal(self, name: str) -> bool:
        """Whether this principal may be rotated."""
        return matches(self.principals, name)

    def store(self, name: str, path: str) -> bool:
        """Whether its credential may be kept at this path of this store."""
        return matches(self.stores, f"{name}:{path}")


@dataclass(frozen=True)
class Connection:
    """One entry of the owner's: a connection, a store, a destination or a reload. `allow` is None where nothing is said."""

    name: str
    type: str
    settings: Settings
    allow: Allow | None = None
    line: int = 0

    @property
    def named(self) -> Named:
        """As a spec refers to it."""
        return Named(self.type, self.name, self.settings)


@dataclass(frozen=True)
class Policy:
    """Seconds. `max_age`, `max_grace` and `password` bind the specs under it; the others are their defaults."""

    name: str
    max_age: float | None = None
    max_grace: float | None = None
    every: float | None = None
    grace: float | None = None
    soak: float | None = None
    password: PasswordPolicy | None = None


@dataclass(frozen=True)
class Config:
    """`rotator.yaml`. `sha256` is over it and all schedule files, as they were read."""

    file: str
    root: Path
    """The directory that relative paths start from."""
    environment: str
    connections: Mapping[str, Connection]
    stores: Mapping[str, Connection]
    destinations: Mapping[str, Connection]
    policies: Mapping[str, Policy]
    ledger_url: str
    plugins_allow: tuple[str, ...] | None
    runs: int
    per_connection: int
    state: Path
    call_timeout: float = 10.0
    """Seconds for one call of a plugin."""
    sha256: str = ""
    reloads: Mapping[str, Connection] = field(default_factory=dict)

    def only(self, spec: RotationSpec) -> Config:
        """The same, less the entries that this spec does not use: what a worker needs to unpickle and import."""
        used = {each.by.name for each in spec.places}
        name = spec.connection.name
        return replace(
            self,
            connections={name: self.connections[name]} if name in self.connections else {},
            destinations={each: self.destinations[each] for each in self.destinations if each in used},
            reloads={each.name: self.reloads[each.name] for each in spec.reloads},
            policies={},
        )


@dataclass(frozen=True)
class Loaded:
    """All that was read. `problems` is empty but for `load_lenient`, which leaves out the specs in `left_out`."""

    config: Config
    specs: tuple[RotationSpec, ...]
    warnings: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    left_out: tuple[str, ...] = ()
    files: tuple[str, ...] = field(default=(), repr=False)
    """The files that were read, for `refuse_unready`."""

    def spec(self, name: str) -> RotationSpec | None:
        """The spec of this name."""
        return next((each for each in self.specs if each.name == name), None)
