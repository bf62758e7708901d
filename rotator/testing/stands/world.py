"""A world: one spec on a stand, with its files in a folder of its own, its command line, and the truth about it."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rotator.cli.runs import make_job
from rotator.errors import Exit
from rotator.load import Loaded, load
from rotator.model import Credential, Secret
from rotator.record import Record
from rotator.rotate import Adopt, RunResult
from rotator.runner import Runner, preload, result_of
from rotator.spec import RotationSpec
from rotator.store import Store
from rotator.testing.stands.base import ADMIN_FILE, Stand, Yaml, a_credential, write_private
from rotator.testing.stands.stores import InFiles
from rotator.worker import Job, ports, work

NAME = "it"
ENV_KEYS = ("SERVICE_USER", "SERVICE_PASSWORD")
SERVED = ("vault", "aws_secrets_manager")
"""Stores whose libraries are loaded before only where one of them is used."""
ROTATOR = (str(Path(sys.executable).with_name("rotator")),)
"""The command line as it is installed beside this Python."""


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its result on stdout, where `--json` was given."""
        return json.loads(self.out)

    @property
    def first(self) -> Any:
        """The result of the only spec."""
        return self.json["results"][0]


class World:
    """`port`: where a proxy stands before the server; None: none does. Further `spec` keys replace those of the schedule."""

    def __init__(self, stand: Stand, folder: Path, one: str, *, port: int | None = None, limits: Yaml | None = None, **spec: Any) -> None:
        self.stand, self.folder, self.one = stand, folder, one
        self.port = port or stand.port
        self.limits = limits or {"call_timeout": "2s"}
        self.keeper = stand.store or InFiles()
        self.store_path = self.keeper.path(one)
        self.spec_yaml: Yaml = {
            "owner": "team",
            "target": {**stand.target(one), "connection": "system"},
            "store": {"name": "local", "path": self.store_path},
            "when": {"every": "30d"},
            "grace": stand.grace,
            "soak": stand.soak,
            "publish": [{"destination": "env", "keys": dict(zip(ENV_KEYS, stand.fields, strict=True))}],
        } | spec
        self._loaded: Loaded | None = None
        self.first = stand.begin(one)
        self.make()

    # ---- files

    @property
    def plugins(self) -> list[str]:
        """The drop-in directories of this stand's plugin and of its store, where they have one."""
        return [str(each.drop_in) for each in (self.stand, self.keeper) if each.drop_in]

    @property
    def env_file(self) -> Path:
        """What consumers of the destination read."""
        return self.folder / "env"

    def make(self) -> None:
        """Write all files."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "var").mkdir(mode=0o700)
        write_private(self.folder / ADMIN_FILE, self.stand.admin.reveal())
        owner = {
            "version": 1,
            "environment": "test",
            "connections": {"system": self.stand.connection(self.port)},
            "stores": {"local": self.keeper.settings(self.folder, self.one)},
            "destinations": {"env": {"type": "env_file", "path": "env", "quote": "shell"}},
            "audit": {"ledger": "sqlite:///var/ledger.db", "required": ["ledger"]},
            "limits": self.limits,
        }
        write_private(self.folder / "rotator.yaml", yaml.safe_dump(owner))
        (self.folder / "schedules").mkdir()
        self.write_schedule()

    def write_schedule(self, **changes: Any) -> None:
        """Write the schedule anew, with some keys of the spec replaced."""
        self.spec_yaml |= changes
        self._loaded = None
        write_private(self.folder / "schedules/team.yaml", yaml.safe_dump({"version": 1, "rotations": {NAME: self.spec_yaml}}))

    def fingerprint(self) -> dict[str, str]:
        """Every file of this world and a hash of its bytes."""
        return {str(each.relative_to(self.folder)): _hash(each) for each in sorted(self.folder.rglob("*")) if each.is_file()}

    # ---- the command line

    def command(self, *arguments: str, entry: Sequence[str] = ROTATOR) -> list[str]:
        """The whole command line."""
        drop_ins = [part for each in self.plugins for part in ("--plugin-dir", each)]
        return [*entry, "--config", str(self.folder / "rotator.yaml"), *drop_ins, *arguments]

    def rotator(self, *arguments: str, text: str | None = None, entry: Sequence[str] = ROTATOR) -> Answer:
        """Run a command to its end."""
        command = self.command(*arguments, entry=entry)
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    # ---- within this process

    def loaded(self) -> Loaded:
        """The configuration, as the files say now."""
        if self._loaded is None:
            self._loaded = load(self.folder / "rotator.yaml", plugin_dirs=self.plugins)
        return self._loaded

    @property
    def spec(self) -> RotationSpec:
        """The only one."""
        return self.loaded().specs[0]

    def job(self, **order: Any) -> Job:
        """A job for the worker; `order` as `rotator.rotate.Order` has it."""
        loaded = self.loaded()
        return replace(make_job(loaded, loaded.specs[0], **({"named": True} | order)), log_level="error")

    def run(self, worker: Callable[..., RunResult] = work, values: dict[str, str] | None = None, **order: Any) -> RunResult:
        """One run in a process of its own, without the command line's start. `values`: the fields that are adopted."""
        return perform(self.job(**order), values, worker)

    def adopt(self) -> None:
        """Take over what the human made."""
        adopt(self.job(command=Adopt()), self.values())

    def values(self) -> dict[str, str]:
        """The fields of what the human made."""
        return self.fields_of(self.first)

    def fields_of(self, credential: Credential) -> dict[str, str]:
        """Its fields in clear."""
        assert credential.secret is not None
        return dict(zip(self.stand.fields, (credential.name, credential.secret.reveal()), strict=True))

    def overwrite(self) -> Credential:
        """A human puts what is none of ours where consumers of the destination read; gives it back."""
        foreign = a_credential("somebody")
        lines = [f"{key}={value}\n" for key, value in zip(ENV_KEYS, self.fields_of(foreign).values(), strict=True)]
        write_private(self.env_file, "".join(lines))
        return foreign

    # ---- the truth

    def store(self) -> Store[Any]:
        """The store, opened anew."""
        job = self.job()
        return ports(job, job.order).store

    def record(self) -> Record:
        """The record as it stands."""
        with closing(self.store()) as store:
            return store.read(self.store_path)

    def shown(self) -> dict[str, Credential | None]:
        """What consumers of each place hold."""
        with closing(self.store()) as store:
            local = store.published(self.spec.places[0].place)
        name, secret = self.stand.fields
        return {
            "local": Credential(name=local[name].reveal(), secret=local[secret]) if local else None,
            "env": self._in_env_file(),
        }

    def _in_env_file(self) -> Credential | None:
        if not self.env_file.exists():
            return None
        found = dict(shlex.split(line)[0].split("=", 1) for line in self.env_file.read_text().splitlines())
        return Credential(name=found[ENV_KEYS[0]], secret=Secret(found[ENV_KEYS[1]]))


@cache
def runner(*, served: bool = False) -> Runner:
    """Starts runs as the command line does, each in a process of its own from one preloaded forkserver. `served`: a store at a server.

    What costs time and shows nothing is loaded before as well: our plugins, the models of AWS's services, and what our main imports.
    """
    libraries = preload(["postgres", "aws_iam_key", "http_token", "mysql", "redis", *(SERVED if served else ())])
    warm = ["rotator.testing.stands.warm_stores" if served else "rotator.testing.stands.warm"]
    tests = [each for each in ("pytest",) if each in sys.modules]  # a child imports our main module again
    return Runner(runs=1, per_connection=1, libraries=[*libraries[:-1], *tests, *warm, libraries[-1]])


def perform(job: Job, values: dict[str, str] | None = None, worker: Callable[..., RunResult] = work) -> RunResult:
    """One run. `values` go to it by a pipe, as the command line sends them."""
    runs = runner(served=True) if job.spec.store.type != "file" else runner()
    runs.worker = worker
    if values is None:
        return runs.only(job)
    reader, writer = runs.context.Pipe(duplex=False)
    with writer:
        future = runs.start(job, reader)
        reader.close()
        writer.send(values)
    return result_of(job, future)


def adopt(job: Job, values: dict[str, str]) -> None:
    """Perform this adoption of these fields."""
    result = perform(job, values)
    assert result.exit is Exit.DONE, result


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
