"""What both targets with two passwords side by side show of their fence: runners that pause, and runners that meet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rotator.errors import Conflict
from rotator.testing.target_contract import raised
from rotator.testing.wire import Pair, Wire

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


def refuses_a_revoke_that_was_overtaken(bench: Any, wire: Pause) -> None:
    """A later run has revoked the same one and set a third: the paused revoke takes neither."""
    new, third, later = bench.make_credential(), bench.make_credential(), bench.make_target(fence=2)
    bench.make_target().apply(new, [bench.current])

    def meanwhile() -> None:
        later.revoke(new, [bench.current])
        later.apply(third, [bench.current])

    assert isinstance(while_paused(bench, wire, lambda late: late.revoke(new, [bench.current]), meanwhile), Conflict)
    assert [bench.logs_in(each) for each in (bench.current, third)] == [True, True]


def grows_with_each_change(bench: Any, shown: Callable[[], int]) -> None:
    """`shown`: the fence as it stands at the target. Apply and revoke raise it, and no lower one is let through."""
    new = bench.make_credential()

    def apply(target: Any) -> None:
        target.apply(new, [bench.current])

    def revoke(target: Any) -> None:
        target.revoke(new, [bench.current])

    for number, change in enumerate([apply, apply, revoke, revoke], 2):
        change(bench.make_target(fence=number))
        assert shown() == number
        assert isinstance(raised(lambda change=change, number=number: change(bench.make_target(fence=number - 1))), Conflict)


def lets_one_of_several_at_once_set_its_password(bench: Any) -> None:
    """All have read the same: the others find that it is no longer so, and look again."""
    news = [bench.make_credential() for _ in range(4)]
    answers: list[BaseException | None] = []
    threads = [
        threading.Thread(target=lambda new=new: answers.append(raised(lambda: bench.make_target().apply(new, [bench.current]))))
        for new in news
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE)
    assert sorted(type(each).__name__ for each in answers) == ["Foreign", "Foreign", "Foreign", "NoneType"]
    assert [bench.logs_in(each) for each in news].count(True) == 1
    assert bench.logs_in(bench.current)
