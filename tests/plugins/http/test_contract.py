"""The laws of the target contract on JupyterHub."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from rotator.model import Credential, Secret
from rotator.testing.issue_contract import IssueBench, IssueTargetContract
from rotator.testing.servers.jupyterhub import HubServer
from rotator.testing.servers.relay import Relay
from rotator.testing.target_contract import AdminIs
from rotator_http_token import HttpToken, HttpTokenSettings
from tests.plugins.http.conftest import connection, runtime

_numbers = itertools.count()


class HubBench(IssueBench):
    driver, timeout = "httpx", 1.0

    def __init__(self, hub: HubServer, relay: Relay) -> None:
        self.hub, self.relay, self.user = hub, relay, f"app-{next(_numbers)}"
        hub.create_user(self.user)
        self.admins = {"good": hub.tokens["admin"], "weak": hub.tokens["weak"], "wrong": "0" * 48}
        name, secret = hub.create_token(self.user)
        self.current = Credential(name=name, secret=Secret(secret))

    def make_target(self, *, timeout: float = 10.0, fence: int = 1, admin: AdminIs = "good") -> HttpToken:
        lent = replace(runtime({"admin": self.admins[admin]}, timeout), fence=fence)
        return HttpToken(connection(f"http://127.0.0.1:{self.relay.port}/hub/api"), HttpTokenSettings(principal=self.user), lent)

    def logs_in(self, credential: Credential) -> bool:
        assert credential.secret is not None
        return self.hub.works(credential.secret.reveal())

    def state(self) -> object:
        return self.hub.ids(self.user)

    def remove(self, credential: Credential) -> None:
        self.hub.call("DELETE", f"/users/{self.user}/tokens/{credential.name}")

    def down(self) -> AbstractContextManager[object]:
        return self.relay.down()

    def frozen(self) -> AbstractContextManager[object]:
        return self.relay.frozen()


class TestHttpToken(IssueTargetContract):
    @pytest.fixture
    def bench(self, hub: HubServer) -> Iterator[Any]:
        with Relay(int(hub.url.rpartition(":")[2].partition("/")[0])) as relay:
            yield HubBench(hub, relay)
