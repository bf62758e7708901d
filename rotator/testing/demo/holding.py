"""A relay that lets a request through to the server, and keeps the reply to itself."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from rotator.testing.servers.relay import Relay

TAIL = 256
"""Bytes of the last piece that are kept, so that a pattern is found across two."""


class HoldingRelay(Relay):
    """In front of a server on 127.0.0.1. A context manager; `hold` arms it for one request."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._server, self._pattern = port, b""
        self._deaf: set[socket.socket] = set()
        self.held = threading.Event()
        """The server has answered the request that was to be held."""
        self.reply = b""
        """What it answered: it went to nobody."""

    def hold(self, pattern: bytes) -> None:
        """Of the next request that has these bytes in it, keep the reply."""
        self.held.clear()
        self.reply, self._pattern = b"", pattern

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            if one.getpeername()[1] == self._server:
                self._replies(one, other)
            else:
                self._requests(one, other)
        super()._pump(one, other)  # there is nothing more to read: it closes both

    def _requests(self, one: socket.socket, other: socket.socket) -> None:
        tail = b""
        while data := one.recv(65536):
            if self._pattern and self._pattern in tail + data:
                self._pattern = b""
                self._deaf.add(other)
            tail = data[-TAIL:]
            other.sendall(data)

    def _replies(self, one: socket.socket, other: socket.socket) -> None:
        while data := one.recv(65536):
            if one in self._deaf:
                self.reply += data
                self.held.set()
            else:
                other.sendall(data)
