"""A line between a target under test and its server, that a bench cuts and freezes: the server need not be able to do either.

Let the target talk to `line.port` of 127.0.0.1; `line.down()` and `line.frozen()` are what `Bench.down` and `Bench.frozen` ask for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rotator.testing.wire import Pair, Wire


class Line(Wire):
    """A relay to `port` of 127.0.0.1. A context manager."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._thawed = threading.Event()
        self._thawed.set()

    def asked(self, _pair: Pair, _data: bytes) -> bool:
        """While it is frozen a request waits; it is lost then, so that nothing arrives late."""
        if self._thawed.is_set():
            return True
        self._thawed.wait()
        return False

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody listens, and every open connection is cut."""
        self.cut()
        try:
            yield
        finally:
            self.listen()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Connections are taken, and nothing is answered. What was asked meanwhile never reaches the server."""
        self._thawed.clear()
        try:
            yield
        finally:
            self._thawed.set()
