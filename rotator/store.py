"""The store contract: it keeps the record of a spec, and shows consumers its current version.

Records live under a prefix of their own that consumers may not read. A record is replaced only by compare-and-set.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rotator.destination import (
    Conflict,
    Corrupt,
    Denied,
    Destination,
    Finding,
    Foreign,
    Level,
    Place,
    PortError,
    Proof,
    Refused,
    Runtime,
    S,
    Secret,
    SecretRef,
    Settings,
    Unreachable,
)
from rotator.record import Record

__all__ = [
    "Conflict", "Corrupt", "Denied", "Finding", "Foreign", "Level", "Limits", "Place", "PortError", "Proof", "Record", "Refused", "Runtime",
    "S", "Secret", "SecretRef", "Settings", "Store", "Unreachable",
]  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What a store bears."""

    max_bytes: int = 65536
    """The largest document."""
    writes_per_day: int | None = None
    """Record writes of one spec in 24 hours; None: any number. Where it counts, a failed run waits at least an hour."""
    keeps_old_documents: bool = False
    """Replaced records stay readable by those with the right."""


class Store(Destination[S]):
    """One configured store. `path` is `[A-Za-z0-9._-]+` joined by `/`."""

    limits: ClassVar[Limits] = Limits()

    @abstractmethod
    def read(self, path: str) -> Record:
        """The record at `path`, with its `revision`; absent: an empty one, revision None.

        A record of a newer format comes back with its `format` alone. Raises `Corrupt`, `Denied`, `Unreachable`; never takes trouble
        for "empty".
        """

    @abstractmethod
    def write(self, path: str, record: Record) -> Record:
        """Replace the record, if `record.revision` is still the head's; returns it with its new revision. Else `Conflict`.

        An unknown outcome is settled in here: the same bytes against the same revision again, then one read: our id
        (`record.writes[-1]`) is among the head's `writes`: it landed; the head moved: `Conflict`; else `Unreachable`.
        """

    @abstractmethod
    def paths(self) -> list[str]:
        """(reads) The paths of all records."""

    def clock(self) -> datetime | None:
        """(reads) The store's own time, where it tells one."""
        return None
