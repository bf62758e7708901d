"""Answers of a server that is broken, in between, or hostile: never a yes, never a false no, never a secret in an error."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rotator.errors import Denied, PortError, Refused, Rejected, Unfit, Unreachable
from rotator.model import Credential, Secret
from rotator.seam import Interrupted, Seam
from rotator.testing.servers.raw import Answer, RawServer, Request, drip, flood, json_answer, silence
from rotator_http_token import HttpToken, HttpTokenSettings
from rotator_http_token.presets import JUPYTERHUB
from tests.plugins.http.conftest import connection, runtime
from tests.plugins.leaks import reachable_text

ADMIN, TOKEN = "admin-secret-0123456789", "token-secret-9876543210"
CREDENTIAL = Credential(name="a7", secret=Secret(TOKEN))
HTML = {"Content-Type": "text/html"}


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(lambda _request: Answer(500)) as raw:
        yield raw


Build = Callable[..., HttpToken]


@pytest.fixture
def build(server: RawServer) -> Iterator[Build]:
    made: list[HttpToken] = []

    def make(changes: dict[str, dict[str, Any]] | None = None, **settings: Any) -> HttpToken:
        tokens = copy.deepcopy(JUPYTERHUB)
        for call, keys in (changes or {}).items():
            tokens[call] = tokens.get(call, {}) | keys
        plugin = HttpToken(
            connection(f"{server.url}/hub/api", tokens=tokens, **settings),
            HttpTokenSettings(principal="billing"),
            runtime({"admin": ADMIN}, timeout=1.0),
        )
        made.append(plugin)
        return plugin

    yield make
    for plugin in made:
        plugin.close()


@pytest.fixture
def target(build: Build) -> HttpToken:
    return build()


CALLS: dict[str, Callable[[HttpToken], object]] = {
    "verify": lambda target: target.verify(CREDENTIAL),
    "issue": lambda target: target.issue("rotation-1"),
    "live": lambda target: target.live(),
    "check": lambda target: target.check([]),
    "revoke": lambda target: target.revoke(CREDENTIAL, []),
    "confirm_dead": lambda target: target.confirm_dead(CREDENTIAL),
}
ANSWERS: dict[str, Answer] = {
    "302": Answer(302, {"Location": "http://127.0.0.1:1/"}),
    "302 to itself with a body": Answer(302, {"Location": "/hub/api/user"}, [b"{}"]),
    "403 HTML of a firewall": Answer(403, HTML, [b"<h1>Blocked</h1>"]),
    "407 of a proxy": json_answer({"status": 407}, 407),
    "408": json_answer({"status": 408}, 408),
    "425": json_answer({"status": 425}, 425),
    "429": json_answer({"status": 429}, 429, Retry_After="7"),
    "500 JSON": json_answer({"status": 403, "message": None}, 500),
    "502": Answer(502, HTML, [b"<h1>Bad gateway</h1>"]),
    "200 HTML": Answer(200, HTML, [b"<h1>Hotel wifi</h1>"]),
    "200 {}": json_answer({}),
    "200 null": json_answer(None),
    "200 empty": Answer(200),
    "200 nested without end": Answer(200, {}, [b"[" * 200_000]),
    "200 compressed": Answer(200, {"Content-Encoding": "gzip"}, [b"\x1f\x8b\x08\x00"]),
    "no answer": Answer(drop=True),
    "half an answer": Answer(200, {"Content-Length": "1000"}, [b'{"id": "a7", "token": "x']),
    "endless": flood(),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_settles_nothing_is_unreachable_for_every_call(server: RawServer, target: HttpToken, answer: Answer) -> None:
    server.answer = lambda _request: answer
    for name, call in CALLS.items():
        server.requests.clear()
        with pytest.raises(PortError) as problem:
            call(target)
        assert type(problem.value) is Unreachable, name
        text = reachable_text(problem.value)
        assert ADMIN not in text, name
        assert TOKEN not in text, name
        sent = [(each.method, each.path) for each in server.requests]
        assert len(sent) == len(set(sent)) <= (2 if name == "check" else 1), f"{name} was repeated or redirected"


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("body", [Answer(404, HTML, [b"<h1>Not found</h1>"]), json_answer({"status": 404}, 404)], ids=["HTML", "JSON"])
def test_a_404_is_gone_for_revoke_alone_and_never_a_dead_login(server: RawServer, target: HttpToken, body: Answer, status: int) -> None:
    server.answer = lambda _request: Answer(status, body.headers, body.body)
    target.revoke(CREDENTIAL, [])
    for call in ("verify", "live", "issue"):
        with pytest.raises(PortError) as problem:
            CALLS[call](target)
        assert not isinstance(problem.value, Rejected | Denied)
    assert isinstance(problem.value, Refused) == (body.headers["Content-Type"] == "application/json")


def test_a_throttled_answer_says_when_to_come_back(server: RawServer, target: HttpToken) -> None:
    server.answer = lambda _request: json_answer({}, 429, Retry_After="7")
    for call in ("live", "issue", "revoke", "verify"):
        with pytest.raises(Unreachable) as problem:
            CALLS[call](target)
        assert problem.value.retry_after == 7.0, call


def test_a_date_to_come_back_at_becomes_seconds(server: RawServer, target: HttpToken) -> None:
    from email.utils import formatdate

    server.answer = lambda _request: json_answer({}, 503, Retry_After=formatdate(time.time() + 60, usegmt=True))
    with pytest.raises(Unreachable) as problem:
        target.live()
    assert problem.value.retry_after == pytest.approx(60, abs=3)


@pytest.mark.parametrize("told", ["\u00b2", "\u00b9\u00b3", "-5", "soon", ""])
def test_a_time_to_come_back_at_that_is_none_is_left_out(server: RawServer, target: HttpToken, told: str) -> None:
    server.answer = lambda _request: json_answer({}, 429, Retry_After=told)
    for call in CALLS.values():
        with pytest.raises(Unreachable) as problem:
            call(target)
        assert problem.value.retry_after is None


def test_the_dead_answer_of_the_service_is_the_only_no(server: RawServer, target: HttpToken) -> None:
    server.answer = lambda _request: json_answer({"status": 403, "message": None}, 403)
    with pytest.raises(Rejected):
        target.verify(CREDENTIAL)
    server.answer = lambda _request: json_answer({"status": 403, "message": "not authorized with current scopes"}, 403)
    with pytest.raises(Unfit):
        target.verify(CREDENTIAL)


def test_a_service_that_repeats_a_secret_is_not_quoted(server: RawServer, target: HttpToken) -> None:
    server.answer = lambda _request: json_answer({"status": 400, "message": f"bad header: token {ADMIN}"}, 400)
    with pytest.raises(Refused, match="hidden") as problem:
        target.issue("x")
    assert ADMIN not in reachable_text(problem.value)
    server.answer = lambda _request: json_answer({"name": TOKEN, "token_id": "a7"})
    with pytest.raises(Unfit, match="hidden") as unfit:
        target.verify(CREDENTIAL)
    assert TOKEN not in reachable_text(unfit.value)


def test_what_the_service_says_is_shortened_and_cannot_write_to_a_terminal(server: RawServer, target: HttpToken) -> None:
    server.answer = lambda _request: json_answer({"status": 400, "message": "\x1b[2J" + "x" * 5000}, 400)
    with pytest.raises(Refused) as problem:
        target.issue("x")
    assert "\x1b" not in problem.value.what
    assert len(problem.value.what) < 400


@pytest.mark.parametrize(
    "body", [{"id": "a7"}, {"token": "x"}, {"id": None, "token": "x"}, {"id": "a7", "token": ""}, {"id": True, "token": "x"}]
)
def test_an_answer_without_id_or_secret_may_have_minted_a_token(server: RawServer, target: HttpToken, body: dict[str, Any]) -> None:
    server.answer = lambda _request: json_answer(body, 201)
    with pytest.raises(Unreachable, match="may have been minted"):
        target.issue("x")


def _paged(pages: dict[str, tuple[list[str], str | None]]) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        ids, following = pages[request.path]
        link = {"Link": f'<{following}>; rel="next", </first>; rel="first"'} if following else {}
        return json_answer({"api_tokens": [{"id": each} for each in ids]}, **link)

    return answer


LIST = "/hub/api/users/billing/tokens"
PAGED = {"list": {"next": "link"}}


def test_all_pages_are_read_with_relative_and_absolute_links(server: RawServer, build: Build) -> None:
    pages = {
        LIST: (["1"], f"{LIST}?page=2"),
        f"{LIST}?page=2": (["2"], f"{server.url.upper().replace('HTTP', 'http')}{LIST}?page=3"),
        f"{LIST}?page=3": (["3"], None),
    }
    server.answer = _paged(pages)
    assert [each.id for each in build(PAGED).live()] == ["1", "2", "3"]
    assert all(each.headers["Authorization"] == f"token {ADMIN}" for each in server.requests)


def test_a_next_link_to_another_origin_gets_neither_the_call_nor_the_secret(server: RawServer, build: Build) -> None:
    with RawServer(lambda _request: json_answer({"api_tokens": []})) as other:
        port = other.url.rpartition(":")[2]
        same = server.url.rpartition(":")[2]
        for link in (
            f"{other.url}{LIST}",
            f"//127.0.0.1:{port}/",
            f"http://127.0.0.1:{same}@127.0.0.1:{port}/",
            f"http://localhost:{same}/",
            f"https://127.0.0.1:{same}/",
            f"http://127.0.0.1:{same}.evil.example/",
            "file:///etc/passwd",
        ):
            server.answer = _paged({LIST: (["1"], link)})
            with pytest.raises(Unreachable) as problem:
                build(PAGED).live()
            assert ADMIN not in reachable_text(problem.value), link
        assert other.requests == []


def test_a_list_that_turns_in_a_circle_is_unreachable(server: RawServer, build: Build) -> None:
    server.answer = _paged({LIST: (["1"], f"{LIST}?page=2"), f"{LIST}?page=2": (["2"], LIST)})
    with pytest.raises(Unreachable, match="no end"):
        build(PAGED).live()


def test_half_a_list_is_unreachable_where_paging_was_not_configured(server: RawServer, target: HttpToken) -> None:
    server.answer = _paged({LIST: (["1"], f"{LIST}?page=2")})
    with pytest.raises(Unreachable, match="one page of several"):
        target.live()


def test_a_list_that_breaks_on_its_second_page_is_unreachable(server: RawServer, build: Build) -> None:
    first = _paged({LIST: (["1"], f"{LIST}?page=2")})
    server.answer = lambda request: first(request) if request.path == LIST else Answer(502)
    with pytest.raises(Unreachable):
        build(PAGED).live()


@pytest.mark.parametrize("item", [{}, {"id": None}, {"id": ""}, "text", None])
def test_an_item_without_an_id_is_unreachable(server: RawServer, target: HttpToken, item: Any) -> None:
    server.answer = lambda _request: json_answer({"api_tokens": [item]})
    with pytest.raises(Unreachable):
        target.live()


def test_an_answer_is_read_up_to_its_limit(server: RawServer, build: Build) -> None:
    server.answer = lambda _request: Answer(200, {}, [b'{"api_tokens": []}'.ljust(4096)])
    assert build(max_bytes=4096).live() == []
    with pytest.raises(Unreachable, match="larger than 4095") as problem:
        build(max_bytes=4095).live()
    assert problem.value.fix == "raise `max_bytes`"


@pytest.mark.parametrize("answer", [drip(), drip(b" ", 0.05), silence()], ids=["one byte each 0.5 s", "fast drip", "silence"])
def test_a_call_that_never_ends_can_be_interrupted_and_closed(server: RawServer, target: HttpToken, answer: Answer) -> None:
    server.answer = lambda _request: answer
    for call in ("issue", "verify"):
        started = time.monotonic()
        with pytest.raises((Interrupted, Unreachable)), Seam().deadline(1.2):
            CALLS[call](target)
        target.close()
        assert time.monotonic() - started < 3
    server.answer = lambda _request: json_answer({"api_tokens": []})
    assert target.live() == [], "the next call reconnects"


def test_proxies_and_netrc_of_the_environment_are_ignored(
    server: RawServer, target: HttpToken, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    with RawServer(lambda _request: Answer(500)) as other:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password nothing\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        monkeypatch.setenv("ALL_PROXY", other.url)
        monkeypatch.setenv("HTTP_PROXY", other.url)
        server.answer = lambda _request: json_answer({"api_tokens": []})
        assert target.live() == []
        assert other.requests == []
    assert server.requests[0].headers["Authorization"] == f"token {ADMIN}"


def test_a_cookie_is_not_kept(server: RawServer, target: HttpToken) -> None:
    server.answer = lambda _request: json_answer({"api_tokens": []}, Set_Cookie="session=1; Path=/")
    target.live()
    target.live()
    assert "Cookie" not in server.requests[1].headers


def test_a_login_is_a_fresh_connection_without_the_admin(server: RawServer, target: HttpToken) -> None:
    server.answer = lambda _request: json_answer({"name": "billing", "token_id": "a7"})
    assert target.verify(CREDENTIAL) == "billing:a7"
    assert ADMIN not in str(server.requests[-1].headers)


def test_a_ca_that_cannot_be_read_is_said(build: Build, server: RawServer) -> None:
    with pytest.raises(Unreachable, match=r"tls\.ca"):
        build(tls={"ca": "/nowhere/ca.pem"}).live()


def test_a_call_sends_nothing_but_what_it_says(server: RawServer, target: HttpToken) -> None:
    server.answer = lambda _request: json_answer({"id": "a1", "token": "x"}, 201)
    target.issue("rotation-1")
    sent = server.requests[0]
    assert {name.lower(): value for name, value in sent.headers.items()} == {
        "host": server.url.removeprefix("http://"),
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "rotator",
        "authorization": f"token {ADMIN}",
        "content-type": "application/json",
        "content-length": "22",
    }
    assert (sent.method, sent.path, sent.body) == ("POST", "/hub/api/users/billing/tokens", b'{"note": "rotation-1"}')


def test_a_compressed_answer_is_not_unpacked(server: RawServer, target: HttpToken) -> None:
    import gzip

    body = gzip.compress(b'{"api_tokens": []}')
    server.answer = lambda _request: Answer(200, {"Content-Encoding": "gzip"}, [body])
    with pytest.raises(Unreachable, match="compressed"):
        target.live()


def test_each_login_has_a_connection_of_its_own(server: RawServer, target: HttpToken) -> None:
    server.answer = lambda _request: json_answer({"name": "billing", "token_id": "a7"})
    target.verify(CREDENTIAL)
    assert target._wire._client is None, "the login left a connection that the next one would reuse"


def test_a_refused_port_is_tried_once(target: HttpToken) -> None:
    nowhere = target.connection.model_copy(update={"base_url": "http://127.0.0.1:1"})
    with pytest.raises(Unreachable, match="ConnectError"):
        HttpToken(nowhere, target.config, target.runtime).live()


def test_headers_of_an_answer_are_never_logged(server: RawServer, target: HttpToken, caplog: pytest.LogCaptureFixture) -> None:
    server.answer = lambda _request: json_answer({"api_tokens": []}, X_Session=TOKEN)
    with caplog.at_level(logging.DEBUG):
        target.live()
    assert TOKEN not in caplog.text
