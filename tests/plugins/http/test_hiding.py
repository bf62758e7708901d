"""What a service says is not shown where a secret is in it, in whatever form."""

from __future__ import annotations

import copy
import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from rotator.errors import Denied, Refused
from rotator.model import Credential, Secret
from rotator.testing.servers.raw import Answer, RawServer, Request, json_answer
from rotator_http_token import HttpToken, HttpTokenSettings
from rotator_http_token.hiding import holds
from rotator_http_token.presets import JUPYTERHUB
from tests.plugins.http.conftest import connection, runtime
from tests.plugins.leaks import reachable_text

ADMIN = 'hunter2 "x" /ü😀<&?>~'


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(lambda _request: Answer(500)) as raw:
        yield raw


def target(server: RawServer) -> HttpToken:
    tokens: dict[str, Any] = copy.deepcopy(JUPYTERHUB)
    tokens["create"]["json_body"]["password"] = "{secrets.admin}"
    auth = {"basic": {"username": "ops", "password": "admin"}}
    return HttpToken(connection(server.url, tokens=tokens, auth=auth), HttpTokenSettings(principal="billing"), runtime({"admin": ADMIN}))


FORMS = {
    "as it is": ADMIN,
    "JSON in ASCII": json.dumps(ADMIN),
    "JSON in capitals": json.dumps(ADMIN).replace("\\u00fc", "\\u00FC"),
    "JSON with letters": json.dumps(ADMIN, ensure_ascii=False),
    "JSON with escaped slashes": json.dumps(ADMIN).replace("/", "\\/"),
    "percent": quote(ADMIN, safe=""),
    "percent in small letters": quote(ADMIN, safe="").lower(),
    "a form": quote_plus(ADMIN),
    "HTML": html.escape(ADMIN),
    "Base64": b64encode(ADMIN.encode()).decode(),
    "Base64 for URLs": urlsafe_b64encode(ADMIN.encode()).decode().rstrip("="),
    **{f"Base64 of more, {user}": b64encode(f"{user}:{ADMIN}:x".encode()).decode() for user in ("a", "ab", "abc")},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_secret_is_known_in_every_form(server: RawServer, form: str) -> None:
    server.answer = lambda _request: json_answer({"message": f"cannot read {form}, try again"}, 400)
    with pytest.raises(Refused, match="hidden") as problem:
        target(server).issue("x")
    assert form not in reachable_text(problem.value)


def test_a_text_without_a_secret_is_shown(server: RawServer) -> None:
    server.answer = lambda _request: json_answer({"message": "100 % wrong: \\ \\u12 hunter2 aHVudGVy aGVsbG8gd29ybGQ="}, 400)
    with pytest.raises(Refused, match="100 % wrong"):
        target(server).issue("x")
    assert not holds("a Base64 word is no secret", Secret("Z"))


def test_a_header_that_is_repeated_is_hidden(server: RawServer) -> None:
    server.answer = lambda request: json_answer({"message": f"bad header: {request.headers['Authorization']}"}, 401)
    with pytest.raises(Denied, match="hidden") as problem:
        target(server).issue("x")
    assert b64encode(f"ops:{ADMIN}".encode()).decode() not in reachable_text(problem.value)


def test_a_body_that_is_repeated_is_hidden(server: RawServer) -> None:
    def answer(request: Request) -> Answer:
        return json_answer({"message": f"cannot parse {request.body.decode()}"}, 422)

    server.answer = answer
    with pytest.raises(Refused, match="hidden") as problem:
        target(server).issue("x")
    assert "hunter2" not in reachable_text(problem.value)


@pytest.mark.parametrize("which", ["old", "kept"])
def test_a_refused_revocation_shows_no_secret_of_a_token(server: RawServer, which: str) -> None:
    old = Credential(name="7", secret=Secret("secret-of-the-old-one"))
    kept = Credential(name="8", secret=Secret("secret-of-the-kept-one"))
    server.answer = lambda _request: json_answer({"message": f"secret-of-the-{which}-one is protected"}, 409)
    with pytest.raises(Refused, match="hidden") as problem:
        target(server).revoke(old, [kept])
    assert "secret-of" not in reachable_text(problem.value)
