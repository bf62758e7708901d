"""A tap: a TCP relay that keeps every byte that clients send to a server, connection by connection."""

from __future__ import annotations

import threading

from rotator.testing.wire import Pair, Wire


class Tap(Wire):
    """Keeps what comes in; nothing is lost."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._lock = threading.Lock()
        self._streams: dict[Pair, bytearray] = {}

    def taken(self) -> list[bytes]:
        """What came in since this was last asked, a connection each: ask while none is open."""
        with self._lock:
            streams, self._streams = self._streams, {}
        return [bytes(each) for each in streams.values()]

    def asked(self, pair: Pair, data: bytes) -> bool:
        """Keep it."""
        with self._lock:
            self._streams.setdefault(pair, bytearray()).extend(data)
        return True
