"""An id is written to the ledger and shown: it never is, or tells, the token's secret."""

from __future__ import annotations

import copy
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from rotator.errors import Exit, Refused, Unreachable
from rotator.rotate import Adopt
from rotator.testing.servers.raw import Answer, RawServer, Request, json_answer
from rotator_http_token import HttpToken, HttpTokenSettings
from rotator_http_token.presets import JUPYTERHUB
from tests.plugins.http.conftest import connection, runtime
from tests.plugins.leaks import reachable_text
from tests.plugins.rotation import Rotations

TOKEN = "token-secret/9876543210"
Build = Callable[..., HttpToken]


class Service:
    """Mints tokens whose id is what `name` makes of the secret. `down`: it deletes none."""

    def __init__(self, name: Callable[[str], Any]) -> None:
        self.name, self.down = name, False
        self.alive: dict[str, str] = {}

    def __call__(self, request: Request) -> Answer:
        if request.method == "POST":
            secret = f"{TOKEN}{len(self.alive)}"
            name = self.name(secret)
            self.alive[quote(str(name), safe="", errors="surrogatepass")] = secret
            return json_answer({"id": name, "token": secret}, 201)
        if request.method == "DELETE":
            return Answer(502) if self.down or self.alive.pop(request.path.rpartition("/")[2], None) is None else Answer(204)
        return json_answer({"api_tokens": []})


@pytest.fixture
def build() -> Iterator[Build]:
    servers: list[RawServer] = []

    def make(service: Any) -> HttpToken:
        servers.append(RawServer(service))
        url = f"{servers[-1].__enter__().url}/hub/api"
        used = runtime({"admin": "admin-secret-0123456789"})
        return HttpToken(connection(url), HttpTokenSettings(principal="billing"), used)

    yield make
    for server in servers:
        server.__exit__(None, None, None)


ODD = {
    "a line end": "7\n  ok: all is well",
    "a terminal's command": "7\x1b[2J",
    "a blank that is none": "7\u200b",
    "half a character": "7\ud800",
    "too long": "7" * 257,
}


@pytest.mark.parametrize("name", ODD.values(), ids=ODD.keys())
def test_a_list_with_an_id_that_cannot_be_shown_counts_for_nothing(build: Build, name: str) -> None:
    plugin = build(lambda _request: json_answer({"api_tokens": [{"id": 1}, {"id": name}]}))
    for call in (plugin.live, lambda: plugin.check([])):
        with pytest.raises(Unreachable, match="list: an item's id cannot be shown") as problem:
            call()
        assert name not in reachable_text(problem.value)
        assert name not in str(problem.value)


@pytest.mark.parametrize("name", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("down", [False, True])
def test_a_token_whose_id_cannot_be_shown_is_taken_back_where_that_can_be_and_never_named(build: Build, name: str, down: bool) -> None:
    service = Service(lambda secret: name)
    service.down = down
    with pytest.raises((Refused, Unreachable), match="the id in the answer cannot be shown") as problem:
        build(service).issue("x")
    taken = not down and "\ud800" not in name  # such a one can stand in no URL
    assert (type(problem.value), service.alive == {}) == ((Refused, True) if taken else (Unreachable, False))
    assert name not in str(problem.value)
    assert TOKEN not in reachable_text(problem.value)


@pytest.mark.parametrize("name", [0, 7, 10**300, "é ü/?#", "7" * 256])
def test_a_number_and_a_printable_text_are_ids(build: Build, name: Any) -> None:
    plugin = build(lambda _request: json_answer({"api_tokens": [{"id": name}]}))
    assert [each.id for each in plugin.live()] == [str(name)]


TELLING: dict[str, Callable[[str], Any]] = {
    "the secret itself": lambda secret: secret,
    "more than the secret": lambda secret: f"tok_{secret}",
    "the secret, percent-encoded": lambda secret: quote(secret, safe=""),
    "the secret in Base64": lambda secret: b64encode(secret.encode()).decode(),
    "nearly all of the secret": lambda secret: secret[:-4],
}


@pytest.mark.parametrize("name", TELLING.values(), ids=TELLING.keys())
def test_a_token_whose_id_tells_its_secret_is_taken_back_and_refused(build: Build, name: Callable[[str], Any]) -> None:
    service = Service(name)
    with pytest.raises(Refused, match=r"tells the token's secret.*taken back") as problem:
        build(service).issue("x")
    assert service.alive == {}
    assert "`create.id`" in str(problem.value.fix)
    assert TOKEN[:12] not in reachable_text(problem.value)
    assert str(name(TOKEN))[:12] not in reachable_text(problem.value)


@pytest.mark.parametrize("name", TELLING.values(), ids=TELLING.keys())
def test_a_token_whose_id_tells_its_secret_and_that_stays_is_told_without_its_name(build: Build, name: Callable[[str], Any]) -> None:
    service = Service(name)
    service.down = True
    with pytest.raises(Unreachable, match="could not be taken back") as problem:
        build(service).issue("x")
    assert "revoke it" in str(problem.value.fix)
    assert TOKEN[:12] not in reachable_text(problem.value)
    assert str(name(TOKEN))[:12] not in reachable_text(problem.value)


@pytest.mark.parametrize("name", [7, 2**70, "9876543210", "key-1", "token-secre"])
def test_an_id_that_leaves_the_secret_untold_is_taken(build: Build, name: Any) -> None:
    service = Service(lambda secret: name)
    minted = build(service).issue("x")
    assert (minted.name, minted.secret and minted.secret.reveal()) == (str(name), f"{TOKEN}0")


def test_a_token_of_an_id_and_a_long_rest_is_taken(build: Build) -> None:
    long = "0c1f3a52-7b7e-4a86-b9a5-2f6f6f9d9f11"
    service = Service(lambda secret: long)
    plugin = build(
        lambda request: json_answer({"id": long, "token": f"{long}.{TOKEN}"}, 201) if request.method == "POST" else service(request)
    )
    assert plugin.issue("x").name == long


def test_no_record_and_no_event_holds_a_secret_that_a_service_gives_as_an_id(build: Build) -> None:
    service = Service(lambda secret: secret)
    plugin = build(service)
    rotations = Rotations(lambda: plugin)
    result = rotations.run(Adopt(new=True))
    assert result.exit is Exit.FAILED
    assert "tells the token's secret" in result.message
    assert service.alive == {}
    assert TOKEN not in f"{result} {rotations.record} {rotations.events}"


def shape(**calls: dict[str, Any]) -> dict[str, Any]:
    tokens = copy.deepcopy(JUPYTERHUB)
    for call, keys in calls.items():
        tokens[call] |= keys
    return tokens


@pytest.mark.parametrize(
    ("calls", "says"),
    [
        ({"create": {"id": "token"}}, "`id` reads the secret"),
        ({"create": {"id": ' @."token"'}}, "`id` reads the secret"),
        ({"create": {"id": "data.token", "secret": 'data . "token"'}}, "`id` reads the secret"),
        ({"list": {"id": "token"}}, "`list.id` names the field of `create.secret`"),
        ({"list": {"id": "token"}, "create": {"id": "data.id", "secret": "data.token"}}, "`list.id` names the field of `create.secret`"),
    ],
)
def test_an_id_that_reads_the_secret_is_an_error_as_files_are_read(calls: dict[str, dict[str, Any]], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as problem:
        connection("https://hub.internal", tokens=shape(**calls))
    assert "written to the ledger" in str(problem.value)


@pytest.mark.parametrize(
    "calls",
    [
        {"create": {"id": "token.id", "secret": "token.value"}},
        {"create": {"id": "id.value", "secret": "secret.value"}, "list": {"id": "value"}},
        {"create": {"secret": "id.token"}},
    ],
)
def test_an_id_beside_the_secret_is_no_error(calls: dict[str, dict[str, Any]]) -> None:
    assert connection("https://hub.internal", tokens=shape(**calls)).tokens.create.id
