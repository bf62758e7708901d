"""The nouns of the plan: a step, how it ended, and what a run alone knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rotator.errors import Exit
from rotator.model import changed
from rotator.target import Live

LEASE = 300.0
"""Seconds; never renewed."""
QUARANTINE = 86400.0 + LEASE
"""How long a tombstone is looked after."""
BACKOFF, BACKOFF_MAX = 60.0, 6 * 3600.0
"""After a failed run: BACKOFF x 2^attempts seconds, at most BACKOFF_MAX."""
MINT_TOLERANCE = 5.0
"""Seconds by which the provider's clock may be ahead when an orphan's time of making is compared."""
UNREAD, FOREIGN = "unread", "foreign"
"""What a place shows where it could not be read, and where it shows what is none of ours."""


class Name(StrEnum):
    """The steps. The same names stand in code, docs, dry-run and audit."""

    CHECK = "CHECK"
    CLAIM = "CLAIM"
    ADOPT = "ADOPT"
    STAGE = "STAGE"
    RESERVE = "RESERVE"
    APPLY = "APPLY"
    ISSUE = "ISSUE"
    RECOVER = "RECOVER"
    TAKEBACK = "TAKEBACK"
    VERIFY = "VERIFY"
    PROMOTE = "PROMOTE"
    UNDO = "UNDO"
    PUBLISH = "PUBLISH"
    RELOAD = "RELOAD"
    DISABLE = "DISABLE"
    ENABLE = "ENABLE"
    REVOKE = "REVOKE"
    CONFIRM = "CONFIRM"
    ABORT = "ABORT"
    BURY = "BURY"
    SWEEP = "SWEEP"
    RELEASE = "RELEASE"
    STOP = "STOP"
    """The run ends; `exit` and `why` say how."""
    WAIT = "WAIT"
    """Nothing to do before `what`."""
    REST = "REST"
    """Nothing to do before the next slot."""


@dataclass(frozen=True)
class Step:
    """One step. `what` is what `after` needs of it: a slot, a place, a time, an id; `row` the row of the table that gave it."""

    name: Name
    row: int
    phase: str = ""
    what: Any = None
    exit: Exit | None = None
    why: str = ""

    @property
    def ends(self) -> bool:
        """Whether the run ends here."""
        return self.name in (Name.STOP, Name.WAIT, Name.REST)


@dataclass(frozen=True)
class Outcome:
    """How a step ended. `error` is the name of a port error, or `clock`, `drift`, `suspect`, `used`; `data` what the step found."""

    error: str | None = None
    data: Any = None


OK = Outcome()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What this run alone knows; lost at its end."""

    run: str = ""
    named: bool = False
    forced: bool = False
    undo: bool = False
    """A human asked for it in this run."""
    overwrite: frozenset[str] = frozenset()
    """Places whose foreign value a human gave up in this run."""
    holder_dead: bool = False
    """The lease's home is ours and its lock is free."""
    applied: str | None = None
    verified: str | None = None
    clear: str | None = None
    """The pending whose reservation this run made or recovered."""
    unknown_issues: int = 0
    shows: Mapping[str, str | None] = field(default_factory=dict)
    """Place -> id of the version that it shows, None, UNREAD or FOREIGN."""
    tried: frozenset[str] = frozenset()
    """Places and reloads."""
    alive_tombstones: frozenset[str] = frozenset()
    live: Mapping[str, Live] = field(default_factory=dict)
    """Issue: what the provider lists."""
    intents: frozenset[str] = frozenset()
    """Written by this run."""
    died: frozenset[str] = frozenset()
    """Versions that CHECK saw refused after their own end. The clock alone may be wrong."""
    still_alive: bool = False
    """CONFIRM saw the old one log in."""
    revoked_again: bool = False
    aborted: bool = False

    def but(self, **changes: Any) -> Seen:
        """The same with some fields changed."""
        return changed(self, **changes)
