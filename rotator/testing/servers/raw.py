"""A raw HTTP server for answers that no honest server gives: redirects, half bodies, endless bodies, silence."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What goes out. `body` may be endless; `pause` seconds pass before each of its pieces. `drop`: no answer at all."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()
    pause: float = 0.0
    drop: bool = False


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """An answer that holds JSON."""
    named = {key.replace("_", "-"): each for key, each in headers.items()}
    return Answer(status, {"Content-Type": "application/json", **named}, [json.dumps(value).encode()])


class RawServer:
    """Answers each request with what `answer` says, on a free port of 127.0.0.1. A context manager; remembers what came in."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def pieces(self, answer: Answer) -> Iterable[bytes]:
        """The pieces of a body, until the server stops."""
        for piece in answer.body:
            if answer.pause:
                self._stopping.wait(answer.pause)
            if self._stopping.is_set():
                return
            yield piece


def _handler(server: RawServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True  # the client had enough

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            server.requests.append(request)
            answer = server.answer(request)
            self.close_connection = True
            if answer.drop:
                return
            self.send_response(answer.status)
            for name, value in {"Connection": "close", **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in server.pieces(answer):
                self.wfile.write(piece)
                self.wfile.flush()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    return Handler


def drip(text: bytes = b" ", every: float = 0.5) -> Answer:
    """A good status, then one byte at a time for ever."""

    def forever() -> Iterable[bytes]:
        while True:
            yield text

    return Answer(200, {"Content-Type": "application/json"}, forever(), every)


def flood(piece: bytes = b"x" * 65536) -> Answer:
    """A good status, then bytes without end."""
    return drip(piece, 0.0)


def silence(seconds: float = 30.0) -> Answer:
    """Headers come, the body never does."""
    return Answer(200, {"Content-Type": "application/json"}, [b"{}"], seconds)
