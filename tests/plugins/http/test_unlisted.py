"""A service that lists no tokens: dead is only what was seen to be refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from rotator.errors import Exit, Unfit, Unreachable
from rotator.model import Credential, Secret
from rotator.rotate import Adopt
from rotator.testing.servers.raw import Answer, RawServer, Request, json_answer
from rotator_http_token import HttpConnection, HttpToken, HttpTokenSettings
from tests.plugins.http.conftest import connection, runtime
from tests.plugins.rotation import Rotations

ADMIN = "admin-secret-0123456789"
TOKENS = {
    "create": {"path": "/users/{principal}/tokens", "json_body": {"note": "{label}"}, "id": "id", "secret": "token"},
    "verify": {
        "path": "/me",
        "auth": {"value": "Bearer {secret}"},
        "identity": "body.user",
        "equals": "{principal}",
        "dead": "status == `401` && body != `null`",
    },
    "revoke": {"path": "/tokens/{id}"},
}
LISTED = {"list": {"path": "/tokens", "id": "id"}}
HTML = Answer(404, {"Content-Type": "text/html"}, [b"<h1>404 default backend</h1>"])
EMPTY, JSON = Answer(404), json_answer({"message": "no such token"}, 404)


class Service:
    """Mints, lets in and deletes; `gone` is what it says of a token that is not there, `astray` of every deletion."""

    def __init__(self) -> None:
        self.alive: dict[str, str] = {}
        self.gone, self.astray = JSON, False
        self._numbers = itertools.count(1)

    def make(self) -> Credential:
        number = str(next(self._numbers))
        self.alive[number] = f"secret-of-token-{number}"
        return Credential(name=number, secret=Secret(self.alive[number]))

    def __call__(self, request: Request) -> Answer:
        if request.method == "POST":
            made = self.make()
            return json_answer({"id": int(made.name), "token": self.alive[made.name]}, 201)
        if request.method == "DELETE":
            found = None if self.astray else self.alive.pop(request.path.rpartition("/")[2], None)
            return Answer(204) if found else self.gone
        if request.path == "/me":
            known = request.headers["Authorization"].removeprefix("Bearer ") in self.alive.values()
            return json_answer({"user": "billing"}) if known else json_answer({"message": "who?"}, 401)
        return Answer(200, {"Content-Type": "application/json"}, [json.dumps([{"id": each} for each in self.alive]).encode()])


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def server(service: Service) -> Iterator[RawServer]:
    with RawServer(service) as raw:
        yield raw


def target(server: RawServer, **tokens: Any) -> HttpToken:
    settle = {"appears": "1s", "disappears": "1s", "streak": 1, "every": "1s"}
    made = connection(server.url, tokens=TOKENS | tokens, settle=settle)
    return HttpToken(made, HttpTokenSettings(principal="billing"), runtime({"admin": ADMIN}))


def by_id(token: Credential) -> Credential:
    return Credential(name=token.name, secret=None)


def test_a_token_that_nobody_can_list_or_try_is_never_called_dead(service: Service, server: RawServer) -> None:
    old = service.make()
    with pytest.raises(Unreachable, match="nobody can see whether token 1 is dead") as problem:
        target(server).confirm_dead(by_id(old))
    assert "`list`" in str(problem.value.fix)


def test_what_cannot_be_listed_is_dead_where_its_login_is_refused(service: Service, server: RawServer) -> None:
    old = service.make()
    with pytest.raises(Unfit):
        target(server).confirm_dead(old)
    target(server).revoke(old, [])
    assert "401" in target(server).confirm_dead(old)


def test_dead_tokens_are_listed_or_tried() -> None:
    with pytest.raises(ValidationError, match="nobody could see whether a token is dead"):
        connection("https://api.internal", tokens=TOKENS | {"dead_probes": 0})
    assert isinstance(connection("https://api.internal", tokens=TOKENS | LISTED | {"dead_probes": 0}), HttpConnection)


@pytest.mark.parametrize("gone", [HTML, EMPTY], ids=["HTML", "empty"])
def test_a_404_that_may_be_a_proxys_is_gone_only_for_a_token_whose_login_is_refused(
    service: Service, server: RawServer, gone: Answer
) -> None:
    service.gone, service.astray = gone, True
    old = service.make()
    for each in (old, by_id(old)):
        with pytest.raises(Unreachable):
            target(server).revoke(each, [])
    service.alive.clear()
    target(server).revoke(old, [])
    with pytest.raises(Unreachable):
        target(server).revoke(by_id(old), [])


def test_a_404_of_the_service_itself_is_gone(service: Service, server: RawServer) -> None:
    gone = Credential(name="7", secret=None)
    assert target(server).revoke(gone, []) is None
    service.gone = HTML
    assert target(server, **LISTED).revoke(gone, []) is None
    with pytest.raises(Unreachable):
        target(server).revoke(gone, [])


@pytest.mark.parametrize("gone", [HTML, EMPTY, JSON], ids=["HTML", "empty", "JSON"])
def test_a_service_without_a_list_is_rotated_and_the_old_token_dies(service: Service, server: RawServer, gone: Answer) -> None:
    service.gone = gone
    rotations = Rotations(lambda: target(server))
    old = service.make()
    assert old.secret is not None
    rotations.adopt((old.name, old.secret.reveal()))
    assert rotations.run(forced=True, named=True).exit is Exit.DONE
    rotations.until_rest()
    assert list(service.alive) == ["2"]


def test_a_retired_token_whose_list_was_taken_away_ends_with_a_human_and_with_the_list_at_rest(service: Service, server: RawServer) -> None:
    keys: dict[str, Any] = dict(LISTED)
    rotations = Rotations(lambda: target(server, **keys))
    current, other = service.make(), service.make()
    assert rotations.run(Adopt(credential=current, retire=other.name)).exit is Exit.DONE
    keys.clear()
    rotations.spec = replace(rotations.spec, can=rotations.make().can)
    result = rotations.run()
    for _ in range(20):
        if result.exit is not Exit.DONE or result.why == "at rest":
            break
        rotations.seam.sleep(0.2)
        result = rotations.run()
    assert result.exit is Exit.FAILED, "never at rest"
    assert "nobody can see whether token 2 is dead" in result.message
    keys.update(LISTED)
    rotations.spec = replace(rotations.spec, can=rotations.make().can)
    assert rotations.run(named=True).exit is Exit.DONE
    assert rotations.until_rest().why == "at rest"
