"""A throwaway JupyterHub, the real one, without its proxy and notebooks: a REST API that mints tokens with scopes and expiry."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rotator.testing.servers.base import BARE, Server, free_ports

_CONFIG = """
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {{}}

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.bind_url = "http://127.0.0.1:{front}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.services = {services}
c.JupyterHub.load_roles = {roles}
"""
PATIENCE = 90.0
"""Seconds for its start: it imports much, and others may be using this machine."""
SCOPES = ("admin:users", "tokens", "read:users", "list:users")
"""What the admin service may do."""


class HubServer(Server):
    """JupyterHub on a free port of 127.0.0.1, in a folder of its own.

    `services`: further service name -> scopes; their tokens are in `tokens`, the admin's under `admin`.
    """

    def __init__(self, services: dict[str, Sequence[str]] | None = None) -> None:
        self._scopes: dict[str, Sequence[str]] = {"admin": SCOPES, **(services or {})}
        self.tokens = {name: secrets.token_hex(24) for name in self._scopes}
        self.folder = Path()
        self._port, self._front = 0, 0

    @property
    def url(self) -> str:
        """Of the REST API: the `base_url` of a connection."""
        return f"http://127.0.0.1:{self._port}/hub/api"

    @property
    def log(self) -> str:
        """All that the hub wrote so far."""
        return (self.folder / "log").read_text()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder = Path(tempfile.mkdtemp(prefix="hub-"))
        self._port, self._front = free_ports(2)
        config = self.folder / "config.py"
        config.touch(0o600)
        config.write_text(
            _CONFIG.format(
                port=self._port,
                front=self._front,
                folder=self.folder,
                services=[{"name": name, "api_token": token} for name, token in self.tokens.items()],
                roles=[{"name": f"role-{name}", "scopes": list(each), "services": [name]} for name, each in self._scopes.items()],
            )
        )
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**BARE, "HOME": str(self.folder)},
            )
        self._wait()

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.call("GET", "/users")
            except (URLError, ConnectionError):
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"JupyterHub did not start; is rotator[demo] installed?\n{self.log[-2000:]}")

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """One call of the API, as admin or with `token`; the JSON of the answer. Raises `urllib.error.HTTPError`."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {token or self.tokens['admin']}"}
        request = Request(self.url + path, method=method, data=data, headers=headers)
        with urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def create_user(self, name: str) -> None:
        """A user without a token."""
        self.call("POST", f"/users/{name}")

    def create_token(self, user: str, note: str = "made by hand", **body: Any) -> tuple[str, str]:
        """A token of that user: id and secret."""
        made = self.call("POST", f"/users/{user}/tokens", {"note": note, **body})
        return made["id"], made["token"]

    def ids(self, user: str) -> dict[str, str]:
        """Id -> note of all live tokens of the user."""
        return {each["id"]: each["note"] for each in self.call("GET", f"/users/{user}/tokens")["api_tokens"]}

    def works(self, token: str) -> bool:
        """Whether the hub lets this token in."""
        try:
            self.call("GET", "/user", token=token)
        except HTTPError:
            return False
        return True

    def stop(self) -> None:
        """End the hub and remove its folder. May be called twice."""
        super().stop()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()
