"""The overlapping twin in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.request import ProxyHandler, build_opener

from rotator.model import Credential, Secret
from rotator.testing.servers.base import Server
from rotator.testing.stands import twin_target
from rotator.testing.stands.base import Stand, Yaml, a_credential
from rotator.testing.stands.web import calls

_ENTRY_POINTS = "[rotator.targets]\ntwin = twin_target:TwinUser\n[rotator.connections]\ntwin = twin_target:TwinAddress\n"


@cache
def _drop_in() -> tempfile.TemporaryDirectory[str]:
    """The plugin's directory, one for this process: two of them would both offer the type."""
    folder = tempfile.TemporaryDirectory(prefix="twin-")
    shutil.copyfile(str(twin_target.__file__), Path(folder.name) / "twin_target.py")
    (Path(folder.name) / "entry_points.txt").write_text(_ENTRY_POINTS)
    return folder


class TwinServer(Server):
    """The server process."""

    port = 0

    def start(self) -> None:
        """Start it: its first line is its port."""
        command = [sys.executable, "-m", "rotator.testing.stands.twin_server"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())


class Overlapping(Stand):
    """One user, two secrets that work at once."""

    shape = "overlapping twin"
    fields = ("username", "password")
    mutating = "apply, revoke"
    server: TwinServer

    def __init__(self) -> None:
        self.server = TwinServer()
        self._open = build_opener(ProxyHandler({})).open

    def __enter__(self) -> Self:
        self.drop_in = Path(_drop_in().name)
        return super().__enter__()

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def admin(self) -> Secret:
        return Secret("the-twin-asks-for-none")

    def connection(self, port: int) -> Yaml:
        return {"type": "twin", "port": port}

    def target(self, one: str) -> Yaml:
        return {"type": "twin", "username": one}

    def begin(self, one: str) -> Credential:
        first = a_credential(one)
        self._let_in(first, "begin")
        return first

    def second(self, one: str) -> Credential:
        second = a_credential(one)
        self.restore(second)
        return second

    def restore(self, credential: Credential) -> None:
        self._let_in(credential, "add")

    def _let_in(self, credential: Credential, method: str) -> None:
        assert credential.secret is not None
        self._ask(credential.name, method, secret=credential.secret.reveal())

    def works(self, credential: Credential) -> bool:
        return self.mark(credential) in self.living(credential.name)

    def living(self, one: str) -> set[str]:
        return {f"{name} {secret}" for name, secret in self._ask(one, "living")}

    def mark(self, credential: Credential) -> str:
        assert credential.secret is not None
        return f"{credential.name} {credential.secret.reveal()}"

    def changes(self, sent: bytes) -> list[str]:
        return [each.path for each in calls(sent) if each.path.rpartition("/")[2] not in ("check", "verify")]

    def _ask(self, one: str, method: str, **given: str) -> Any:
        with self._open(f"http://127.0.0.1:{self.port}/{one}/{method}", json.dumps(given).encode(), timeout=10) as answer:
            return json.loads(answer.read())["result"]
