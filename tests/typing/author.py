"""What authors write, as a type checker sees it: it must pass `mypy --strict` with nothing but our contracts. It is never run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import rotator.destination
import rotator.store
from rotator.target import (
    Can,
    Conflict,
    Credential,
    Denied,
    Duration,
    Finding,
    Foreign,
    IssueTarget,
    Level,
    Live,
    Refused,
    Rejected,
    Runtime,
    Secret,
    SecretRef,
    SetTarget,
    Settings,
    Settle,
    SettleSettings,
    Unfit,
    Unreachable,
)


class Admin(Settings):
    """Nested settings, with a reference to a secret."""

    username: str
    password: SecretRef


class Directory(Settings):
    """A connection."""

    host: str
    admin: Admin
    settle: SettleSettings = SettleSettings()


class Entry(Settings):
    """A target with two users that take turns."""

    usernames: tuple[str, str]
    session: Duration = timedelta(hours=1)


class DirectoryUser(SetTarget[Directory, Entry]):
    """A set target that can do everything."""

    connection_type = "directory"
    settings = Entry
    fields = ("username", "password")

    def __init__(self, connection: Directory, config: Entry, runtime: Runtime) -> None:
        super().__init__(connection, config, runtime)
        self._bound: str | None = None

    @property
    def can(self) -> Can:
        appears, disappears = self.connection.settle.over(Settle(), Settle(timedelta(seconds=5), 2))
        return Can(disables=True, tells_use=True, dead_probes=1, fences=True, appears=appears, disappears=disappears)

    @property
    def endpoint(self) -> str:
        return f"{self.connection.host}:636"

    @property
    def principals(self) -> Sequence[str]:
        return self.config.usernames

    @property
    def admin(self) -> str:
        return self.connection.admin.username

    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:
        missing = [each for each in self.principals if each not in {one.name for one in known} | set(accepted)]
        return [Finding(Level.FAIL, "principal.missing", f"there is no entry {each}", f"add {each}") for each in missing]

    def verify(self, credential: Credential) -> str:
        if credential.secret is None or not credential.secret.matches(self._admin_password()):
            raise Rejected("invalid credentials", code="49")
        if credential.expires is not None and credential.expires < self.runtime.now():
            raise Unfit("bound, but expired", "set a new expiry")
        return credential.name

    def last_used(self, credential: Credential) -> datetime | None:
        return None if credential.name == "never" else datetime.now(UTC) - self.config.session

    def apply(self, credential: Credential, keep: Sequence[Credential]) -> None:
        if any(each.same(credential) for each in keep):
            return
        if self.runtime.fence < 1:
            raise Conflict("a later run was here")
        raise Denied("the admin may not write this attribute", "grant write to userPassword")

    def disable(self, credential: Credential, keep: Sequence[Credential]) -> None:
        raise Foreign(f"{credential.name} was changed by somebody else ({len(keep)} kept)")

    def enable(self, credential: Credential) -> None:
        raise Unreachable(f"no answer about {credential.name}")

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        if credential.name not in self.principals:
            raise Refused(f"none of ours, {len(keep)} are kept")

    def clock(self) -> datetime:
        return self.runtime.now()

    def close(self) -> None:
        self._bound = None

    def _admin_password(self) -> Secret:
        return self.runtime.reveal(self.connection.admin.password)


class Account(Settings):
    """A target at a provider."""

    principal: str


class Token(IssueTarget[Directory, Account]):
    """An issue target: the least that there is."""

    connection_type = "directory"
    settings = Account
    fields: ClassVar[tuple[str, str]] = ("id", "secret")

    @property
    def can(self) -> Can:
        return Can(max_live=2, labels=True)

    @property
    def endpoint(self) -> str:
        return self.connection.host

    @property
    def principals(self) -> Sequence[str]:
        return [self.config.principal]

    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:
        return [Finding(Level.OK, "ok", f"{len(known)} known, {len(accepted)} accepted")]

    def verify(self, credential: Credential) -> str:
        return self.config.principal if credential.secret else ""

    def issue(self, label: str) -> Credential:
        return Credential(name="id-1", secret=Secret("value"), public={"label": label}, expires=self.runtime.now() + timedelta(days=90))

    def live(self) -> list[Live]:
        return [Live("id-1", created=self.runtime.now(), label="rotation", enabled=True)]

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        if credential.name in {each.name for each in keep}:
            return


class Vault(Settings):
    """A place, and a store."""

    address: str
    token: rotator.destination.SecretRef


class Shelf(rotator.destination.Destination[Vault]):
    """A destination."""

    settings = Vault
    proof = rotator.destination.Proof.READBACK
    staleness = 60.0
    by_path = True

    def publish(self, place: rotator.destination.Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        held = self.published(place)
        if generation < len(held) or not version:
            raise rotator.destination.Refused(f"{place.path} holds a later generation than {sorted(values)}")

    def published(self, place: rotator.destination.Place) -> Mapping[str, Secret]:
        token = self.runtime.reveal(self.config.token)
        return dict.fromkeys(place.keys, token) if place.keys else {}


class Records(rotator.store.Store[Vault]):
    """A store: a destination that keeps records too."""

    settings = Vault
    limits = rotator.store.Limits(max_bytes=1 << 20, writes_per_day=1000, keeps_old_documents=True)

    def publish(self, place: rotator.store.Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        raise rotator.store.Denied(f"no mount for {place.path}: {sorted(values)}, {version}, {generation}")

    def published(self, place: rotator.store.Place) -> Mapping[str, Secret]:
        raise rotator.store.Unreachable(f"no answer about {place.path}")

    def read(self, path: str) -> rotator.store.Record:
        if not path:
            raise rotator.store.Corrupt("this is no record", where=path)
        return rotator.store.Record(revision=None)

    def write(self, path: str, record: rotator.store.Record) -> rotator.store.Record:
        if record.revision != self.read(path).revision:
            raise rotator.store.Conflict("the record has moved on", where=path)
        return record.but(revision=1)

    def paths(self) -> list[str]:
        return ["orders/db"]
