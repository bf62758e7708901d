"""Shapes of `rotator.yaml` and of a schedule file. What stands in an entry of a plugin's is the plugin's own model."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from rotator.settings import Duration, Settings

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
NAME_WORDS = "a name has 1 to 63 of a-z, 0-9, `.`, `_` and `-`, and begins with a letter or digit"
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}")
STORE_PATH = re.compile(r"[A-Za-z0-9._-]{1,200}(/[A-Za-z0-9._-]{1,200})*")
LONGEST_PATH = 400
LONGEST_TIME = timedelta(days=36500)
LABEL = 63
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _fits(pattern: re.Pattern[str], text: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(text)
        return value

    return AfterValidator(check)


def _version(value: Any) -> Any:
    if value not in ("1", 1):
        raise ValueError("this rotator reads `version: 1`")
    return 1


def _span(value: timedelta) -> timedelta:
    if value > LONGEST_TIME:
        raise ValueError(f"at most {LONGEST_TIME.days}d")
    return value


def _more_than_nothing(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("must be longer than 0s")
    return value


def _path(value: str) -> str:
    if not STORE_PATH.fullmatch(value) or len(value) > LONGEST_PATH:
        raise ValueError("a path in a store is made of letters, digits, `.`, `_` and `-`, joined by `/`, without one at its ends")
    if not {".", ".."}.isdisjoint(value.split("/")):
        raise ValueError("no part of a path in a store is `.` or `..`")
    return value


def _required(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("no event, no side effect: write `[ledger]`, or leave it out")
    return value


def _label(value: str) -> str:
    if len(value) > LABEL or CONTROL.search(value):
        raise ValueError(f"a label has at most {LABEL} characters, on one line")
    return value


Version = Annotated[int, BeforeValidator(_version)]
Span = Annotated[Duration, AfterValidator(_span)]
Positive = Annotated[Span, AfterValidator(_more_than_nothing)]
Name = Annotated[str, _fits(NAME, NAME_WORDS)]
Reference = Annotated[str, Field(min_length=1, max_length=63)]
"""A name that must be found elsewhere: what is wrong with it is said there."""
Key = Annotated[str, _fits(KEY, "a key that consumers read has letters, digits, `_`, `.` and `-`, and begins with a letter or `_`")]
StorePath = Annotated[str, AfterValidator(_path)]
Label = Annotated[str, AfterValidator(_label)]
Owner = Annotated[str, Field(min_length=1, max_length=128), _fits(re.compile(r"[^\x00-\x1f\x7f-\x9f]*"), "an owner is one line of text")]
Globs = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=512)], ...], Field(min_length=1)]


class Password(Settings):
    """What a password must look like: the core makes it."""

    length: int | None = None
    alphabet: str | None = None


class Policy(Settings):
    """`max_age`, `max_grace` and `password` bind; the others are defaults."""

    max_age: Positive | None = None
    max_grace: Span | None = None
    every: Positive | None = None
    grace: Span | None = None
    soak: Span | None = None
    password: Password | None = None


class ConnectionAllow(Settings):
    """Who may ask for what at a connection."""

    schedules: Globs | None = None
    principals: Globs | None = None
    stores: Globs | None = None


class PlaceAllow(Settings):
    """Who may use a store, destination or reload."""

    schedules: Globs | None = None


class Audit(Settings):
    """Where events go."""

    ledger: str | None = None
    required: Annotated[tuple[Literal["ledger"], ...], AfterValidator(_required)] = ("ledger",)


class Plugins(Settings):
    """`allow`: types of targets that may be loaded; left out: any that is installed."""

    allow: tuple[str, ...] | None = None


class Limits(Settings):
    """How many runs at once, and how long one call of a plugin may take."""

    runs: Annotated[int, Field(ge=1, le=256)] = 4
    per_connection: Annotated[int, Field(ge=1, le=256)] = 2
    call_timeout: Annotated[Duration, Field(ge=timedelta(seconds=2), le=timedelta(seconds=60))] = timedelta(seconds=10)


class OwnerFile(Settings):
    """`rotator.yaml`; entries of plugins are read one by one."""

    version: Version
    environment: Name
    connections: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    stores: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    destinations: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    reloads: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    policies: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    audit: Audit = Audit()
    plugins: Plugins = Plugins()
    limits: Limits = Limits()


class When(Settings):
    """Exactly one of `every` and `cron`."""

    every: Positive | None = None
    cron: str | None = None
    timezone: str | None = None

    @model_validator(mode="after")
    def _one(self) -> When:
        if (self.every is None) == (self.cron is None):
            raise ValueError("write exactly one of `every` and `cron`")
        if self.timezone is not None and self.cron is None:
            raise ValueError("`timezone` belongs to `cron`")
        return self


class StoreDefault(Settings):
    """The store of all specs of a file that name none."""

    name: Reference


class StoreChoice(Settings):
    """Where the record and the visible values are kept."""

    name: Reference | None = None
    path: StorePath


class Publish(Settings):
    """A further place. `keys`: what consumers call a field -> the plugin's field. `path`: left out, the one in the store."""

    destination: Reference
    path: StorePath | None = None
    keys: dict[Key, str] = Field(default_factory=dict)
    accept: Literal["attested"] | None = None


class ReloadWish(Settings):
    """Who is told of a new version, and the level that must be reached. A name alone stands for `{name: NAME}`."""

    name: Reference
    ack: Literal["sent", "accepted", "adopted"] | None = None


def _wish(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Defaults(Settings):
    """For all specs of the file that do not say it themselves."""

    owner: Owner | None = None
    policy: Reference | None = None
    store: StoreDefault | None = None
    when: When | None = None
    grace: Span | None = None
    soak: Span | None = None
    labels: dict[Key, Label] = Field(default_factory=dict)


class Rotation(Settings):
    """One spec as it is written."""

    target: dict[str, Any]
    store: StoreChoice
    owner: Owner | None = None
    policy: Reference | None = None
    when: When | None = None
    grace: Span | None = None
    soak: Span | None = None
    publish: tuple[Publish, ...] = ()
    reload: tuple[Annotated[ReloadWish, BeforeValidator(_wish)], ...] = ()
    labels: dict[Key, Label] = Field(default_factory=dict)
    password: Password | None = None
    retire: bool = False
    own: Annotated[bool, Field(alias="self")] = False


class TargetChoice(Settings):
    """What every target says, whatever its type."""

    type: Reference
    connection: Reference


class TeamFile(Settings):
    """A schedule file; its rotations are read one by one."""

    version: Version
    defaults: dict[str, Any] = Field(default_factory=dict)
    rotations: dict[str, Any] = Field(default_factory=dict)


class OwnedEntry(Settings):
    """What every connection, store, destination and reload says, whatever its type."""

    type: Reference
