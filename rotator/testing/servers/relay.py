"""A TCP relay in front of a server, to take it away or to freeze it without touching it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self


class Relay:
    """Listens on a port of 127.0.0.1 of its own and hands all bytes to `port`. A context manager.

    `down()`: nobody listens and open connections are cut. `frozen()`: connections are taken, and nothing is passed on.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._pass = threading.Event()
        self._pass.set()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._pass.set()
        self._cut()

    @contextmanager
    def down(self) -> Iterator[None]:
        """As if the server had ended."""
        self._cut()
        try:
            yield
        finally:
            self._listen()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """As if the server had stopped in its tracks."""
        self._pass.clear()
        try:
            yield
        finally:
            self._pass.set()

    def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _cut(self) -> None:
        listener, self._listener = self._listener, None
        for each in (listener, *self._open):
            if each is not None:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._open |= {client, server}
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                self._pass.wait()
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
            self._open.discard(each)
