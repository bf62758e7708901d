"""A configuration of tiny drop-in plugins, one for each shape, to be written wrong in many ways."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

ENTRY_POINTS = """
[rotator.targets]
toy_one = toy_plugins:One
toy_two = toy_plugins:Two
toy_issue = toy_plugins:Issue
toy_single = toy_plugins:Single
toy_swap = toy_plugins:Swap
toy_careless = toy_plugins:Careless
toy_leaky = toy_plugins:Leaky
toy_ends = toy_plugins:Ends
toy_lasting = toy_plugins:Lasting
toy_ref = toy_plugins:WithRef
toy_broken = toy_broken:Anything
toy_missing = toy_needs:Anything
toy_exit = toy_exit:Anything
toy_absent = toy_plugins:NoSuchClass
toy_wrong = toy_plugins:System
toy_abstract = toy_plugins:Abstract
toy_other = toy_plugins:Other

[rotator.connections]
toy = toy_plugins:System
toy_other = toy_plugins:System
toy_broken = toy_broken:Anything

[rotator.stores]
toy = toy_plugins:ToyStore
toy_slow = toy_plugins:SlowStore

[rotator.destinations]
toy = toy_plugins:ToyPlace
toy_paths = toy_plugins:PathPlace
toy_attested = toy_plugins:AttestedPlace
toy_stale = toy_plugins:StalePlace
"""

PLUGINS = """
from collections.abc import Mapping
from datetime import timedelta

from pydantic import field_validator, model_validator

from rotator.destination import Attested, Destination, Place, Secret
from rotator.errors import BadInput
from rotator.store import Limits, Record, Store
from rotator.target import (Can, Credential, Duration, IssueTarget, SecretRef, ServiceUrl, Settings, SetTarget, SwapTarget)
from rotator.settings import LocalPath


class Admin(Settings):
    username: str
    password: SecretRef


class System(Settings):
    host: str
    port: int = 1
    tls: bool = True
    admin: Admin
    url: ServiceUrl | None = None
    ca: LocalPath | None = None


class User(Settings):
    username: str | None = None
    usernames: tuple[str, ...] | None = None
    overlapping: bool = False
    limit: int = 0

    @model_validator(mode="after")
    def _one(self):
        if (self.username is None) == (self.usernames is None):
            raise ValueError("give either `username` (in place) or `usernames` (two, alternating)")
        return self


class _Common:
    connection_type = "toy"
    settings = User
    fields = ("username", "password")

    @property
    def endpoint(self):
        return f"{self.connection.host}:{self.connection.port}"

    @property
    def principals(self):
        return self.config.usernames or (self.config.username,)

    @property
    def admin(self):
        return self.connection.admin.username

    def check(self, known, accepted=()):
        return []

    def verify(self, credential):
        return credential.name

    def revoke(self, credential, keep):
        return None


class One(_Common, SetTarget):
    @property
    def can(self):
        return Can(max_live=2 if self.config.overlapping else 1, disables=self.config.usernames is not None)

    def apply(self, credential, keep):
        return None


class Two(One):
    @property
    def can(self):
        return Can(disables=False)


class Other(One):
    connection_type = "toy_other"


class Abstract(_Common, SetTarget):
    @property
    def can(self):
        return Can()


class Account(Settings):
    principal: str
    lifetime: Duration | None = None


class Issue(_Common, IssueTarget):
    settings = Account
    fields = ("id", "secret")

    @property
    def can(self):
        return Can(max_live=2, disables=True)

    @property
    def principals(self):
        return (self.config.principal,)

    @property
    def lifetime(self):
        return self.config.lifetime.total_seconds() if self.config.lifetime else None

    def issue(self, label):
        raise AssertionError

    def live(self):
        return []


class Single(Issue):
    @property
    def can(self):
        return Can(max_live=1)


class Swap(Issue, SwapTarget):
    pass


class Pasted(Settings):
    principal: str

    @field_validator("principal")
    @classmethod
    def _no(cls, value):
        raise ValueError(f"{value} is not good")


class Careless(Issue):
    @property
    def principals(self):
        return (None,)


class Ending(Account):
    @model_validator(mode="after")
    def _end(self):
        raise SystemExit(0)


class Ends(Issue):
    settings = Ending


class Lasting(Issue):
    lifetime = timedelta(days=90)


class Leaky(Issue):
    settings = Account

    @property
    def endpoint(self):
        if self.config.principal == "boom":
            raise RuntimeError(f"secret {self.connection.host}")
        raise BadInput(f"do not use {self.config.principal}", fix="use another")


class RefSettings(Settings):
    principal: str
    token: SecretRef


class WithRef(Issue):
    settings = RefSettings
    lifetime = None


class PlaceSettings(Settings):
    path: LocalPath


class ToyPlace(Destination):
    settings = PlaceSettings

    def publish(self, place, values, version, generation):
        return None

    def published(self, place):
        return {}


class PathPlace(ToyPlace):
    by_path = True
    staleness = 600.0


class StalePlace(PathPlace):
    staleness = "a minute"


class AttestedPlace(Attested):
    settings = ToyPlace.settings

    def publish(self, place, values, version, generation):
        return None

    def mark(self, place):
        return None


class StoreSettings(Settings):
    path: LocalPath
    key: SecretRef | None = None


class ToyStore(Store):
    settings = StoreSettings

    def publish(self, place, values, version, generation):
        return None

    def published(self, place):
        return {"field": Secret("from-store"), "half": Secret("canary-\\ud800")} if place.path == "admin/token" else {}

    def read(self, path):
        raise AssertionError

    def write(self, path, record):
        raise AssertionError

    def paths(self):
        return []


class SlowStore(ToyStore):
    limits = Limits(writes_per_day=10)
    staleness = 60.0
"""

POSTGRES = """version: 1
environment: test
connections:
  pg:
    type: postgres
    host: db.internal
    admin: {username: rotator, password: {env: PG_ADMIN}}
    allow: {schedules: ["*"]}
stores:
"""
"""What a rotator.yaml with one real connection begins with; its stores follow."""
OWNER = """
version: 1
environment: test
connections:
  sys:
    type: toy
    host: db.internal
    admin: {username: rotator, password: {env: TOY_ADMIN}}
    allow: {schedules: ["*"], principals: ["*"], stores: ["local:**", "slow:**"]}
  strict:
    type: toy
    host: strict.internal
    admin: {username: rotator, password: {file: secrets/admin}}
    allow: {schedules: ["orders.yaml"], principals: ["orders_*"], stores: ["local:orders/**"]}
stores:
  local: {type: toy, path: var/store}
  slow: {type: toy_slow, path: var/slow}
destinations:
  env: {type: toy, path: out/env, allow: {schedules: ["*"]}}
  second: {type: toy_paths, path: out/second, allow: {schedules: ["*"]}}
  ci: {type: toy_attested, path: out/ci, allow: {schedules: ["*"]}}
policies:
  usual: {max_age: 90d, max_grace: 7d, every: 30d, grace: 24h, soak: 0s, password: {length: 40}}
  loose: {every: 30d}
audit:
  ledger: sqlite:///var/ledger.db
  required: [ledger]
limits: {runs: 3, per_connection: 1}
"""

TEAM = """
version: 1
defaults: {owner: team, policy: usual, store: {name: local}}
rotations:
  alternating:
    target: {type: toy_one, connection: sys, usernames: [app_a, app_b]}
    store: {path: orders/db}
    when: {every: 30d}
    labels: {tier: "1"}
  in-place:
    target: {type: toy_one, connection: sys, username: solo}
    store: {path: orders/solo}
    grace: 0s
  keys:
    target: {type: toy_issue, connection: sys, principal: uploader}
    store: {path: orders/keys}
    when: {cron: "0 3 1 * *", timezone: Europe/Berlin}
    grace: 7d
    publish:
      - {destination: env, keys: {API_TOKEN: secret}}
"""


def write_plugins(folder: Path) -> Path:
    """A drop-in directory with the toy plugins."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in {
        "entry_points.txt": ENTRY_POINTS,
        "toy_plugins.py": PLUGINS,
        "toy_broken.py": "raise RuntimeError('canary-in-a-plugin')",
        "toy_needs.py": "import no_such_driver",
        "toy_exit.py": "raise SystemExit(7)",
    }.items():
        (folder / name).write_text(textwrap.dedent(text))
        (folder / name).chmod(0o600)
    return folder


def write_config(folder: Path, owner: str = OWNER, **teams: str) -> Path:
    """`rotator.yaml` and its schedules; returns the file."""
    schedules = folder / "schedules"
    schedules.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    schedules.chmod(0o700)
    file = folder / "rotator.yaml"
    for path, text in {file: owner, **{schedules / f"{name}.yaml": each for name, each in (teams or {"orders": TEAM}).items()}}.items():
        path.write_text(text.removeprefix("\n"))
        path.chmod(0o600)
    return file


def spec_of(plugin_dir: Path, folder: Path, body: str, owner: str = OWNER) -> Any:
    """The one spec `one` with this body."""
    from rotator.load import load

    text = "version: 1\ndefaults: {owner: team, store: {name: local}}\nrotations:\n  one:\n" + body
    return load(write_config(folder, owner, orders=text), plugin_dirs=[plugin_dir]).specs[0]
