"""What strict doubles of REST APIs share: one request at a time, a look before it, and a refusal as JSON."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from rotator.testing.servers.raw import Answer, RawServer, Request, json_answer


class No(Exception):
    """The request is refused with this status, and this JSON."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


class ApiServer(RawServer, ABC):
    """On a free port of 127.0.0.1. `before` sees each request, and may answer it, or change what is there, before the API does."""

    def __init__(self) -> None:
        super().__init__(self._serve)
        self.lock = threading.Lock()
        self.before: Callable[[Request], Answer | None] = lambda _: None

    @abstractmethod
    def handle(self, request: Request) -> Answer:
        """What the API does with it. May raise `No`."""

    def _serve(self, request: Request) -> Answer:
        answer = self.before(request)
        if answer is not None:
            return answer
        try:
            with self.lock:
                return self.handle(request)
        except No as no:
            return json_answer(no.body, no.status)
