"""The Link header in every spelling that RFC 8288 allows, and in some that are only sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rotator.errors import Unreachable
from rotator.testing.servers.raw import Answer, RawServer, Request, json_answer
from rotator_http_token.links import next_target
from tests.plugins.http.test_pages import body, ids, target

LIST = "/hub/api/users/billing/tokens"
SECOND = f"<{LIST}?page=2>"
SPELLINGS = [
    f'{SECOND}; rel="next"',
    f"{SECOND}; rel=next",
    f'{SECOND}; rel="next last"',
    f'{SECOND}; rel="last next"',
    f'{SECOND};rel="last\tNEXT"',
    f'{SECOND}; rel="Next"',
    f'{SECOND}; Rel="next"',
    f"{SECOND}; REL=next",
    f'{SECOND}; title="a, b"; rel="next"',
    f'{SECOND}; title="say \\"rel=prev\\"; , <x>"; rel="next"',
    f"{SECOND}; title*=UTF-8''a%20b; rel=next",
    f'{SECOND}; rel="next";',
    f'{SECOND}; crossorigin; rel="next"',
    f'{SECOND}; rel="next"; rel="prev"',
    f'{SECOND} ; rel = "next"',
    f'{SECOND}; rel="ne\\xt"',
    f"{SECOND}; rel='next'",
    f'</x>;rel="prev", {SECOND}; rel="next"',
    f'</x>,,{SECOND};rel="next",</y>;rel="last"',
]
NONE = [
    "",
    SECOND,
    f'{SECOND}; rel="prev"',
    f'{SECOND}; rel="next-archive"',
    f'{SECOND}; rel="prev"; rel="next"',
    f'{SECOND}; title="rel=next"',
    f'{SECOND}; title="; rel=next"',
    f'{SECOND}; rev="next"',
    f'{SECOND}, rel="next"',
    f"{SECOND}; rel",
    'rel="next"',
    f"<{LIST}; rel=next",
]


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(lambda _request: Answer(500)) as raw:
        yield raw


def serve(server: RawServer, *links: str) -> None:
    def answer(request: Request) -> Answer:
        if "page=2" in request.path:
            return json_answer(body(["c"]))
        return json_answer(body(["a", "b"]), Link=", ".join(links))

    server.answer = answer


@pytest.mark.parametrize("link", SPELLINGS)
def test_a_next_page_is_found_however_its_link_is_written(server: RawServer, link: str) -> None:
    serve(server, link)
    assert ids(target(server, "link")) == ["a", "b", "c"]


@pytest.mark.parametrize("link", SPELLINGS)
def test_a_next_page_that_is_not_expected_is_seen_however_its_link_is_written(server: RawServer, link: str) -> None:
    serve(server, link)
    with pytest.raises(Unreachable, match="one page of several"):
        ids(target(server, None))


@pytest.mark.parametrize("link", NONE)
@pytest.mark.parametrize("how", ["link", None])
def test_what_is_no_link_to_a_next_page_leads_nowhere(server: RawServer, how: Any, link: str) -> None:
    serve(server, link)
    assert ids(target(server, how)) == ["a", "b"]


def test_a_long_header_takes_no_time() -> None:
    assert next_target('<x>; a="' * 20_000 + "<" * 20_000) is None
