"""The destination contract: a place where consumers read. A store is one too.

The laws of the target contract hold here as well: construction is pure, calls are repeatable, no secret in any message, `close` after
any exception. A place that is missing by configuration (a mount, a region, a directory) is `Denied`, never "empty".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Generic, TypeVar

from rotator.errors import Conflict, Corrupt, Denied, Foreign, PortError, Refused, Unreachable
from rotator.model import Finding, Level, Place, Proof, Secret
from rotator.settings import SecretRef, Settings
from rotator.target import Runtime

__all__ = [
    "Attested", "Conflict", "Corrupt", "Denied", "Destination", "Finding", "Foreign", "Level", "Place", "PortError", "Proof", "Refused",
    "Runtime", "Secret", "SecretRef", "Settings", "Unreachable",
]  # fmt: skip

S = TypeVar("S", bound=Settings)


class Destination(ABC, Generic[S]):
    """One configured place; the same instance serves all that a run publishes there."""

    settings: ClassVar[type[Settings]]
    """The model of its entry in `rotator.yaml`, less `type` and `allow`."""
    proof: ClassVar[Proof] = Proof.READBACK
    """What it can show of what consumers get."""
    staleness: ClassVar[float] = 0.0
    """Seconds for which a consumer may go on reading the old value after it was replaced."""
    by_path: ClassVar[bool] = False
    """Whether each `path` in it is a place of its own. If not (an env file), `keys:` must be written, as names of variables, and no
    two specs write the same key."""

    def __init__(self, settings: S, runtime: Runtime) -> None:
        self.config, self.runtime = settings, runtime

    @abstractmethod
    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """Show consumers these values as one unit; siblings stay untouched. Twice equals once.

        A place that can hold `generation` refuses (`Refused`) one lower than what it holds: a late writer does not win.
        """

    @abstractmethod
    def published(self, place: Place) -> Mapping[str, Secret]:
        """(reads) The fields that we write there, as a consumer would get them; empty where none of them is there."""

    def check(self) -> list[Finding]:
        """(reads) What an operator should know before the first publish: all findings."""
        return []

    def close(self) -> None:
        """Drop connections; never raises, may be called twice."""


class Attested(Destination[S]):
    """A place that nobody can read back, such as a secret of a CI system: it says that it took something, and never shows what.

    A schedule must write `accept: attested` for it. A run that published there exits 3 until somebody else says that it was seen: a reload
    that reached `adopted`, or a human (`resolve --seen`).
    """

    proof = Proof.ATTESTED

    @abstractmethod
    def mark(self, place: Place) -> str | None:
        """(reads) What the system tells of the last write there, in words that change with each write, such as its time. None: nothing is
        there. It is kept in the record: another mark than ours is somebody else's write.
        """

    def published(self, place: Place) -> Mapping[str, Secret]:
        """Nobody can: always `Refused`."""
        raise Refused(f"{place.name} shows nobody what it holds")
