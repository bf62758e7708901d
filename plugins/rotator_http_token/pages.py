"""A list of several pages: by the Link header, by number, or by a cursor or a URL in the body. Half a list is never taken for the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

from rotator.target import Unreachable
from rotator_http_token.shapes import Next
from rotator_http_token.wire import Answer, Outgoing, search

MOST = 1000
"""A list of more pages has no end."""
NO_PAGE = "correct `next`: `page` is for a list whose end is a page without items; else `link`, `cursor` or `url` tells the last page"
"""Where the service refuses a page after the first one."""


class Pages:
    """Reads one list, page after page. `send` asks for one of them, counted from 1: the answer, and the items in it."""

    def __init__(self, how: Next | None, request: Outgoing, send: Callable[[Outgoing, int], tuple[Answer, list[Any]]]) -> None:
        self._how, self._request, self._send = how, request, send

    def whole(self, id: str) -> list[Any]:
        """All items. More than one page is read twice, an empty one and a cursor's too: if a token vanishes meanwhile, another may move to
        a page that was read before. `id`: where an item holds its id. `Unreachable` as `read`, and where the list changed.
        """
        pages = self.read()
        items = _all(pages)
        if len(pages) > 1 and _ids(_all(self.read()), id) != _ids(items, id):
            raise Unreachable("list: it changed while its pages were read")
        return items

    def read(self) -> list[list[Any]]:
        """The items of every page. `Unreachable` where one does not come, or where they do not come to an end."""
        pages: list[list[Any]] = []
        asked: set[str] = set()
        request: Outgoing | None = self._first()
        while request is not None:
            if request.url in asked or len(asked) == MOST:
                raise Unreachable("list: the list has no end")
            asked.add(request.url)
            answer, items = self._send(request, len(pages) + 1)
            if items and items in pages[-1:]:
                raise Unreachable("list: two pages are the same", "does the service read the parameter that `next` names?")
            pages.append(items)
            request = self._after(request, answer, pages)
        return pages

    def _first(self) -> Outgoing:
        how = self._how
        return self._request if how is None or how.page is None else self._numbered(how, 0)

    def _numbered(self, how: Next, number: int) -> Outgoing:
        return self._request.asking(how.page or "", str((1 if how.first is None else how.first) + number))

    def _after(self, asked: Outgoing, answer: Answer, pages: list[list[Any]]) -> Outgoing | None:
        how = self._how
        if how is None or how.link:
            return self._linked(asked, answer)
        if how.page is not None:
            return self._numbered(how, len(pages)) if pages[-1] else None
        told = search(how.cursor or how.url or "", answer.body)
        if told is None or told is False or told == "":
            return None
        if not isinstance(told, str | int) or isinstance(told, bool):
            raise Unreachable("list: what should lead to the next page is neither a text nor a number")
        return asked.to(urljoin(asked.url, str(told))) if how.query is None else self._request.asking(how.query, str(told))

    def _linked(self, asked: Outgoing, answer: Answer) -> Outgoing | None:
        url = answer.next_url(asked.url)
        if url is not None and self._how is None:
            raise Unreachable("list: the answer is one page of several", "say under `list` how it goes on, such as `next: link`")
        return None if url is None else asked.to(url)


def _all(pages: list[list[Any]]) -> list[Any]:
    return [item for page in pages for item in page]


def _ids(items: list[Any], id: str) -> set[str]:
    return {str(search(id, each)) for each in items}
