"""The audit contract: what an event is, how events are chained, and the port of a ledger.

One frozen `Event` is one JSON line, in UTC. Its fields are an allow-list; nothing derived from a secret is among them, not even a hash.
Events of a spec form one chain: each carries `seq`, the hash before it (`prev`) and its own `hash`, SHA-256 over its canonical JSON
(RFC 8785; our fields are strings, whole numbers and booleans, for which sorted keys without white space are canonical).
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rotator.model import changed
from rotator.record import Head

VERSION = 1
LEDGER_CHAIN = "ledger"
"""The chain of events outside a lease: `get`, idle checks."""


class EventName(StrEnum):
    """Every event there is."""

    STEP = "step"
    """A step of a rotation; `step` says which."""
    RUN_BEGIN = "run.begin"
    RUN_END = "run.end"
    LEASE_TAKEN_OVER = "lease.taken_over"
    """The holder of the lease is dead; this run goes on in its place."""
    CHECK_FAILED = "check.failed"
    CLOCK_SUSPECT = "clock.suspect"
    FOREIGN_CHANGE = "foreign_change"
    """Somebody else's hand changed the target or a place; it is reported, never overwritten."""
    ORPHAN_SUSPECT = "orphan.suspect"
    """A credential that may be ours and may be another's: touched by nobody until `rotator resolve`."""
    OLD_USED = "old.used"
    """The old credential is still in use: its revocation waits."""
    RENAMED = "spec.renamed"
    HELD = "human.hold"
    UNDO_ASKED = "human.undo"
    RESOLVED = "human.resolve"
    COMPROMISED = "human.compromise"
    """A human says that a credential has leaked."""
    SECRET_READ = "secret.read"  # noqa: S105 - the name of an event
    """`rotator get`: who read which secret, when and why."""
    REKEYED = "store.rekeyed"
    """`rotator store rekey`: a store's files are sealed with another key."""
    MOVED = "store.moved"
    """`rotator store move`: the record goes on in another store, and so does its chain of events."""


class Phase(StrEnum):
    """Where an event stands to its side effect."""

    INTENT = "intent"
    """Before the effect, and durable before it."""
    OUTCOME = "outcome"
    """After it."""
    RECORD = "record"
    """Before a write of the record that is the whole step; anchored by that write."""


class Result(StrEnum):
    """How a step ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the audit. Empty strings and Nones are left out of the line."""

    v: int = VERSION
    ts: str
    """UTC, RFC 3339, milliseconds."""
    event: EventName
    chain: str
    seq: int = 0
    prev: str = ""
    hash: str = ""
    phase: Phase | None = None
    step: str | None = None
    effect: str | None = None
    """The one side effect of the step that is meant, where a step has several."""
    outcome: Result | None = None
    reason: str | None = None
    spec: str | None = None
    environment: str | None = None
    target: str | None = None
    """Type and endpoint."""
    principal: str | None = None
    place: str | None = None
    store_path: str | None = None
    rotation: str | None = None
    run: str | None = None
    attempt: int | None = None
    credential: str | None = None
    """A public id: a user or key id."""
    duration_ms: int | None = None
    actor: str | None = None
    trigger: str | None = None
    """daemon, cron, ci, manual or leak."""
    plugin: str | None = None
    plugin_version: str | None = None
    config_sha256: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_code: str | None = None

    def line(self) -> str:
        """The event as canonical JSON, its hash included."""
        return canonical(self.document())

    def document(self) -> dict[str, Any]:
        """The event as a JSON object."""
        return {name: value for name, value in vars(self).items() if value is not None and value != ""}


def canonical(document: dict[str, Any]) -> str:
    """Canonical JSON (RFC 8785) of an object of strings, whole numbers and booleans."""
    return _CANONICAL(document)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def digest(document: dict[str, Any]) -> str:
    """The hash of an event's document: over everything in it but the hash itself."""
    return _hashed({name: value for name, value in document.items() if name != "hash"})


def _hashed(bare: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(bare).encode()).hexdigest()


def link(events: Iterable[Event], head: Head | None) -> tuple[list[Event], Head | None]:
    """The events, chained on to `head`, and the new head."""
    linked = []
    for event in events:
        seq, prev = (head.seq + 1, head.hash) if head else (1, "")
        document = event.document()
        document |= {"seq": seq, "prev": prev} if prev else {"seq": seq}
        hash = _hashed(document)
        head = Head(seq, hash)
        linked.append(changed(event, seq=seq, prev=prev, hash=hash))
    return linked, head


@dataclass(frozen=True)
class Row:
    """One row of a ledger, as it was written: the line is the truth, `row` its place in the ledger."""

    row: int
    chain: str
    line: str
    columns: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What the ledger repeats of the line to search by: never believed, and `verify` compares it."""


class Ledger(ABC):
    """Where events are kept. Append-only; what is appended is durable when `append` returns."""

    @abstractmethod
    def append(self, events: Sequence[Event]) -> None:
        """Write and sync these linked events, all or none. `LedgerFailed` where that cannot be done."""

    @abstractmethod
    def append_loose(self, event: Event) -> None:
        """Write and sync one event outside a lease: it is linked to the ledger's own chain in here."""

    @abstractmethod
    def rows(self, chain: str | None = None) -> Iterator[Row]:
        """All rows in their order, of one chain or of all."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it; may be called twice."""
