"""The store over its parts: records, places, and what an operator should know before the first write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from rotator.errors import Denied, Refused
from rotator.model import Finding, Level, Place, Secret
from rotator.record import Record
from rotator.seam import Seam
from rotator.store import Limits, Runtime, Store
from rotator.stores.vault.kv import Kv
from rotator.stores.vault.login import Login
from rotator.stores.vault.places import Places
from rotator.stores.vault.policy import Line
from rotator.stores.vault.records import Records
from rotator.stores.vault.settings import VaultSettings
from rotator.stores.vault.wire import Wire
from rotator.values import refuse_unfit

SOON = 86400
"""Seconds: a token that was given and ends sooner is worth a word."""
_PATH = re.compile(r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)*")


class VaultStore(Store[VaultSettings]):
    """Records and visible fields in one KV version 2 mount of HashiCorp Vault or OpenBao."""

    settings = VaultSettings
    limits = Limits()
    by_path = True

    def __init__(self, settings: VaultSettings, runtime: Runtime, *, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        seam = seam or Seam()
        self._wire = Wire(settings, runtime, seam)
        self._login = Login(settings.auth, self._wire, runtime, seam)
        self._kv = Kv(settings, self._wire, self._login)
        self._records = Records(self._kv, self._wire, settings.prefix, self.limits.max_bytes)
        self._reader, self._as_consumer = self._kv, None
        if settings.consumer is not None:
            self._as_consumer = Wire(settings, runtime, seam)
            self._reader_login = Login(settings.consumer, self._as_consumer, runtime, seam)
            self._reader = Kv(settings, self._as_consumer, self._reader_login, consumer=True)
        self._places = Places(self._kv, self._wire, settings, self._reader)
        self._asked: dict[str, bool] = {}
        """The paths that this instance was asked for, and whether for a record: `check` looks at the rights there."""

    # ---- the contract

    def read(self, path: str) -> Record:
        """See `Store.read`."""
        self._begin(path, record=True)
        return self._records.read(path)

    def write(self, path: str, record: Record) -> Record:
        """See `Store.write`."""
        self._begin(path, record=True)
        return self._records.write(path, record)

    def paths(self) -> list[str]:
        """All records, by their keys: a record that somebody else deleted is among them until its metadata is gone."""
        self._begin()
        return self._records.paths()

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """Patched on the server against the version that was read: siblings stay as they are, numbers too."""
        refuse_unfit(values)
        self._begin(place.path)
        self._places.publish(place, values, version, generation)

    def published(self, place: Place) -> Mapping[str, Secret]:
        """Read afresh; with `consumer` logged in as one."""
        self._begin(place.path)
        return self._places.published(place)

    def clock(self) -> datetime | None:
        """The server's time, by its last answer."""
        return self._wire.clock

    def close(self) -> None:
        """Revoke the token that we made, drop connections."""
        self._login.leave()
        self._wire.close()
        if self._as_consumer is not None:
            self._reader_login.leave()
            self._as_consumer.close()
        for each in (self._kv, self._reader, self._records):
            each.forget()

    def _begin(self, path: str | None = None, *, record: bool = False) -> None:
        if path is not None:
            if not _PATH.fullmatch(path):
                raise Refused(f"{path!r} is no store path", "write [A-Za-z0-9._-]+ joined by /, never . or ..")
            self._asked[path] = record or self._asked.get(path, False)
        self._wire.begin()
        if self._as_consumer is not None:
            self._as_consumer.begin()

    # ---- check

    def check(self) -> list[Finding]:
        """The mount, the token, and each right that later calls need; a missing one with its line of the policy. Changes nothing."""
        self._begin()
        try:
            self._kv.open()
            if self._as_consumer is not None:
                self._reader_login.ensure()
        except Denied as error:
            return [Finding(Level.FAIL, "store", error.what, error.fix)]
        return [*self._check_token(), *self._check_rights()]

    def _check_token(self) -> Iterator[Finding]:
        found = self._kv.token() or {}
        if "root" in (found.get("policies") or ()):
            fix = "give it the policy of docs/stores-vault.md alone, and revoke the root token"
            yield Finding(Level.WARN, "principal.superuser", "the token is a root token", fix)
        ttl, uses = found.get("ttl"), found.get("num_uses")
        if self.config.auth.token is not None and isinstance(ttl, int) and 0 < ttl < SOON:
            fix = "it is never renewed here: give a fresh one, or let rotator log in (approle, kubernetes, jwt)"
            yield Finding(Level.WARN, "principal.expired", f"the token ends in {ttl // 60} minutes", fix)
        if isinstance(uses, int) and uses > 0:
            yield Finding(
                Level.WARN, "principal.expired", f"the token is good for {uses} more calls", "a run needs dozens: set num_uses to 0"
            )

    def _check_rights(self) -> Iterator[Finding]:
        policy, mount, own = self._kv.policy, self.config.mount, self.config.prefix
        wanted: dict[str, Line] = {}
        for path, record in (self._asked or {"rotator.check": True}).items():
            wanted[f"{mount}/data/{own}/places/{path}"] = policy.own
            if record:
                wanted |= {f"{mount}/data/{own}/records/{path}": policy.own, f"{mount}/metadata/{own}/records/{path}": policy.metadata}
            if record and self._kv.open() > 1:
                wanted[f"{mount}/destroy/{own}/records/{path}"] = policy.destroy
        wanted |= {f"{mount}/data/{path}": policy.place(path) for path in self._asked if not path.startswith(f"{own}/")}
        held = self._kv.capabilities(list(wanted))
        if held is None:
            yield Finding(Level.WARN, "privilege.unproven", "the token may not ask for its own rights", "give it the default policy too")
            return
        level, code = (Level.FAIL, "privilege.missing") if self._asked else (Level.WARN, "privilege.unproven")
        told = set[str]()
        for path, line in wanted.items():
            missing = line.lacks(held[path])
            if missing and str(line) not in told:
                told.add(str(line))
                yield Finding(level, code, f"no {', '.join(missing)} at {path}", f"add to its policy: {line}")
