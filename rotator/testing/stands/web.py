"""Targets over HTTP: an IAM and a token API."""

from __future__ import annotations

import json
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs

from rotator.model import Credential, Secret
from rotator.testing.servers.jupyterhub import HubServer
from rotator.testing.servers.moto import REGION, MotoServer
from rotator.testing.stands.base import ADMIN_FILE, Stand, Yaml


@dataclass(frozen=True)
class Call:
    """One request of a client."""

    method: str
    path: str
    body: bytes


def calls(sent: bytes) -> list[Call]:
    """The requests in what a client sent over one connection (RFC 9112). `ValueError` for what is no request."""
    found = []
    while sent:
        head, _, rest = sent.partition(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").split("\r\n")
        words = line.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise ValueError("a client sent what is no HTTP request")
        length = next((int(each.split(":")[1]) for each in headers if each.lower().startswith("content-length:")), 0)
        if any(each.lower().startswith("transfer-encoding:") for each in headers):
            raise ValueError("a client sent a body in chunks")
        found.append(Call(words[0], words[1], rest[:length]))
        sent = rest[length:]
    return found


LATEST = 5.0
"""Seconds by which a server's log may be late."""


class IamKey(Stand):
    """An IAM user's access key."""

    shape = "aws_iam_key"
    soak = "1s"
    mints = True
    fields = ("access_key_id", "secret_access_key")
    mutating = "every Action but Get*, List*, Simulate*"
    server: MotoServer

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="moto-")
        self.log = Path(self._folder.name) / "access.log"
        self.server = MotoServer(self.log)
        self._read, self._minted = 0, 0

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        self._folder.cleanup()

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])

    @property
    def admin(self) -> Secret:
        return Secret(self.server.admin_key[1])

    def connection(self, port: int) -> Yaml:
        return {
            "type": "aws",
            "region": REGION,
            "endpoint_url": f"http://127.0.0.1:{port}",
            "credentials": {"access_key_id": self.server.admin_key[0], "secret_access_key": {"file": ADMIN_FILE}},
            "settle": {"appears": "1s", "disappears": "2s"},
        }

    def target(self, one: str) -> Yaml:
        return {"type": "aws_iam_key", "username": one}

    def begin(self, one: str) -> Credential:
        self.server.create_user(one)
        return self.second(one)

    def second(self, one: str) -> Credential:
        id, secret = self.server.create_key(one)
        return Credential(name=id, secret=Secret(secret))

    def works(self, credential: Credential) -> bool:
        from botocore.exceptions import ClientError

        assert credential.secret is not None
        client = self.server.client("sts", (credential.name, credential.secret.reveal()))
        try:
            client.get_caller_identity()
        except ClientError:
            return False
        finally:
            client.close()
        return True

    def living(self, one: str) -> set[str]:
        return {id for id, status in self.server.keys(one).items() if status == "Active"}

    def minted(self, one: str) -> int | None:
        """Of all principals of this server: the log names no user."""
        with self.log.open() as log:
            log.seek(self._read)
            entries = [json.loads(line) for line in log.read().splitlines()]
            self._read = log.tell()
        self._minted += sum(each["action"] == "CreateAccessKey" and each["status"] == 200 for each in entries)
        return self._minted

    def changes(self, sent: bytes) -> list[str]:
        actions = [parse_qs(each.body.decode()).get("Action", ["none"])[0] for each in calls(sent)]
        return [each for each in actions if not re.match(r"Get|List|Simulate", each)]


class HttpToken(Stand):
    """A token of a JupyterHub user."""

    shape = "http_token"
    mints = labels = True
    fields = ("id", "secret")
    mutating = "every method but GET and HEAD"
    server: HubServer

    def __init__(self) -> None:
        self.server = HubServer()

    @property
    def port(self) -> int:
        return int(self.server.url.split(":")[2].split("/")[0])

    @property
    def admin(self) -> Secret:
        return Secret(self.server.tokens["admin"])

    def connection(self, port: int) -> Yaml:
        return {
            "type": "http",
            "base_url": f"http://127.0.0.1:{port}/hub/api",
            "secrets": {"admin": {"file": ADMIN_FILE}},
            "auth": {"value": "token {secrets.admin}"},
            "tokens": "jupyterhub",
            "settle": {"appears": "1s", "disappears": "2s", "streak": 1, "every": "1s"},
        }

    def target(self, one: str) -> Yaml:
        return {"type": "http_token", "principal": one}

    def begin(self, one: str) -> Credential:
        self.server.create_user(one)
        return self.second(one)

    def second(self, one: str) -> Credential:
        return self._made(one, "made by hand")

    def orphan(self, one: str, label: str) -> None:
        self._made(one, f"rotator {label}")

    def _made(self, one: str, note: str) -> Credential:
        """A token that the server's log already tells of, so that nobody takes it for one of ours."""
        before = self.minted(one)
        id, secret = self.server.create_token(one, note)
        end = time.monotonic() + LATEST
        while self.minted(one) == before and time.monotonic() < end:
            time.sleep(0.002)
        return Credential(name=id, secret=Secret(secret))

    def works(self, credential: Credential) -> bool:
        assert credential.secret is not None
        return self.server.works(credential.secret.reveal())

    def living(self, one: str) -> set[str]:
        return set(self.server.ids(one))

    def minted(self, one: str) -> int | None:
        return len(re.findall(rf"201 POST /hub/api/users/{re.escape(one)}/tokens ", self.server.log))

    def changes(self, sent: bytes) -> list[str]:
        return [f"{each.method} {each.path}" for each in calls(sent) if each.method not in ("GET", "HEAD")]
