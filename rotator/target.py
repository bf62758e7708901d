"""The target contract: all that a plugin author must read.

A plugin touches its target and nothing else: no store, no audit, no file, no environment, no choice of secret, no clock of its own.
Constructing one is pure: no I/O, no driver import (`validate` builds it to ask the properties). One instance serves one run in one
thread: keep the admin login in `self`, made on first use. After *any* exception the core calls `close` before the next call, so a
broken connection needs no code of yours. Each law is a conformance test: any call twice equals once (but `issue`); a call relies on
nothing that an earlier one left in `self`; methods marked (reads) change nothing; what is already gone is success; no secret in any
message or in what an exception carries; a call ends within `runtime.timeout` (the core interrupts it a little later and takes that
as `Unreachable`). No retries in here and none in the driver. Whatever you raise that is no `PortError` is taken as `Unreachable`,
and only its type is shown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from rotator.errors import Conflict, Denied, Foreign, PortError, Refused, Rejected, Unfit, Unreachable
from rotator.model import Can, Credential, Finding, Level, Secret, Settle
from rotator.settings import (
    Duration,
    EnvRef,
    FileRef,
    LocalPath,
    SecretRef,
    ServerSettings,
    ServerTls,
    ServiceUrl,
    Settings,
    SettleSettings,
    StoreRef,
    is_loopback,
)

__all__ = [
    "Can", "Conflict", "Credential", "Denied", "Duration", "EnvRef", "FileRef", "Finding", "Foreign", "IssueTarget", "Level", "Live",
    "LocalPath", "PortError", "Refused", "Rejected", "Runtime", "Secret", "SecretRef", "ServerSettings", "ServerTls", "ServiceUrl",
    "SetTarget", "Settings", "Settle", "SettleSettings", "StoreRef", "SwapTarget", "Target", "Unfit", "Unreachable", "is_loopback",
]  # fmt: skip

C = TypeVar("C", bound=Settings)
"""Connection settings: the machine owner's, from rotator.yaml."""
T = TypeVar("T", bound=Settings)
"""Target settings: the team's, from schedules/*.yaml."""


@dataclass(frozen=True)
class Runtime:
    """What the core lends a plugin for one run."""

    reveal: Callable[[EnvRef | FileRef | StoreRef], Secret]
    """Reads a secret reference, at the moment of use. Raises `BadInput` where it cannot be read."""
    now: Callable[[], datetime]
    """The wall clock, UTC."""
    timeout: float = 10.0
    """Seconds for one call, the same for the whole run."""
    fence: int = 0
    """The record's `seq` when this call is made: later calls, of this run and of later ones, carry a higher one. A plugin that `can.fences`
    raises `Conflict` where the target holds a higher one."""


class Target(ABC, Generic[C, T]):
    """What all three families share. Derive from `SetTarget`, `IssueTarget` or `SwapTarget`."""

    connection_type: ClassVar[str]
    """The connection's type: its settings model is the entry point of this name in `rotator.connections`."""
    settings: ClassVar[type[Settings]]
    """The model of `target:` in a schedule, less `type` and `connection`."""
    fields: ClassVar[tuple[str, str]]
    """Names of the public and of the secret part: what adopt reads, `get --field` prints, `keys:` maps and stores write."""

    def __init__(self, connection: C, config: T, runtime: Runtime) -> None:
        self.connection, self.config, self.runtime = connection, config, runtime

    @property
    @abstractmethod
    def can(self) -> Can:
        """What this target can do with these settings. Pure."""

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """`host:port` or a URL without user info, normalised: for the audit, and to see that two connections are one place. Pure."""

    @property
    @abstractmethod
    def principals(self) -> Sequence[str]:
        """All names a run may touch, in the target's words. Unique per endpoint; two for an alternating target. Pure."""

    @property
    def admin(self) -> str | None:
        """The admin's name in the same words, where settings tell: it may not be one of `principals`. Pure."""
        return None

    @abstractmethod
    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:
        """(reads) Every privilege that later calls need, a free slot, strangers: all findings, not the first.

        `known`: current, pending, previous, and tombstones; of a Set target not those that were tried and are dead. `accepted`: ids of
        others that a human accepted. Admin login refused: `Denied`.
        """

    @abstractmethod
    def verify(self, credential: Credential) -> str:
        """(reads) One fresh login with it, the way consumers do, nothing cached; returns who the target says it is.

        A no is `Rejected`; let in but unfit is `Unfit`; neither yes nor no is `Unreachable`.
        """

    def control(self, credential: Credential) -> str:
        """(reads) As `verify`, where what is asked is the target: does it still tell a yes from a no, just before and after a dead probe?

        May use what this instance derived from the same secret when it set it; never anything that an earlier login answered.
        """
        return self.verify(credential)

    def confirm_dead(self, credential: Credential) -> str:
        """(reads) Evidence of the target's no, or `Unfit` if it lives. The core logs in with current just before and after, as control."""
        try:
            who = self.verify(credential)
        except Rejected as no:
            return f"{no.code}: {no.what}" if no.code else no.what
        raise Unfit(f"still works, as {who}")

    def last_used(self, credential: Credential) -> datetime | None:
        """(reads) When it was last used; an open session is now; None: never. Only asked where `can.tells_use`."""
        raise NotImplementedError

    def disable(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Switch off so that `enable` undoes it. Alternating: locked, its password kept. Only where `can.disables`."""
        raise NotImplementedError

    def enable(self, credential: Credential) -> None:
        """Undo `disable`. Only where `can.disables`."""
        raise NotImplementedError

    @abstractmethod
    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Dead for good, with its sessions if settings say so.

        If that cannot be done without hurting one of `keep` (the same user's only password): do nothing. Alternating: the user ends
        locked and without a password; old one refused and user enabled is `Foreign`. Must take a credential without its secret.
        """

    def clock(self) -> datetime | None:
        """(reads) The target's own time, where it tells one."""
        return None

    def close(self) -> None:
        """Drop connections; never raises, may be called twice, the next call reconnects."""


class SetTarget(Target[C, T]):
    """The core chooses the secret: database users, LDAP entries, Redis ACL users.

    Shape: two principals are alternating, `max_live` 2 is overlapping, else in place.
    """

    @abstractmethod
    def apply(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Make this secret work, and let `keep` go on working.

        Alternating: set and unlock in one statement. In place: leave a lock that an operator set. Overlapping: read the set first, a
        stranger in it is `Foreign`; with nothing to keep (a first rotation) this secret becomes the only one. A secret that the target
        will not take is `Refused`.
        """


@dataclass(frozen=True)
class Live:
    """One id that the provider lists. `created` and `last_used` are by the provider's clock."""

    id: str
    created: datetime | None = None
    label: str | None = None
    """As the provider shows it. The core takes one for ours only where the id of a rotation stands in it, as `issue` was given it."""
    enabled: bool = True
    last_used: datetime | None = None


class IssueTarget(Target[C, T]):
    """The provider makes the secret, and several may live: cloud keys, API tokens."""

    @abstractmethod
    def issue(self, label: str) -> Credential:
        """Mint one (with `expires`, if it does), labelled if possible. Never repeated: no retry in here, none in the driver.

        No free slot or a definite no is `Refused` or `Denied`: only where nothing was minted for certain.
        """

    @abstractmethod
    def live(self) -> list[Live]:
        """(reads) All of the principal's, every page, ours or not. Half a list is `Unreachable`."""

    def confirm_dead(self, credential: Credential) -> str:
        """(reads) No longer listed, and (where it may be tried) refused."""
        if self.can.lists and credential.name in {each.id for each in self.live()}:
            raise Unfit("still listed")
        if self.can.dead_probes == 0 or credential.secret is None:
            return "no longer listed"
        return super().confirm_dead(credential)


class SwapTarget(IssueTarget[C, T]):
    """`issue` kills the old one as it mints the new: the core would order the steps otherwise and never call it twice.

    `rotator.testing.swap_contract` has its laws. Not supported by the engine yet: a spec that names one is refused at load.
    """
