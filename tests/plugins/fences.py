"""What both targets with two passwords side by side show of their fence: runners that pause, and runners that meet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from rotator.testing.target_contract import raised
from rotator.testing.wire import Pair, Wire

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds."""


class Pause(Wire):
    """Holds the n-th change that passes back: its runner stands between its look and its statement.

    `words`: what a request that changes something has in it, and no other.
    """

    def __init__(self, port: int, words: bytes, nth: int = 1) -> None:
        super().__init__(port)
        self.words, self.left, self.reached, self.go_on = words, nth, threading.Event(), threading.Event()

    def asked(self, _pair: Pair, data: bytes) -> bool:
        self.left -= self.words in data
        if self.words in data and self.left == 0:
            self.reached.set()
            assert self.go_on.wait(PATIENCE)
        return True


def while_paused(bench: Any, wire: Pause, change: Callable[[Any], object], meanwhile: Callable[[], object]) -> BaseException | None:
    """What `change` of a paused runner raises, when `meanwhile` has happened before its statement."""
    answers = []
    with wire:
        late = bench.make_target(fence=1, connection=bench.connection(port=wire.port))
        thread = threading.Thread(target=lambda: answers.append(raised(lambda: change(late))), daemon=True)
        thread.start()
        assert wire.reached.wait(PATIENCE)
        meanwhile()
        wire.go_on.set()
        thread.join(PATIENCE)
        late.close()
    return answers[0]


def overtaken_revoke(bench: Any, wire: Pause) -> tuple[BaseException | None, list[bool]]:
    """A later run revokes the same one and sets a third: what the paused revoke raises, and whether current and the third log in."""
    new, third, later = bench.make_credential(), bench.make_credential(), bench.make_target(fence=2)
    bench.make_target().apply(new, [bench.current])

    def meanwhile() -> None:
        later.revoke(new, [bench.current])
        later.apply(third, [bench.current])

    error = while_paused(bench, wire, lambda late: late.revoke(new, [bench.current]), meanwhile)
    return error, [bench.logs_in(each) for each in (bench.current, third)]


def each_change(bench: Any, shown: Callable[[], T]) -> Iterator[tuple[T, BaseException | None]]:
    """Apply and revoke, each twice, with fences from 2 on: what is `shown` at the target, and what the same raises with one less."""
    new = bench.make_credential()

    def apply(target: Any) -> None:
        target.apply(new, [bench.current])

    def revoke(target: Any) -> None:
        target.revoke(new, [bench.current])

    for number, change in enumerate([apply, apply, revoke, revoke], 2):
        change(bench.make_target(fence=number))
        fence = shown()
        yield fence, raised(lambda change=change, number=number: change(bench.make_target(fence=number - 1)))


def applied_at_once(bench: Any, number: int) -> tuple[list[str], list[bool]]:
    """So many runners set a password each, at once: what they raise by name, sorted; and which of the passwords log in."""
    news = [bench.make_credential() for _ in range(number)]
    answers: list[BaseException | None] = []
    threads = [
        threading.Thread(target=lambda new=new: answers.append(raised(lambda: bench.make_target().apply(new, [bench.current]))))
        for new in news
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE)
    return sorted(type(each).__name__ for each in answers), [bench.logs_in(each) for each in news]
