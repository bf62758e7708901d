"""The bench of the example in docs/writing-a-target.md: a web server with Basic authentication from a file of `{SSHA}` hashes."""

from __future__ import annotations

import base64
import hashlib
import http.client
import http.server
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from rotator.model import Credential, Secret
from rotator.target import Runtime
from rotator.testing.set_contract import SetBench


def lets_in(file: Path, header: str) -> bool:
    """Whether a server that reads this file (RFC 2307: digest, then salt) lets this Authorization header in."""
    kind, _, token = header.partition(" ")
    name, _, password = base64.b64decode(token).decode().partition(":")
    users = dict(line.partition(":")[::2] for line in file.read_text().splitlines())
    if kind != "Basic" or not users.get(name, "").startswith("{SSHA}"):
        return False
    stored = base64.b64decode(users[name].removeprefix("{SSHA}"))
    return hashlib.sha1(password.encode() + stored[20:]).digest() == stored[:20]


class WebServer:
    """A context manager; `url` is guarded by `file`."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "users"

    def __enter__(self) -> Self:
        file = self.file

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                good = lets_in(file, self.headers.get("Authorization") or "None bm9uZQ==")
                self.send_response(200 if good else 401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def set(self, users: Mapping[str, str]) -> None:
        """As an administrator would: name -> password; an empty one: no login."""
        self.file.write_text("".join(f"{name}:{ssha(each)}\n" for name, each in users.items()))

    def logs_in(self, name: str, password: str) -> bool:
        """Asked without the plugin."""
        token = base64.b64encode(f"{name}:{password}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=5)
        connection.request("GET", "/", headers={"Authorization": f"Basic {token}"})
        status = connection.getresponse().status
        connection.close()
        return status == 200


def ssha(password: str) -> str:
    if not password:
        return "!"
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + b"salt").digest() + b"salt").decode()


class HtpasswdBench(SetBench):
    """What the conformance kit needs. `plugin` is the module of the page."""

    def __init__(self, plugin: Any, web: WebServer) -> None:
        self.plugin, self.web = plugin, web
        self.current = Credential(name="app", secret=Secret("the-first-password-of-app"))
        web.set({"app": "the-first-password-of-app", "other": "somebody-else-s-password"})

    def make_target(self, *, timeout: float = 10.0, fence: int = 1, admin: str = "good") -> Any:
        if admin != "good":
            self.lacks(f"{admin} admin")
        connection = self.plugin.Nginx(file=str(self.web.file), url=self.web.url)
        return self.plugin.HtpasswdUser(connection, self.plugin.User(username="app"), Runtime(_no_secret, _no_clock, timeout, fence))

    def make_credential(self, secret: str | None = None) -> Credential:
        return Credential(name="app", secret=Secret(secret or "the-next-password-of-app"))

    def logs_in(self, credential: Credential) -> bool:
        assert credential.secret is not None
        return self.web.logs_in(credential.name, credential.secret.reveal())

    def state(self) -> object:
        return self.web.file.read_text()

    def remove(self, credential: Credential) -> None:
        lines = self.web.file.read_text().splitlines(keepends=True)
        self.web.file.write_text("".join(each for each in lines if not each.startswith(f"{credential.name}:")))

    def paste(self, fix: str) -> None:
        raise AssertionError(fix)


def _no_secret(_ref: object) -> Secret:
    raise AssertionError("this target has no secret of its own")


def _no_clock() -> Any:
    raise AssertionError("this target asks no clock")
