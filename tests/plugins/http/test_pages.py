"""Lists of several pages by number, by a cursor and by a URL in the body: the whole list, or none of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from rotator.errors import PortError, Refused, Unreachable
from rotator.model import Credential, Level
from rotator.testing.servers.raw import Answer, RawServer, Request, json_answer
from rotator_http_token import HttpToken, HttpTokenSettings
from rotator_http_token.presets import JUPYTERHUB
from tests.plugins.http.conftest import connection, runtime

LIST = "/hub/api/users/billing/tokens"
Reply = Callable[[dict[str, str]], dict[str, Any]]


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(lambda _request: Answer(500)) as raw:
        yield raw


def shape(how: Any, **keys: Any) -> dict[str, Any]:
    tokens = copy.deepcopy(JUPYTERHUB)
    tokens["list"] |= {"next": how, **keys}
    return tokens


def target(server: RawServer, how: Any, **keys: Any) -> HttpToken:
    used = runtime({"admin": "admin-secret-0123456789"})
    return HttpToken(connection(f"{server.url}/hub/api", tokens=shape(how, **keys)), HttpTokenSettings(principal="billing"), used)


def asked(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}


def body(ids: list[str], **more: Any) -> dict[str, Any]:
    return {"api_tokens": [{"id": each} for each in ids], **more}


def serve(server: RawServer, reply: Reply) -> None:
    server.answer = lambda request: json_answer(reply(asked(request)))


def ids(plugin: HttpToken) -> list[str]:
    try:
        return [each.id for each in plugin.live()]
    finally:
        plugin.close()


def queries(server: RawServer) -> list[str]:
    return [urlsplit(each.path).query for each in server.requests]


NUMBERED = {"1": ["a", "b"], "2": ["c"], "3": []}


def test_pages_are_numbered_until_one_is_empty_and_read_twice(server: RawServer) -> None:
    serve(server, lambda query: body(NUMBERED[query["page"]]))
    assert ids(target(server, {"page": "page"}, query={"limit": "2"})) == ["a", "b", "c"]
    assert queries(server) == ["limit=2&page=1", "limit=2&page=2", "limit=2&page=3"] * 2


def test_a_page_that_is_empty_is_a_page_and_the_list_is_read_twice(server: RawServer) -> None:
    """It may have become empty since the one before it was read."""
    serve(server, lambda query: body(["a"] if query["page[number]"] == "0" else []))
    assert ids(target(server, {"page": "page[number]", "first": 0})) == ["a"]
    assert queries(server) == ["page%5Bnumber%5D=0", "page%5Bnumber%5D=1"] * 2


@pytest.mark.parametrize("how", [None, "link", {"cursor": "meta.next", "query": "after"}, {"url": "meta.next"}])
def test_a_list_of_one_page_is_read_once(server: RawServer, how: Any) -> None:
    serve(server, lambda _query: body(["a"]))
    assert ids(target(server, how)) == ["a"]
    assert len(server.requests) == 1


def test_an_empty_list_is_empty(server: RawServer) -> None:
    serve(server, lambda _query: body([]))
    assert ids(target(server, {"page": "page"})) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("end", [None, "", False])
def test_a_cursor_is_followed_until_there_is_none_and_the_list_is_read_twice(server: RawServer, end: Any) -> None:
    following = {None: 17, "17": "a&b=c", "a&b=c": end}
    serve(server, lambda query: body([query.get("after", "first")], meta={"next": following[query.get("after")]}))
    assert ids(target(server, {"cursor": "meta.next", "query": "after"})) == ["first", "17", "a&b=c"]
    assert queries(server) == ["", "after=17", "after=a%26b%3Dc"] * 2


def test_a_cursor_that_the_body_does_not_hold_is_the_end(server: RawServer) -> None:
    serve(server, lambda _query: body(["a"]))
    assert ids(target(server, {"cursor": "meta.next", "query": "after"})) == ["a"]


def test_a_url_in_the_body_is_followed(server: RawServer) -> None:
    pages = {None: (["a"], f"{LIST}?page=2"), "2": (["b"], f"{server.url}{LIST}?page=3"), "3": (["c"], "")}

    def reply(query: dict[str, str]) -> dict[str, Any]:
        found, url = pages[query.get("page")]
        return body(found, urls={"next": url})

    serve(server, reply)
    assert ids(target(server, {"url": "urls.next"})) == ["a", "b", "c"]


def test_a_url_in_the_body_to_another_origin_gets_neither_the_call_nor_the_secret(server: RawServer) -> None:
    with RawServer(lambda _request: json_answer(body([]))) as other:
        for url in (other.url + LIST, f"//127.0.0.1:{other.url.rpartition(':')[2]}/", "http://localhost:1/", "file:///etc/passwd"):
            serve(server, lambda _query, url=url: body(["a"], urls={"next": url}))  # type: ignore[misc]  # a default binds the loop's value
            with pytest.raises(Unreachable):
                ids(target(server, {"url": "urls.next"}))
        assert other.requests == []


@pytest.mark.parametrize("how", [{"cursor": "meta.next", "query": "after"}, {"url": "meta.next"}], ids=["cursor", "url"])
@pytest.mark.parametrize("told", [True, ["x"], {"a": 1}, 1.5])
def test_what_is_no_cursor_and_no_url_makes_the_list_worthless(server: RawServer, how: Any, told: Any) -> None:
    serve(server, lambda _query: body(["a"], meta={"next": told}))
    with pytest.raises(Unreachable, match="neither a text nor a number"):
        ids(target(server, how))


@pytest.mark.parametrize("how", [{"cursor": "meta.next", "query": "after"}, {"url": "meta.next"}], ids=["cursor", "url"])
def test_a_list_that_leads_in_a_circle_is_unreachable(server: RawServer, how: Any) -> None:
    def reply(query: dict[str, str]) -> dict[str, Any]:
        following = "2" if query.get("after", "1") == "1" else "1"
        return body([following], meta={"next": following if "cursor" in how else f"{LIST}?after={following}"})

    serve(server, reply)
    with pytest.raises(Unreachable, match="no end"):
        ids(target(server, how))


def test_a_service_that_does_not_read_the_number_is_found_by_its_second_page(server: RawServer) -> None:
    serve(server, lambda _query: body(["a", "b"]))
    with pytest.raises(Unreachable, match="two pages are the same") as problem:
        ids(target(server, {"page": "p"}))
    assert "parameter" in str(problem.value.fix)
    assert len(server.requests) == 2


def test_numbers_without_end_are_given_up(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rotator_http_token.pages.MOST", 20)
    serve(server, lambda query: body([query["page"]]))
    with pytest.raises(Unreachable, match="no end"):
        ids(target(server, {"page": "page"}))
    assert len(server.requests) == 20


def test_a_token_that_vanishes_between_two_pages_hides_no_other_one(server: RawServer) -> None:
    tokens = ["a", "b", "c", "d"]

    def reply(query: dict[str, str]) -> dict[str, Any]:
        at = 2 * int(query["page"]) - 2
        shown = body(tokens[at : at + 2])
        if "b" in tokens and at == 0:
            tokens.remove("b")  # c moves to the page that was just read
        return shown

    serve(server, reply)
    with pytest.raises(Unreachable, match="changed while its pages were read"):
        ids(target(server, {"page": "page"}))
    assert ids(target(server, {"page": "page"})) == ["a", "c", "d"]


def shifting(server: RawServer, tokens: list[str]) -> None:
    """Pages of two, told in every way; once the first one has been answered, the first token goes and the others move up."""

    def answer(request: Request) -> Answer:
        query = asked(request)
        at = int(query["offset"]) if "offset" in query else 2 * int(query.get("page", "1")) - 2
        end = at + 2 if at + 2 < len(tokens) else None
        url = f"{LIST}?offset={end}" if end else None
        link = {"Link": f'<{url}>; rel="next"'} if url else {}
        shown = json_answer(body(tokens[at : at + 2], meta={"offset": end, "page": end and at // 2 + 2, "url": url}), **link)
        if at == 0 and "a" in tokens:
            tokens.remove("a")
        return shown

    server.answer = answer


WAYS = {
    "page": {"page": "page"},
    "link": "link",
    "url": {"url": "meta.url"},
    "offset": {"cursor": "meta.offset", "query": "offset"},
    "number": {"cursor": "meta.page", "query": "page"},
}


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("tokens", ["abc", "abcde"], ids=["the last page becomes empty", "another moves up"])
def test_a_token_that_vanishes_hides_no_other_one_in_any_way_of_paging(server: RawServer, how: Any, tokens: str) -> None:
    shifting(server, list(tokens))
    with pytest.raises(Unreachable, match="changed while its pages were read"):
        target(server, how).confirm_dead(Credential(name="c", secret=None))
    assert ids(target(server, how)) == list(tokens[1:])


@pytest.mark.parametrize(("answer", "error"), [(Answer(502), Unreachable), (json_answer({"message": "no"}, 404), Refused)])
def test_a_later_page_that_does_not_come_makes_the_list_worthless(server: RawServer, answer: Answer, error: type[PortError]) -> None:
    server.answer = lambda request: json_answer(body(["a"])) if asked(request)["page"] == "1" else answer
    with pytest.raises(error):
        ids(target(server, {"page": "page"}))


def test_a_service_that_refuses_the_page_behind_the_last_is_told_by_its_page_and_is_no_missing_principal(server: RawServer) -> None:
    refused = json_answer({"message": "invalid page"}, 404)
    server.answer = lambda request: json_answer(body(["a"])) if asked(request).get("page") == "1" else refused
    (found, *_) = target(server, {"page": "page"}).check([])
    assert (found.level, found.code) == (Level.FAIL, "fitness")
    assert "list, page 2: the service will not do this (HTTP 404)" in found.text
    assert "correct `next`" in str(found.fix)
    server.answer = lambda _request: refused
    (found, *_) = target(server, {"page": "page"}).check([])
    assert (found.code, "page 2" in found.text) == ("principal.missing", False)


@pytest.mark.parametrize("told", [{}, {"api_tokens": None}, {"api_tokens": {"1": {}}}, None])
def test_a_page_in_which_items_finds_no_list_says_so(server: RawServer, told: Any) -> None:
    server.answer = lambda _request: json_answer(told)
    with pytest.raises(Unreachable, match="`items` finds no list") as problem:
        ids(target(server, None))
    assert "`items`" in str(problem.value.fix)
    server.answer = lambda request: json_answer(body(["a"]) if asked(request)["page"] == "1" else told)
    with pytest.raises(Unreachable, match="list, page 2: HTTP 200, and `items` finds no list"):
        ids(target(server, {"page": "page"}))


@pytest.mark.parametrize(
    ("how", "keys", "says"),
    [
        ("links", {}, "valid dictionary"),
        ({}, {}, "give one of"),
        ({"page": "page", "url": "x"}, {}, "give one of"),
        ({"link": True, "page": "page"}, {}, "give one of"),
        ({"cursor": "meta.next"}, {}, "go together"),
        ({"page": "page", "query": "after"}, {}, "go together"),
        ({"url": "x", "first": 1}, {}, "number of the first"),
        ({"page": "page", "first": -1}, {}, "greater than or equal"),
        ({"page": "a&b"}, {}, "pattern"),
        ({"cursor": "x[", "query": "after"}, {}, "no JMESPath"),
        ({"page": "page"}, {"query": {"page": "1"}}, "sets the parameter"),
        ({"page": "page"}, {"items": "api_tokens[?active]"}, "would look like the end"),
    ],
)
def test_a_way_on_that_is_none_is_an_error(how: Any, keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        connection("https://hub.internal", tokens=shape(how, **keys))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({}, "give either"),
        ({"minimum": 1}, "give either"),
        ({"allow": ["1"], "minimum": 1, "maximum": 2}, "give either"),
        ({"allow": ["1"], "maximum": 2}, "give either"),
        ({"minimum": 2, "maximum": 1}, "above"),
        ({"minimum": "1", "maximum": 2}, "integer"),
        ({"minimum": True, "maximum": 2}, "integer"),
    ],
)
def test_a_rule_for_a_parameter_is_patterns_or_a_range(rule: dict[str, Any], says: str) -> None:
    tokens = copy.deepcopy(JUPYTERHUB) | {"params": {"days": rule}}
    tokens["create"]["query"] = {"days": "{params.days}"}
    with pytest.raises(ValidationError, match=says):
        connection("https://hub.internal", tokens=tokens)
