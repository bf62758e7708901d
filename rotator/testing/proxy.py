"""A lossy proxy: it loses requests before the server sees them, and replies after it did. Seeded."""

from __future__ import annotations

import random
import threading
from collections import Counter

from rotator.testing.wire import Pair, Wire


class LossyProxy(Wire):
    """Loses `rate` of what clients send at once (a request, or a part of one), half of it on the way back.

    To lose something is to cut its connection: the client never learns which it was. `armed`: off at first. `passed` counts what
    clients sent while it was armed, `lost` requests and replies.
    """

    def __init__(self, port: int, *, seed: int | str, rate: float) -> None:
        super().__init__(port)
        self.rate, self.armed, self.passed = rate, False, 0
        self.lost: Counter[str] = Counter()
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._mute: set[Pair] = set()

    def asked(self, pair: Pair, _data: bytes) -> bool:
        """Draw what becomes of it."""
        with self._lock:
            self.passed += self.armed
            drawn = self._random.random()
            fate = None if not self.armed or drawn >= self.rate else "request" if drawn < self.rate / 2 else "reply"
            if fate:
                self.lost[fate] += 1
        if fate == "reply":
            self._mute.add(pair)
        return fate != "request"

    def answered(self, pair: Pair, _data: bytes) -> bool:
        """The answer to a request whose reply is lost."""
        return pair not in self._mute
