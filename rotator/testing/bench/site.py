"""A site to measure: a PostgreSQL with so many users, and a configuration that rotates them in place."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rotator.load import Loaded, load
from rotator.model import Credential, Secret
from rotator.record import Record, Version
from rotator.stores.file import FileStore, FileStoreSettings, prepare
from rotator.target import Runtime
from rotator.testing.servers.postgres import PostgresServer

OWNER = """
version: 1
environment: bench
connections:
  pg:
    type: postgres
    host: 127.0.0.1
    port: {port}
    admin: {{username: {admin}, password: {{env: BENCH_ADMIN_PASSWORD}}}}
    tls: off
stores:
  local: {{type: file, path: var/store, key: {{file: var/store.key}}}}
audit: {{ledger: "sqlite:///var/ledger.db", required: [ledger]}}
limits: {{runs: {runs}, per_connection: {runs}}}
"""
TEAM = "version: 1\ndefaults: {owner: bench, store: {name: local}}\nrotations:\n"
ITEM = """  {user}:
    target: {{type: postgres, connection: pg, dbname: postgres, username: {user}}}
    store: {{path: bench/{user}}}
    when: {{every: 30d}}
    grace: 0s
"""


class Site:
    """`with Site(users=100) as site:`; fsync is on, as an operator's server has it."""

    def __init__(self, users: int, runs: int = 4) -> None:
        self.users = [f"app_{number:05d}" for number in range(users)]
        self.runs = runs
        self.passwords = {each: Secret(secrets.token_urlsafe(32)) for each in self.users}
        self.server = PostgresServer(fsync=True)

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="rotator-bench-"))
        self.server.__enter__()
        os.environ["BENCH_ADMIN_PASSWORD"] = self.server.password.reveal()
        for user in self.users:
            self.server.create_user(user, self.passwords[user])
        (self.folder / "var").mkdir(mode=0o700)
        prepare(str(self.folder / "var/store"))
        key = self.folder / "var/store.key"
        key.touch(mode=0o600)
        key.write_text(base64.b64encode(os.urandom(32)).decode())
        (self.folder / "schedules").mkdir()
        owner = OWNER.format(port=self.server.port, admin=self.server.superuser, runs=self.runs)
        (self.folder / "rotator.yaml").write_text(owner)
        (self.folder / "schedules/bench.yaml").write_text(TEAM + "".join(ITEM.format(user=each) for each in self.users))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.environ.pop("BENCH_ADMIN_PASSWORD", None)
        self.server.__exit__(kind, error, trace)
        shutil.rmtree(self.folder)

    def load(self) -> Loaded:
        """The configuration."""
        return load(self.folder / "rotator.yaml")

    def adopted(self) -> Loaded:
        """The configuration, with a record for each user as `adopt` leaves it: written at once, so that only rotations are measured."""
        loaded = self.load()
        key = Secret((self.folder / "var/store.key").read_text())
        store: FileStore | None = None
        for spec in loaded.specs:
            runtime = Runtime(reveal=lambda _ref: key, now=lambda: datetime.now(UTC))
            assert isinstance(spec.store.settings, FileStoreSettings)
            store = store or FileStore(spec.store.settings, runtime)
            now, credential = time.time(), Credential(name=spec.name, secret=self.passwords[spec.name])
            place = spec.places[0].place
            store.publish(place, credential.values(("username", "password")), "adopted", 1)
            record = Record(
                name=spec.name,
                identity=spec.identity,
                generation=1,
                last_slot=now,
                current=Version("adopted", credential, now),
                places={place.name: "adopted"},
                writes=("adopted",),
            )
            store.write(spec.path, record)
        return loaded
