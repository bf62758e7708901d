"""One JupyterHub for all tests of this folder; each test has a user of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from rotator.model import Secret
from rotator.target import Runtime
from rotator.testing.servers.jupyterhub import HubServer
from rotator_http_token import HttpConnection, HttpToken, HttpTokenSettings

_numbers = itertools.count()


@pytest.fixture(scope="session")
def hub() -> Iterator[HubServer]:
    services = {"weak": ["read:users", "read:tokens"], "one-user": ["tokens!user=just-one"], "bare": ["tokens"]}
    with HubServer(services) as server:
        yield server


@pytest.fixture
def user(hub: HubServer) -> str:
    name = f"billing-{next(_numbers)}"
    hub.create_user(name)
    return name


def runtime(secrets: dict[str, str], timeout: float = 5.0) -> Runtime:
    """A runtime whose references name their values: `{env: admin}` is `secrets["admin"]`."""
    return Runtime(reveal=lambda ref: Secret(secrets[ref.env]), now=lambda: datetime.now(UTC), timeout=timeout)  # type: ignore[union-attr]  # only environment references here


def connection(base_url: str, **settings: Any) -> HttpConnection:
    given = {
        "base_url": base_url,
        "secrets": {"admin": {"env": "admin"}},
        "auth": {"value": "token {secrets.admin}"},
        "tokens": "jupyterhub",
    }
    return HttpConnection.model_validate(given | settings)


@pytest.fixture
def make(hub: HubServer, user: str) -> Iterator[Callable[..., HttpToken]]:
    made: list[HttpToken] = []

    def build(service: str = "admin", principal: str = user, **settings: Any) -> HttpToken:
        target = HttpTokenSettings.model_validate({"principal": principal} | settings)
        plugin = HttpToken(
            connection(hub.url, settle={"appears": "1s", "disappears": "5s"}), target, runtime({"admin": hub.tokens[service]})
        )
        made.append(plugin)
        return plugin

    yield build
    for plugin in made:
        plugin.close()


@pytest.fixture
def target(make: Callable[..., HttpToken]) -> HttpToken:
    return make()
