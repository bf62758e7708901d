"""When a new token dies, as services write it; one whose time cannot be read is taken back at once."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rotator.errors import Refused, Unreachable
from rotator.testing.servers.raw import Answer, RawServer, Request, json_answer
from rotator_http_token import HttpToken, HttpTokenSettings
from rotator_http_token.presets import JUPYTERHUB
from tests.plugins.http.conftest import connection, runtime
from tests.plugins.leaks import reachable_text

NOW = datetime(2027, 1, 1, tzinfo=UTC)
TOKEN = "token-secret-9876543210"


class Service:
    """Mints one token a call, and says that it expires at `told`. `down`: it does not delete."""

    def __init__(self, told: Any) -> None:
        self.told, self.alive, self.down = told, 0, False

    def __call__(self, request: Request) -> Answer:
        if request.method == "POST":
            self.alive += 1
            return json_answer({"id": 7, "token": TOKEN, "expires_at": self.told}, 201)
        if self.down:
            return Answer(502)
        self.alive -= 1
        return Answer(204)


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(lambda _request: Answer(500)) as raw:
        yield raw


def target(server: RawServer, *, lists: bool = False) -> HttpToken:
    tokens = copy.deepcopy(JUPYTERHUB)
    if not lists:
        del tokens["list"]
    used = replace(runtime({"admin": "admin-secret-0123456789"}), now=lambda: NOW)
    return HttpToken(connection(f"{server.url}/hub/api", tokens=tokens), HttpTokenSettings(principal="billing"), used)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("2027-01-31T12:00:00Z", 1801396800),
        ("2027-01-31T13:00:00+01:00", 1801396800),
        ("2027-01-31T12:00:00", 1801396800),
        ("2027-01-31 12:00:00 UTC", 1801396800),
        ("2027-01-31", 1801353600),
        ("20270131", 1801353600),
        (1801396800, 1801396800),
        (1801396800.5, 1801396800.5),
        (1801396800000, 1801396800),
        ("1801396800", 1801396800),
        ("1801396800000", 1801396800),
        (None, None),
        ("", None),
    ],
)
def test_expiry_is_read_as_services_write_it(server: RawServer, told: Any, expected: float | None) -> None:
    server.answer = Service(told)
    token = target(server).issue("x")
    assert token.name == "7"
    assert (token.expires and token.expires.timestamp()) == expected


UNREADABLE = ["tomorrow", "never", {"a": 1}, True, 1e300, "²"]
PAST = [0, "0", -1, 3600, "2026-12-31", "0001-01-01T00:00:00Z"]


@pytest.mark.parametrize("told", [*UNREADABLE, *PAST])
@pytest.mark.parametrize("lists", [True, False])
def test_a_token_whose_expiry_cannot_be_is_taken_back_and_refused(server: RawServer, told: Any, lists: bool) -> None:
    server.answer = service = Service(told)
    with pytest.raises(Refused, match=r"create\.expires") as problem:
        target(server, lists=lists).issue("x")
    assert service.alive == 0
    assert [each.method for each in server.requests] == ["POST", "DELETE"]
    assert "null" in str(problem.value.fix)
    assert TOKEN not in reachable_text(problem.value)


@pytest.mark.parametrize("told", ["tomorrow", 0])
def test_a_token_that_could_not_be_taken_back_is_named(server: RawServer, told: Any) -> None:
    server.answer = service = Service(told)
    service.down = True
    with pytest.raises(Unreachable, match=r"create\.expires.*token 7 was minted") as problem:
        target(server).issue("x")
    assert TOKEN not in reachable_text(problem.value)
