"""A mount of the real server and stores on it; and a server between the two that answers some calls itself."""

import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rotator.model import Place, Secret
from rotator.seam import Seam
from rotator.store import Runtime
from rotator.stores.vault import VaultSettings, VaultStore
from rotator.testing.destination_contract import CANARY
from rotator.testing.servers.openbao import OpenBaoServer
from rotator.testing.servers.raw import Answer, RawServer

PATH, PLACE = "orders/db", Place("vault", "orders/db")


def fields(n):
    return {"username": Secret("app"), "password": Secret(f"{CANARY} number {n:020d}")}


@dataclass
class World:
    """A mount of the server, and stores on it."""

    server: OpenBaoServer
    mount: str
    token: Secret
    address: str = ""
    namespace: str | None = None
    timeout: float = 10.0
    seam: Seam | None = None

    def settings(self, **more: Any) -> VaultSettings:
        given = {"address": self.address or self.server.url, "mount": self.mount, "auth": {"token": {"env": "TOKEN"}}}
        return VaultSettings.model_validate({**given, "namespace": self.namespace, **more})

    def store(self, *, token: Secret | None = None, secrets: dict[str, Secret] | None = None, **more: Any) -> VaultStore:
        known = {"TOKEN": token or self.token, **(secrets or {})}
        runtime = Runtime(reveal=lambda ref: known[getattr(ref, "env", "")], now=lambda: datetime.now(UTC), timeout=self.timeout)
        return VaultStore(self.settings(**more), runtime, seam=self.seam)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """As root, inside the mount."""
        return self.server.call(method, f"{self.mount}/{path}", body, namespace=self.namespace)

    def versions(self, path: str) -> dict[str, Any]:
        """The versions of a key that can still be read."""
        found = self.call("GET", f"metadata/{path}")["data"]["versions"]
        return {each: about for each, about in found.items() if not about["destroyed"] and not about["deletion_time"]}


class Scripted(RawServer):
    """Answers as the real server, but for what `wrong` answers."""

    def __init__(self, server, wrong):
        self.real, self.wrong = server, wrong
        super().__init__(self.pass_on)

    def pass_on(self, request):
        answer = self.wrong(request)
        if answer is not None:
            return answer
        named = {key: each for key, each in request.headers.items() if key.lower().startswith(("x-vault", "content-type"))}
        sent = urllib.request.Request(self.real.url + request.path, method=request.method, data=request.body or None, headers=named)
        try:
            with urllib.request.urlopen(sent, timeout=10) as got:
                return Answer(got.status, {"Content-Type": "application/json"}, [got.read()])
        except urllib.error.HTTPError as error:
            return Answer(error.code, {"Content-Type": "application/json"}, [error.read()])
