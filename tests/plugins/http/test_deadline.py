"""`Runtime.timeout` is for one call of the contract, however many requests, reads and bytes it takes."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from rotator.errors import Unreachable
from rotator.model import Credential, Secret
from rotator.testing.servers.raw import Answer, RawServer, Request, json_answer
from rotator_http_token import HttpToken, HttpTokenSettings
from rotator_http_token.deadline import Deadline
from tests.plugins.http.conftest import connection, runtime
from tests.plugins.http.test_pages import asked, body, shape

TIMEOUT, LATE = 1.0, 0.5
"""Seconds: what a call has, and what the machine may need beside it."""
TOKEN = Credential(name="a7", secret=Secret("token-secret-9876543210"))
WHO = b'{"name": "billing", "token_id": "a7"}'


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(lambda _request: Answer(500)) as raw:
        yield raw


@pytest.fixture
def build() -> Iterator[Callable[[str], HttpToken]]:
    made: list[HttpToken] = []

    def target(url: str) -> HttpToken:
        settings = connection(f"{url}/hub/api", tokens=shape({"page": "page"}))
        made.append(HttpToken(settings, HttpTokenSettings(principal="billing"), runtime({"admin": "admin-secret-01"}, timeout=TIMEOUT)))
        return made[-1]

    yield target
    for each in made:
        each.close()


def ends_in_time(call: Callable[[], object]) -> None:
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        call()
    assert time.monotonic() - begun < TIMEOUT + LATE


def slowly(seconds: float, answer: Answer) -> Answer:
    time.sleep(seconds)
    return answer


def test_a_body_that_comes_byte_by_byte_ends_with_the_call(server: RawServer, build: Callable[[str], HttpToken]) -> None:
    server.answer = lambda _request: Answer(200, {"Content-Length": str(len(WHO))}, [bytes([each]) for each in WHO], pause=0.1)
    ends_in_time(lambda: build(server.url).verify(TOKEN))


def test_headers_that_come_byte_by_byte_end_with_the_call(build: Callable[[str], HttpToken]) -> None:
    stopping = threading.Event()

    def drip(listening: socket.socket) -> None:
        peer, _ = listening.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            for _ in range(40):
                if stopping.wait(0.1):
                    return
                with suppress(OSError):  # the client had enough
                    peer.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=drip, args=(listening,), daemon=True)
        serving.start()
        try:
            ends_in_time(lambda: build(f"http://127.0.0.1:{listening.getsockname()[1]}").verify(TOKEN))
        finally:
            stopping.set()
            serving.join()


def test_pages_that_each_come_in_time_end_with_the_call(server: RawServer, build: Callable[[str], HttpToken]) -> None:
    server.answer = lambda request: slowly(0.3, json_answer(body([asked(request)["page"]][: int(asked(request)["page"]) < 9])))
    ends_in_time(lambda: build(server.url).live())
    assert len(server.requests) <= 4


def test_a_list_and_a_login_of_one_call_have_one_deadline(server: RawServer, build: Callable[[str], HttpToken]) -> None:
    def answer(request: Request) -> Answer:
        if "tokens" in request.path:
            return slowly(0.7, json_answer(body([])))
        return slowly(0.7, json_answer({"status": 403, "message": None}, 403))

    server.answer = answer
    target = build(server.url)
    ends_in_time(lambda: target.confirm_dead(TOKEN))
    target.close()
    begun = time.monotonic()
    assert target.live() == [], "the next call has all of its time"
    assert time.monotonic() - begun > 0.6


def test_a_deadline_within_another_ends_with_it_and_the_next_one_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(100.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    deadline = Deadline(3.0)
    with deadline.running():  # from 100 to 103
        assert deadline.left() == 2.0
        with deadline.running():
            assert deadline.left(0.5) == 0.5
        with pytest.raises(TimeoutError):
            deadline.left()
    with deadline.running():
        assert deadline.left(None) == 2.0
