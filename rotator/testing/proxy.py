"""A lossy proxy: it loses requests before the server sees them, and replies after it did. Seeded."""

from __future__ import annotations

import random
import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass
class _Pair:
    """One connection through the proxy. To lose something is to cut it: the other side never learns which it was."""

    client: socket.socket
    server: socket.socket
    lose_reply: threading.Event = field(default_factory=threading.Event)

    def cut(self) -> None:
        for each in (self.client, self.server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class LossyProxy:
    """Listens on a free port of 127.0.0.1 and hands bytes on to `port`. A context manager.

    `rate`: the share of what clients send at once (a request, or a part of one) that is lost, half of it on the way back. `armed`: off
    at first. `lost` counts requests and replies.
    """

    def __init__(self, port: int, *, seed: int | str, rate: float) -> None:
        self._to, self.rate = port, rate
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.armed = False
        self.passed = 0
        self.lost: Counter[str] = Counter()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = _Pair(client, server)
            for pump in (self._requests, self._replies):
                threading.Thread(target=self._until_cut, args=(pump, pair), daemon=True).start()

    @staticmethod
    def _until_cut(pump: object, pair: _Pair) -> None:
        assert callable(pump)
        try:
            with suppress(OSError):
                pump(pair)
        finally:
            pair.cut()

    def _requests(self, pair: _Pair) -> None:
        while data := pair.client.recv(65536):
            fate = self._fate()
            if fate == "request":
                return
            if fate == "reply":
                pair.lose_reply.set()
            pair.server.sendall(data)

    def _replies(self, pair: _Pair) -> None:
        while data := pair.server.recv(65536):
            if pair.lose_reply.is_set():
                return
            pair.client.sendall(data)

    def _fate(self) -> str | None:
        with self._lock:
            self.passed += self.armed
            drawn = self._random.random()
            fate = None if not self.armed or drawn >= self.rate else "request" if drawn < self.rate / 2 else "reply"
            if fate:
                self.lost[fate] += 1
            return fate
