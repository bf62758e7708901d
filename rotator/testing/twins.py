"""In-memory twins of targets: they implement the real contracts over a `TwinSystem` that stands for the server.

`TwinSet` is in place, alternating or overlapping; `TwinIssue` mints keys. Two instances over one system see one truth.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal

from rotator.target import (
    Can,
    Conflict,
    Credential,
    Finding,
    Foreign,
    IssueTarget,
    Level,
    Live,
    Refused,
    Rejected,
    Runtime,
    Secret,
    SetTarget,
    Settings,
    Settle,
    Unfit,
)


@dataclass
class TwinUser:
    """One user of the system and the secrets that let it in."""

    secrets: list[str] = field(default_factory=list)
    enabled: bool = True


@dataclass
class TwinKey:
    """One issued key."""

    secret: str
    created: float
    label: str | None = None
    enabled: bool = True
    last_used: float | None = None
    expires: float | None = None
    """When it dies by itself, in seconds since the epoch by the server's own clock."""


@dataclass
class TwinSystem:
    """The server behind the twins: its truth, and what tests may do to it."""

    now: Callable[[], float]
    users: dict[str, TwinUser] = field(default_factory=dict)
    keys: dict[str, TwinKey] = field(default_factory=dict)
    duds: set[str] = field(default_factory=set)
    """Secrets that are accepted and then let nobody in."""
    next_is_dud: bool = False
    refuses: bool = False
    """Takes no new secret and mints nothing."""
    fence: int = 0
    limit: int = 0
    lag: float = 0.0
    """Seconds until a new key is listed."""
    minted: int = 0
    expiring: bool = False
    """Something here dies by itself."""
    on_change: Callable[[str], None] = lambda _what: None
    """Called after every change: where an oracle looks."""
    clock: Callable[[], float] | None = None
    """The server's own time, where `now` may be off: what expires asks this one."""
    reuses: bool = False
    """Gives the id of its newest key again once that is gone, as a database does that numbers by the highest row there is."""

    def lets_in(self, name: str, secret: str) -> bool:
        """Whether this login works. The truth, for oracles."""
        if secret in self.duds:
            return False
        if name in self.keys:
            key = self.keys[name]
            return key.enabled and key.secret == secret and (key.expires is None or self.time() < key.expires)
        user = self.users.get(name)
        return user is not None and user.enabled and secret in user.secrets

    def time(self) -> float:
        """By the server's own clock."""
        return (self.clock or self.now)()

    def next_id(self) -> str:
        """The id of a new key."""
        numbers = [int(each.removeprefix("key-")) for each in self.keys if each.removeprefix("key-").isdigit()]
        return f"key-{max(numbers, default=0) + 1 if self.reuses else self.minted}"

    def living(self) -> set[tuple[str, str]]:
        """Everything that logs in. The truth, for oracles."""
        users = {(name, secret) for name, user in self.users.items() for secret in user.secrets}
        keys = {(id, key.secret) for id, key in self.keys.items()}
        return {each for each in users | keys if self.lets_in(*each)}

    def take(self, secret: str) -> None:
        """A new secret arrives."""
        if self.next_is_dud:
            self.duds.add(secret)
            self.next_is_dud = False


class TwinConnection(Settings):
    """The connection of the twins."""

    system: str = "twin"


class TwinSetSettings(Settings):
    """Users of a twin: one in place or overlapping, two alternating."""

    usernames: tuple[str, ...] = ("app",)
    overlapping: bool = False
    fences: bool = True


class TwinSet(SetTarget[TwinConnection, TwinSetSettings]):
    """A system whose secrets the core chooses."""

    connection_type = "twin"
    settings = TwinSetSettings
    fields = ("username", "password")

    def __init__(self, connection: TwinConnection, config: TwinSetSettings, runtime: Runtime, system: TwinSystem) -> None:
        super().__init__(connection, config, runtime)
        self.system = system

    @property
    def can(self) -> Can:
        alternating = len(self.config.usernames) > 1
        return Can(max_live=2 if self.config.overlapping else 1, disables=alternating, fences=self.config.fences)

    @property
    def endpoint(self) -> str:
        return self.connection.system

    @property
    def principals(self) -> Sequence[str]:
        return self.config.usernames

    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:
        ours = {(each.name, each.secret.reveal()) for each in known if each.secret}
        found = []
        for name in self.config.usernames:
            user = self.system.users.get(name)
            if user is None:
                found.append(Finding(Level.FAIL, "principal.missing", f"there is no user {name}", f"CREATE USER {name}"))
            elif self._strange(name, user, ours):
                found.append(Finding(Level.FAIL, "stray", f"{name} has a secret that is none of ours"))
        return found

    def _strange(self, name: str, user: TwinUser, ours: set[tuple[str, str]]) -> bool:
        """Alternating: the user that we hold nothing of; overlapping: a second secret."""
        strangers = [each for each in user.secrets if (name, each) not in ours]
        alternating = len(self.config.usernames) > 1 and not any(user_name == name for user_name, _ in ours)
        second = self.config.overlapping and len(user.secrets) > 1
        return bool(strangers) and user.enabled and (second or (alternating and (bool(ours) or name != self.config.usernames[0])))

    def verify(self, credential: Credential) -> str:
        assert credential.secret is not None
        if not self.system.lets_in(credential.name, credential.secret.reveal()):
            raise Rejected("wrong name or secret", code="401")
        return credential.name

    def apply(self, credential: Credential, keep: Sequence[Credential]) -> None:
        self._fence()
        self._ours(credential)
        secret, user = self._plain(credential), self._user(credential.name)
        if self.system.refuses and secret not in user.secrets:
            raise Refused("the secret is too weak")
        if self.config.overlapping:
            kept = [self._plain(each) for each in keep if each.name == credential.name]
            if kept and [each for each in user.secrets if each not in (*kept, secret)]:
                raise Foreign(f"{credential.name} has a secret that is none of ours")
            user.secrets = [*kept, secret]
        else:
            user.secrets = [secret]
        if len(self.config.usernames) > 1:
            user.enabled = True
        self.system.take(secret)
        self.system.on_change(f"apply {credential.name}")

    def disable(self, credential: Credential, keep: Sequence[Credential]) -> None:
        if any(each.name == credential.name for each in keep):
            return
        self._look(credential)
        self._user(credential.name).enabled = False
        self.system.on_change(f"disable {credential.name}")

    def enable(self, credential: Credential) -> None:
        self._user(credential.name).enabled = True
        self.system.on_change(f"enable {credential.name}")

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        self._fence()
        self._ours(credential)
        user = self.system.users.get(credential.name)
        if user is None:
            return
        kept = [self._plain(each) for each in keep if each.name == credential.name]
        if self.config.overlapping:
            self._drop(credential, kept, user)
        elif not kept and len(self.config.usernames) > 1:
            self._look(credential)
            user.enabled, user.secrets = False, []
        self.system.on_change(f"revoke {credential.name}")

    def _drop(self, credential: Credential, kept: list[str], user: TwinUser) -> None:
        """Overlapping: exactly this secret goes; where only the name is known, exactly what is kept remains."""
        old = self._plain(credential) if credential.secret else None
        if old and (old not in user.secrets or old in kept):
            return
        if not all(each in user.secrets for each in kept):
            raise Foreign(f"{credential.name} does not have the secret that must be kept")
        user.secrets = [each for each in user.secrets if each != old] if old else list(dict.fromkeys(kept))

    def _look(self, credential: Credential) -> None:
        """An enabled user that refuses the secret we know was changed by somebody else."""
        user = self._user(credential.name)
        if credential.secret and user.enabled and user.secrets and self._plain(credential) not in user.secrets:
            raise Foreign(f"{credential.name} has a secret that is none of ours")

    def _fence(self) -> None:
        if not self.config.fences:
            return
        if self.runtime.fence < self.system.fence:
            raise Conflict("a later run has been here")
        self.system.fence = self.runtime.fence

    def _ours(self, credential: Credential) -> None:
        if credential.name not in self.config.usernames:
            raise Refused(f"{credential.name} is none of this target's users")

    def _user(self, name: str) -> TwinUser:
        if name not in self.system.users:
            raise Refused(f"there is no user {name}", f"CREATE USER {name}")
        return self.system.users[name]

    @staticmethod
    def _plain(credential: Credential) -> str:
        assert credential.secret is not None
        return credential.secret.reveal()


class TwinIssueSettings(Settings):
    """The principal of a twin that mints."""

    principal: str = "svc"
    labels: bool = False
    max_live: int = 2
    kind: Literal["issue"] = "issue"
    lifetime: float | None = None
    appears: float = 0.0
    tells_use: bool = False


class TwinIssue(IssueTarget[TwinConnection, TwinIssueSettings]):
    """A provider that mints keys."""

    connection_type = "twin"
    settings = TwinIssueSettings
    fields = ("id", "secret")

    def __init__(self, connection: TwinConnection, config: TwinIssueSettings, runtime: Runtime, system: TwinSystem) -> None:
        super().__init__(connection, config, runtime)
        self.system = system

    @property
    def can(self) -> Can:
        late = Settle(within=timedelta(seconds=self.config.appears))
        return Can(
            max_live=self.config.max_live,
            disables=True,
            labels=self.config.labels,
            tells_use=self.config.tells_use,
            appears=late,
            disappears=late,
        )

    @property
    def endpoint(self) -> str:
        return self.connection.system

    @property
    def principals(self) -> Sequence[str]:
        return (self.config.principal,)

    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:
        ours = {each.name for each in known} | set(accepted)
        strays = [each for each in self.system.keys if each not in ours]
        return [Finding(Level.WARN, "stray", f"{each} is none of ours") for each in strays]

    def verify(self, credential: Credential) -> str:
        assert credential.secret is not None
        if not self.system.lets_in(credential.name, credential.secret.reveal()):
            raise Rejected("unknown or disabled key", code="403")
        self.system.keys[credential.name].last_used = self.system.now()
        return self.config.principal

    def issue(self, label: str) -> Credential:
        if self.system.refuses or (self.config.max_live and len(self.system.keys) >= self.config.max_live):
            raise Refused("no free slot", code="LimitExceeded")
        self.system.minted += 1
        id, secret = self.system.next_id(), secrets.token_hex(16)
        ends = self.system.time() + self.config.lifetime if self.config.lifetime else None
        key = TwinKey(secret, float(int(self.system.now())), label if self.config.labels else None, expires=ends)
        self.system.keys[id], self.system.expiring = key, self.system.expiring or ends is not None
        self.system.take(secret)
        self.system.on_change(f"issue {id}")
        return Credential(name=id, secret=Secret(secret), expires=datetime.fromtimestamp(ends, UTC) if ends else None)

    def live(self) -> list[Live]:
        def told(at: float | None) -> datetime | None:
            return None if at is None else datetime.fromtimestamp(at, UTC)

        seen = [(id, key) for id, key in self.system.keys.items() if self.system.now() - key.created >= self.system.lag]
        return [Live(id, told(key.created), key.label, key.enabled, told(key.last_used)) for id, key in seen]

    def last_used(self, credential: Credential) -> datetime | None:
        key = self.system.keys.get(credential.name)
        return None if key is None or key.last_used is None else datetime.fromtimestamp(key.last_used, UTC)

    def disable(self, credential: Credential, keep: Sequence[Credential]) -> None:
        if credential.name in self.system.keys:
            self.system.keys[credential.name].enabled = False
        self.system.on_change(f"disable {credential.name}")

    def enable(self, credential: Credential) -> None:
        if credential.name not in self.system.keys:
            raise Refused(f"there is no key {credential.name}")
        self.system.keys[credential.name].enabled = True
        self.system.on_change(f"enable {credential.name}")

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        self.system.keys.pop(credential.name, None)
        self.system.on_change(f"revoke {credential.name}")


CONNECTION = TwinConnection()


@cache
def issues(labels: bool, lifetime: float) -> TwinIssueSettings:
    """Settings of a twin that mints: made once, for they are validated. A lifetime of 0 is none."""
    return TwinIssueSettings(labels=labels, max_live=0 if labels else 2, lifetime=lifetime or None)


@cache
def sets(usernames: tuple[str, ...], *, overlapping: bool, fences: bool) -> TwinSetSettings:
    """Settings of a twin whose secrets the core chooses."""
    return TwinSetSettings(usernames=usernames, overlapping=overlapping, fences=fences)


__all__ = [
    "CONNECTION",
    "TwinConnection",
    "TwinIssue",
    "TwinIssueSettings",
    "TwinKey",
    "TwinSet",
    "TwinSetSettings",
    "TwinSystem",
    "TwinUser",
    "Unfit",
    "issues",
    "sets",
]
