"""The reload contract: how consumers are told that a new version is there.

The laws of the target contract hold here as well: construction is pure, calls are repeatable, no secret in any message, `close` after
any exception, a call ends within its time. What is missing by configuration (a program, a user, a file of certificates) is `Denied`. A
reload is told the names of things, never a secret: consumers read the new credential where they always read it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from rotator.errors import Denied, PortError, Refused, Unreachable
from rotator.model import Finding, Level, Reached, Secret
from rotator.settings import SecretRef, Settings
from rotator.target import Runtime

__all__ = [
    "Denied", "Finding", "Level", "PortError", "Reached", "Refused", "Reload", "Runtime", "Secret", "SecretRef", "Settings", "Unreachable",
]  # fmt: skip

S = TypeVar("S", bound=Settings)


class Reload(ABC, Generic[S]):
    """One configured way to tell consumers; the same instance serves all that a run tells there."""

    settings: ClassVar[type[Settings]]
    """The model of its entry in `rotator.yaml`, less `type` and `allow`."""
    reaches: ClassVar[Reached]
    """The highest level that this type can show."""

    def __init__(self, settings: S, runtime: Runtime) -> None:
        self.config, self.runtime = settings, runtime

    @classmethod
    def most(cls, settings: S) -> Reached:  # noqa: ARG003 - for those whose settings matter
        """The highest level that it can show *with these settings*. Pure. A spec that asks for more is an error at load."""
        return cls.reaches

    @property
    def timeout(self) -> float:
        """Seconds for one call; at most 60. Pure."""
        return self.runtime.timeout

    @abstractmethod
    def tell(self, name: str, version: str) -> Reached:
        """Tell consumers of the rotation `name` that `version`, the id of its current version, is in all places; returns the level reached.

        May be called twice for a version, and again for an earlier one after an undo. Reaching less than the spec asks is no error: the
        engine keeps the reload open and tells it again at the next run. `Denied`: what it needs is missing or forbidden; `Refused`: the
        other side will not; `Unreachable`: no answer, it may have been told.
        """

    def check(self) -> list[Finding]:
        """(reads) What an operator should know before the first use: all findings. Tells nobody."""
        return []

    def close(self) -> None:
        """Drop connections; never raises, may be called twice."""
