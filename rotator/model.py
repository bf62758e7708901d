"""The nouns that every part shares: `Secret`, `Credential`, findings, and how late a system's truth may be."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, IntEnum, StrEnum
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


def changed(what: T, **changes: Any) -> T:
    """The same dataclass with some fields changed. As `dataclasses.replace`, for classes without `__post_init__`, in far less time."""
    old = vars(what)
    fields = old | changes
    if len(fields) != len(old):
        raise TypeError(f"{type(what).__name__} has no field {min(changes.keys() - old.keys())}")
    new = object.__new__(type(what))
    object.__setattr__(new, "__dict__", fields)  # past `frozen`
    return new


def _never(what: str) -> TypeError:
    return TypeError(f"a Secret is never {what}; call reveal() where it leaves for the store or the wire")


class Secret:
    """A secret value. It does not pickle, print, format, compare or copy; `reveal` is the one way out, and easy to search for."""

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # not hashable: as Python says it

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself: only to hand it to the store or the wire."""
        return self._value

    def matches(self, other: Secret) -> bool:
        """Whether both hold the same value, in constant time."""
        return hmac.compare_digest(*(each.reveal().encode("utf-8", "surrogatepass") for each in (self, other)))

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __str__(self) -> NoReturn:
        raise _never("text")

    def __format__(self, spec: str) -> NoReturn:
        raise _never("formatted")

    def __eq__(self, other: object) -> NoReturn:
        raise _never("compared with ==, use matches()")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise _never("pickled or copied")


@dataclass(frozen=True, kw_only=True, eq=False)
class Credential:
    """One credential: its name (the user or key id), further public fields, and the secret part.

    `secret` is None where only the id is known (an orphan, a key taken over by `adopt --retire`).
    """

    name: str
    secret: Secret | None
    public: Mapping[str, str] = field(default_factory=dict)
    expires: datetime | None = None

    def expired(self, now: float) -> bool:
        """Whether it has died by itself; `now` in seconds since the epoch."""
        return self.expires is not None and self.expires.timestamp() <= now

    def same(self, other: Credential | None) -> bool:
        """Whether the other has this name and this secret."""
        if other is None or self.name != other.name:
            return False
        if self.secret is None or other.secret is None:
            return self.secret is other.secret
        return self.secret.matches(other.secret)

    def values(self, fields: tuple[str, str]) -> dict[str, Secret]:
        """What consumers are shown: `fields` names the public and the secret part in the plugin's words."""
        if self.secret is None:
            raise ValueError(f"credential {self.name} is known by its id alone")
        public = {key: Secret(value) for key, value in self.public.items()}
        return {fields[0]: Secret(self.name), **public, fields[1]: self.secret}


class Shape(StrEnum):
    """What order of steps is safe for a target; it follows from what its plugin declares."""

    IN_PLACE = "in place"
    """One user, one secret: the old one dies as the new one is set."""
    ALTERNATING = "alternating"
    """Two users take turns; each has one secret."""
    OVERLAPPING = "overlapping"
    """Two secrets of one user work at once."""
    ISSUE = "issue"
    """The provider makes the secret; several live side by side."""
    SWAP = "swap"
    """The provider makes the secret and kills the old one in the same call."""

    @property
    def is_set(self) -> bool:
        """Whether the core chooses the secret."""
        return self in (Shape.IN_PLACE, Shape.ALTERNATING, Shape.OVERLAPPING)

    @property
    def one_user(self) -> bool:
        """Whether current and pending are secrets of the same user."""
        return self in (Shape.IN_PLACE, Shape.OVERLAPPING)


class Level(StrEnum):
    """How bad a finding is: a FAIL of target or store stops a run before it begins anything."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


FINDING_CODES = frozenset(
    "login privilege.missing privilege.unproven principal.missing principal.unequal principal.expired principal.superuser"  # noqa: SIM905 - reads better
    " slot.none stray sessions fitness lockout self clock place.missing place.foreign reload store ok".split()
)
"""Every code that a finding may carry."""


@dataclass(frozen=True)
class Finding:
    """One line of CHECK, as dry-run prints it. `fix` is what an operator can paste."""

    level: Level
    code: str
    text: str
    fix: str | None = None

    def __post_init__(self) -> None:
        if self.code not in FINDING_CODES:
            raise ValueError(f"no finding has the code {self.code!r}; one of {', '.join(sorted(FINDING_CODES))}")


@dataclass(frozen=True)
class Settle:
    """How late a system's truth may be: probe every `every` until `streak` equal answers in a row, at most `within`."""

    within: timedelta = timedelta(0)
    streak: int = 1
    every: timedelta = timedelta(seconds=1)


@dataclass(frozen=True)
class Can:
    """What a target can do *with these settings*. Settings that ask for more are an error at load."""

    max_live: int = 1
    """Secrets of one principal that work at once: 1 in place or alternating, 2 overlapping or IAM; 0: no limit (issue only)."""
    disables: bool = False
    """Has `disable` and `enable`."""
    lists: bool = True
    """`live` tells all ids (issue only)."""
    labels: bool = False
    """`live` shows the label that `issue` gave: an orphan of ours is known for certain."""
    tells_use: bool = False
    """Has `last_used`."""
    sessions_survive: bool = False
    """Open sessions outlive their secret."""
    dead_probes: int | None = None
    """Logins with a dead secret that are harmless. None: any number; 1: it counts failures; 0: never try."""
    fences: bool = False
    """Keeps the highest `runtime.fence` at the target and refuses a lower one, in the transaction of its change."""
    appears: Settle = field(default_factory=Settle)
    """After apply, issue, enable."""
    disappears: Settle = field(default_factory=Settle)
    """After disable, revoke."""


class Proof(Enum):
    """What a place can show of what consumers get."""

    READBACK = "readback"
    """It is read back as a consumer reads it."""
    PROBE = "probe"
    """A consumer in that place reports."""
    ATTESTED = "attested"
    """The place says that it took it; nobody can look. Must be opted in, and is reported as not observed."""


class Reached(IntEnum):
    """How far a reload got; the names are the words of YAML, the record keeps the numbers."""

    sent = 1
    """It was delivered; nobody answered."""
    accepted = 2
    """The other side answered that it took it."""
    adopted = 3
    """A consumer answered that it uses this version."""


@dataclass(frozen=True)
class Place:
    """Anywhere consumers read one spec's credential: the store's own visible path, or a destination.

    `keys` maps the name under which consumers find a field to the plugin's field (`{"API_TOKEN": "secret"}`);
    empty: all fields under the plugin's names.
    """

    name: str
    path: str
    keys: Mapping[str, str] = field(default_factory=dict)

    def values(self, fields: Mapping[str, Secret]) -> dict[str, Secret]:
        """The fields under the names that consumers of this place know."""
        return {key: fields[source] for key, source in self.keys.items()} if self.keys else dict(fields)


def same_values(one: Mapping[str, Secret], other: Mapping[str, Secret]) -> bool:
    """Whether two sets of fields have the same names and the same values."""
    return one.keys() == other.keys() and all(one[key].matches(other[key]) for key in one)


Json = Mapping[str, Any]
"""A JSON object."""
