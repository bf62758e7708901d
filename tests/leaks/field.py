"""An operator's machine: rotations on a real PostgreSQL, an IAM and a token API, and the command line as he types it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import yaml

from rotator.cli.runs import make_job
from rotator.errors import RotatorError
from rotator.load import load
from rotator.model import Credential, Secret
from rotator.record import Record
from rotator.rotate import Adopt
from rotator.stores.file import FileStore, FileStoreSettings, prepare
from rotator.target import Runtime
from rotator.testing.canary import Canary
from rotator.testing.servers.jupyterhub import HubServer
from rotator.testing.servers.moto import REGION, MotoServer
from rotator.testing.servers.postgres import PostgresServer
from rotator.testing.servers.relay import Relay
from rotator.testing.stands.world import adopt

ROTATOR = str(Path(sys.executable).with_name("rotator"))
LONGEST = 120.0
"""Seconds that one command may take."""
Yaml = dict[str, Any]


class Cutter(Relay):
    """A relay that acts in the middle of a call: as a request passes, or as its reply comes."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._server, self._pattern = port, b""
        self._act: Callable[[], None] = self.cut
        self._answered: bool = False
        self.deaf: set[Any] = set()

    def at(self, pattern: bytes, act: Callable[[], None] | None = None, *, answered: bool = True) -> None:
        """At the next request with these bytes do `act` (left out: the server is gone). `answered`: once the server has answered it.

        Where the server is gone the reply is lost; else it passes after `act`.
        """
        self._pattern, self._act, self._answered = pattern, act or self.cut, answered

    def cut(self) -> None:
        """The server is gone: nobody listens, open connections break."""
        self._cut()

    def mend(self) -> None:
        """It is back."""
        self._pattern = b""
        if self._listener is None:
            self._listen()

    def _pump(self, one: Any, other: Any) -> None:
        try:
            from_server = one.getpeername()[1] == self._server
            while data := one.recv(65536):
                if not from_server and self._pattern and self._pattern in data:
                    self._pattern = b""
                    if self._answered:
                        self.deaf.add(other)
                    else:
                        self._act()
                if from_server and one in self.deaf:
                    self.deaf.discard(one)
                    self._act()
                other.sendall(data)
        except OSError:
            pass  # cut, or the other side went away
        super()._pump(one, other)


class Servers(ExitStack):
    """The three servers, all that they log, and a relay before each. Use it in a `with`."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.access_log = folder / "access.log"
        self.postgres = PostgresServer(log_statements=True)
        self.aws, self.hub = MotoServer(self.access_log), HubServer()

    def __enter__(self) -> Self:
        with ThreadPoolExecutor(3) as pool:
            for each in (self.postgres, self.aws, self.hub):
                self.push(each)
            for started in [pool.submit(each.__enter__) for each in (self.postgres, self.aws, self.hub)]:
                started.result()
        self.pg_relay, self.aws_relay, self.hub_relay = (self.enter_context(Cutter(each)) for each in self._ports())
        return self

    def _ports(self) -> Iterable[int]:
        return (self.postgres.port, int(self.aws.url.rpartition(":")[2]), int(self.hub.url.split(":")[2].partition("/")[0]))

    @property
    def relays(self) -> tuple[Cutter, ...]:
        return (self.pg_relay, self.aws_relay, self.hub_relay)


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def results(self) -> dict[str, Any]:
        """Of `--json run`: what each spec came to."""
        return {each["spec"]: each for each in json.loads(self.out)["results"]}


class Field:
    """The files of a machine with four rotations: `solo` in place, `duo` alternating, `key`, `token`. Names end in `suffix`."""

    def __init__(self, folder: Path, servers: Servers, canary: Canary, suffix: str = "") -> None:
        self.folder, self.servers, self.canary, self.suffix = folder, servers, canary, suffix
        self.environment: dict[str, str] = {}
        self.said: dict[str, set[bytes]] = {"stdout": set(), "stderr": set()}
        """All that commands printed, but for what `get` prints on purpose."""
        self.first: dict[str, Credential] = {}
        self.learned: set[tuple[str, str]] = set()
        self.owner, self.rotations = self._owner(), self._rotations()
        self._make()

    # ---- files

    def _owner(self) -> Yaml:
        return {
            "version": 1,
            "environment": "test",
            "connections": {"pg": self.pg("admin/pg"), "aws": self._aws(), "hub": self._hub()},
            "stores": {"local": {"type": "file", "path": "var/store", "key": {"file": "var/store.key"}}},
            "destinations": {"app-env": {"type": "env_file", "path": "app/env", "quote": "shell"}},
            "audit": {"ledger": "sqlite:///var/ledger.db", "required": ["ledger"]},
            "limits": {"call_timeout": "2s"},
        }

    def pg(self, file: str, port: int | None = None, **admin: Any) -> Yaml:
        """A connection to PostgreSQL."""
        password = admin or {"file": file}
        return {
            "type": "postgres",
            "host": "127.0.0.1",
            "port": port or self.servers.pg_relay.port,
            "admin": {"username": self.servers.postgres.superuser, "password": password},
            "tls": "off",
        }

    def _aws(self) -> Yaml:
        return {
            "type": "aws",
            "region": REGION,
            "endpoint_url": f"http://127.0.0.1:{self.servers.aws_relay.port}",
            "credentials": {"access_key_id": self.servers.aws.admin_key[0], "secret_access_key": {"file": "admin/aws"}},
            "settle": {"appears": "1s", "disappears": "2s"},
        }

    def _hub(self) -> Yaml:
        return {
            "type": "http",
            "base_url": f"http://127.0.0.1:{self.servers.hub_relay.port}/hub/api",
            "secrets": {"admin": {"file": "admin/hub"}},
            "auth": {"value": "token {secrets.admin}"},
            "tokens": "jupyterhub",
            "settle": {"appears": "1s", "disappears": "2s", "streak": 1, "every": "1s"},
        }

    def _rotations(self) -> dict[str, Yaml]:
        users = [self.name("duo_a"), self.name("duo_b")]
        publish = {"publish": [{"destination": "app-env", "keys": {"API_TOKEN": "secret"}}]}
        return {
            "solo": self.spec("solo", {"type": "postgres", "connection": "pg", "dbname": "postgres", "username": self.name("solo")}),
            "duo": self.spec("duo", {"type": "postgres", "connection": "pg", "dbname": "postgres", "usernames": users}),
            "key": self.spec("key", {"type": "aws_iam_key", "connection": "aws", "username": self.name("uploader")}),
            "token": self.spec("token", {"type": "http_token", "connection": "hub", "principal": self.name("billing")}) | publish,
        }

    def spec(self, name: str, target: Yaml, store: str = "local", **more: Any) -> Yaml:
        """A rotation without grace."""
        return {
            "owner": "team",
            "target": target,
            "store": {"name": store, "path": f"team/{name}"},
            "when": {"every": "30d"},
            "grace": "0s",
        } | more

    def name(self, principal: str) -> str:
        """Principals of several fields never meet."""
        return principal + self.suffix

    def _make(self) -> None:
        self.folder.chmod(0o700)
        for each in ("var", "admin", "app", "tmp", "schedules"):
            (self.folder / each).mkdir(mode=0o700)
        prepare(str(self.folder / "var/store"))
        self.private("var/store.key", self.canary.register(new_key(), f"the store key{self.suffix}").reveal())
        self.private("admin/pg", self.canary.register(self.servers.postgres.password, "the admin of PostgreSQL").reveal())
        self.private("admin/aws", self.canary.register(Secret(self.servers.aws.admin_key[1]), "the admin of AWS").reveal())
        self.private("admin/hub", self.canary.register(Secret(self.servers.hub.tokens["admin"]), "the admin of the hub").reveal())
        self.write()

    def private(self, path: str, text: str) -> Path:
        """Write a file that nobody else may read."""
        file = self.folder / path
        file.touch(0o600)
        file.write_text(text)
        return file

    def write(self) -> None:
        """Write the owner's and the team's file."""
        self.private("rotator.yaml", yaml.safe_dump(self.owner))
        self.private("schedules/team.yaml", yaml.safe_dump({"version": 1, "rotations": self.rotations}))

    # ---- what humans made

    def human(self, name: str) -> Credential:
        """Make the principal of a rotation with its first credential."""
        target, s = self.rotations[name]["target"], self.servers
        if target["type"] == "aws_iam_key":
            s.aws.create_user(target["username"])
            id, secret = s.aws.create_key(target["username"])
        elif target["type"] == "http_token":
            s.hub.create_user(target["principal"])
            id, secret = s.hub.create_token(target["principal"])
        else:
            users = target.get("usernames") or [target["username"]]
            id, secret = users[0], self.canary.make(f"the first password of {users[0]}").reveal()
            s.postgres.create_user(id, Secret(secret))
            for each in users[1:]:
                s.postgres.create_user(each, None, "NOLOGIN")
        self.first[name] = Credential(name=id, secret=self.canary.register(Secret(secret), f"the first secret of {name}{self.suffix}"))
        return self.first[name]

    # ---- the command line

    def rotator(self, *arguments: str, given: str | None = None, kept: bool = True, **more: Any) -> Answer:
        """Run a command to its end. `kept`: what it prints must hold no secret."""
        process = self.start(*arguments, **more)
        try:
            out, err = process.communicate(given.encode() if given is not None else b"", timeout=LONGEST)
        finally:
            end(process)
        if kept:
            self.said["stdout"].add(out)
        self.said["stderr"].add(err)
        self.learn()
        return Answer(process.returncode, out.decode(), err.decode())

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        """Begin a command, in a session of its own and with an operator's environment; `more` goes to Popen."""
        measured = "preexec_fn" not in more  # a limit on files would be one on coverage's own
        coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE") and measured}
        plain = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8", "TMPDIR": str(self.folder / "tmp")}
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[assignment]  # nothing in `more` makes it text
            [ROTATOR, *arguments],
            cwd=self.folder,
            env=plain | coverage | self.environment,
            start_new_session=True,
            **({"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more),
        )
        return process

    def adopt(self, name: str) -> None:
        """Make the principal, and take it over by the command line."""
        first = self.human(name)
        done = self.rotator("adopt", name, "--from", "-", given=self.as_given(name, first))
        assert done.code == 0, done.err

    def rest(self, runs: int) -> None:
        """After so many runs, at most, all is at rest and every credential that consumers see logs in."""
        for _ in range(runs):
            done = self.rotator("--json", "run", *self.rotations)
            if done.code == 0 and {each["state"] for each in done.results.values()} == {"at rest"}:
                break
        else:
            raise AssertionError(done.out)
        assert sorted(done.results) == sorted(self.rotations)
        assert [each for each in self.rotations if not self.works(each)] == []

    def adopt_fast(self, *names: str, plugins: Sequence[Path] = ()) -> None:
        """The same for many, without starting the command line for each. Their admins' secrets must stand in files."""
        before = list(sys.path)
        try:
            loaded = load(self.folder / "rotator.yaml", plugin_dirs=plugins)
            for name in names:
                spec = loaded.spec(name)
                assert spec is not None
                adopt(make_job(loaded, spec, command=Adopt(), named=True), json.loads(self.as_given(name, self.human(name))))
        finally:
            sys.path[:] = before
        self.learn()

    def as_given(self, name: str, credential: Credential) -> str:
        """The credential as `rotator adopt` takes it."""
        assert credential.secret is not None
        public, secret = {"aws_iam_key": ("access_key_id", "secret_access_key"), "http_token": ("id", "secret")}.get(
            self.rotations[name]["target"]["type"], ("username", "password")
        )
        return json.dumps({public: credential.name, secret: credential.secret.reveal()})

    # ---- the truth

    def store(self, name: str = "local") -> FileStore:
        """A store, opened anew, with our own eyes."""
        about = self.owner["stores"][name]
        key = Secret((self.folder / about["key"]["file"]).read_text())
        settings = FileStoreSettings.model_validate({"path": str(self.folder / about["path"]), "key": about["key"]}, context={"root": "/"})
        return FileStore(settings, Runtime(reveal=lambda _ref: key, now=lambda: datetime.now(UTC)))

    def record(self, name: str) -> Record:
        """The record of a rotation."""
        at = self.rotations[name]["store"]
        return self.store(at["name"]).read(at["path"])

    def learn(self) -> None:
        """Tell the canary of every secret that stands in a record now."""
        for name in self.first:
            try:
                record = self.record(name)
            except (RotatorError, FileNotFoundError):  # a test broke this store or this record, or took its key away, on purpose
                continue
            for each in (record.current, record.pending, record.previous, *record.tombstones):
                if each and each.credential and each.credential.secret and (each.id, each.credential.secret.reveal()) not in self.learned:
                    self.learned.add((each.id, each.credential.secret.reveal()))
                    self.canary.register(each.credential.secret, f"{name}{self.suffix}, version {each.id}")

    def shown(self, name: str) -> Credential:
        """What consumers of the store see."""
        at = self.rotations[name]["store"]
        values = self.store(at["name"]).values_of(at["path"])
        assert values is not None
        secret = next(values.fields[each] for each in ("password", "secret_access_key", "secret") if each in values.fields)
        public = next(values.fields[each] for each in ("username", "access_key_id", "id") if each in values.fields)
        return Credential(name=public.reveal(), secret=secret)

    def works(self, name: str, credential: Credential | None = None) -> bool:
        """Whether what consumers see (or this credential) logs in, asked without our plugins."""
        what, s = credential or self.shown(name), self.servers
        assert what.secret is not None
        kind = self.rotations[name]["target"]["type"]
        if kind == "http_token":
            return s.hub.works(what.secret.reveal())
        if kind != "aws_iam_key":
            return s.postgres.logs_in(what.name, what.secret)
        from botocore.exceptions import ClientError

        try:
            s.aws.client("sts", (what.name, what.secret.reveal())).get_caller_identity()
        except ClientError:
            return False
        return True


def new_key() -> Secret:
    """A store key."""
    return Secret(base64.b64encode(os.urandom(32)).decode())


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the command and all of its session, where it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
