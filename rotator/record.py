"""The record of a spec: one document, replaced by compare-and-set, and all that recovery needs.

Times are seconds since the epoch, UTC. A version's id is the id of the rotation that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rotator.errors import Corrupt
from rotator.model import Credential, Secret, changed

FORMAT = 1
WRITES_KEPT = 16
TOMBSTONES_KEPT = 16


@dataclass(frozen=True)
class Head:
    """The last event of the spec's audit chain when the record was written."""

    seq: int
    hash: str


@dataclass(frozen=True)
class Identity:
    """What the record is about. Another one in the spec is never rotated until a human adopts anew."""

    environment: str
    type: str
    endpoint: str
    principals: tuple[str, ...]


@dataclass(frozen=True)
class Lease:
    """Who works on this spec. `home` tells a dead holder on this machine from one elsewhere."""

    run: str
    until: float
    home: str


@dataclass(frozen=True, eq=False)
class Version:
    """The current credential."""

    id: str
    credential: Credential
    created: float


@dataclass(frozen=True)
class Failure:
    """Why pending is to be taken back. `acked`: APPLY was answered in the run in which VERIFY was refused."""

    reason: str
    acked: bool = False


@dataclass(frozen=True, eq=False)
class Pending:
    """The next credential, on its way. Issue: without a credential until it is minted."""

    id: str
    slot: float
    credential: Credential | None = None
    reserved: frozenset[str] | None = None
    mint_until: float | None = None
    failed: Failure | None = None


@dataclass(frozen=True, eq=False)
class Previous:
    """The one before current: alive through its grace, then disabled, revoked, proven dead."""

    id: str
    credential: Credential
    created: float
    probed: float | None = None
    disable_intent: float | None = None
    disabled_at: float | None = None
    revoke_intent: float | None = None
    revoked: bool = False
    orphan: bool | None = None
    """Found by its label alone: nobody knows whether consumers hold it."""


@dataclass(frozen=True, eq=False)
class Tombstone:
    """A credential that left `pending` or `previous`: every run makes sure that it is dead, until `until`."""

    id: str
    credential: Credential
    until: float


@dataclass(frozen=True)
class Hold:
    """A human keeps the old credential alive until `until`."""

    by: str
    why: str
    until: float


@dataclass(frozen=True)
class Reload:
    """The level (1 sent, 2 accepted, 3 adopted) that a reload reached, and for which version."""

    version: str
    level: int


@dataclass(frozen=True)
class Mark:
    """Of a place that nobody can read back: what it told of our last write, and the version that somebody says was seen there."""

    told: str = ""
    """Empty: nothing stood there when we came."""
    seen: str | None = None
    writing: str | None = None
    """The version that we are about to write there: what it tells meanwhile may be that."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """Everything known of a spec. `revision` is the store's and no part of the document."""

    revision: Any = None
    format: int = FORMAT
    seq: int = 0
    at: float = 0.0
    writes: tuple[str, ...] = ()
    audit_head: Head | None = None
    name: str | None = None
    identity: Identity | None = None
    lease: Lease | None = None
    last_slot: float = -1.0
    generation: int = 0
    asked: bool = False
    attempts: int = 0
    not_before: float | None = None
    current: Version | None = None
    pending: Pending | None = None
    previous: Previous | None = None
    revoke_after: float | None = None
    places: Mapping[str, str | None] = field(default_factory=dict)
    reloads: Mapping[str, Reload] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)
    doomed: tuple[str, ...] = ()
    base: frozenset[str] = frozenset()
    tombstones: tuple[Tombstone, ...] = ()
    hold: Hold | None = None
    compromised: frozenset[str] = frozenset()
    elsewhere: str | None = None
    """`STORE:PATH` of the record that counts: this one was moved there, or is on its way here and not proven yet."""

    def but(self, **changes: Any) -> Record:
        """The same record with some fields changed."""
        return changed(self, **changes)

    def version_of(self, id: str) -> Credential | None:
        """The credential of a version that the record still knows."""
        for each in (self.current, self.pending, self.previous, *self.tombstones):
            if each and each.id == id:
                return each.credential
        return None

    def known(self) -> list[Credential]:
        """Every credential that the record knows: current, pending, previous, tombstones."""
        return [*self.versions(), *(each.credential for each in self.tombstones)]

    def versions(self) -> list[Credential]:
        """Those that are not dead yet: current, pending, previous. The id of a dead one may be another's by now."""
        return [each.credential for each in (self.current, self.pending, self.previous) if each and each.credential]


# ---- the document: the record as JSON, secrets in clear, for a store to encrypt or to keep under its own access rules


def to_document(record: Record) -> dict[str, Any]:
    """The record as a JSON object. It holds secrets in clear: it goes into a store and nowhere else."""
    return {name: _out(value) for name, value in vars(record).items() if value is not None and name != "revision"}


def from_document(document: Mapping[str, Any], revision: Any) -> Record:
    """The record that `to_document` wrote. Of a newer format only `format` and `name` are read. `Corrupt` where it is no record."""
    try:
        if document["format"] > FORMAT:
            return Record(revision=revision, format=document["format"], name=document.get("name"))
        return Record(revision=revision, **{name: _READERS.get(name, _same)(value) for name, value in document.items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Corrupt(f"this is no record of format {FORMAT} ({type(error).__name__})") from None


def _same(value: Any) -> Any:
    return value


def _out(value: Any) -> Any:
    if isinstance(value, str | float | int | None):
        return value
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_out(each) for each in value]
    parts = value if isinstance(value, Mapping) else vars(value)
    return {name: _out(each) for name, each in parts.items() if each is not None or parts is value}


def _credential(value: Mapping[str, Any]) -> Credential:
    expires = value.get("expires")
    secret = value.get("secret")
    return Credential(
        name=value["name"],
        secret=None if secret is None else Secret(secret),
        public=dict(value.get("public", {})),
        expires=None if expires is None else datetime.fromtimestamp(expires, UTC),
    )


def _holder(cls: Any) -> Any:
    """A reader for a class with a `credential`."""
    return lambda value: cls(**{**value, "credential": _credential(value["credential"])})


def _pending(value: Mapping[str, Any]) -> Pending:
    credential, reserved, failed = value.get("credential"), value.get("reserved"), value.get("failed")
    return Pending(
        **{
            **value,
            "credential": None if credential is None else _credential(credential),
            "reserved": None if reserved is None else frozenset(reserved),
            "failed": None if failed is None else Failure(**failed),
        }
    )


_READERS: dict[str, Any] = {
    "writes": tuple,
    "audit_head": lambda value: Head(**value),
    "identity": lambda value: Identity(**{**value, "principals": tuple(value["principals"])}),
    "lease": lambda value: Lease(**value),
    "current": _holder(Version),
    "pending": _pending,
    "previous": _holder(Previous),
    "reloads": lambda value: {name: Reload(**each) for name, each in value.items()},
    "marks": lambda value: {name: Mark(**each) for name, each in value.items()},
    "doomed": tuple,
    "base": frozenset,
    "tombstones": lambda value: tuple(_holder(Tombstone)(each) for each in value),
    "hold": lambda value: Hold(**value),
    "compromised": frozenset,
}
