"""A ledger in memory: the contract without a disk, and with a switch that makes it fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

from rotator.audit import LEDGER_CHAIN, Event, Ledger, Row, link
from rotator.errors import LedgerFailed
from rotator.model import changed
from rotator.record import Head


class MemoryLedger(Ledger):
    """Rows in a list; `fails` makes every append fail."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.fails = False
        self.loose_head: Head | None = None

    def append(self, events: Sequence[Event]) -> None:
        if self.fails:
            raise LedgerFailed("the ledger takes no events: no space left", where="memory")
        self.events.extend(events)

    def append_loose(self, event: Event) -> None:
        linked, head = link([event], self.loose_head)
        assert event.chain == LEDGER_CHAIN
        self.append(linked)
        self.loose_head = head

    def rows(self, chain: str | None = None) -> Iterator[Row]:
        for number, each in enumerate(self.events, 1):
            if chain in (None, each.chain):
                yield Row(number, each.chain, each.line())

    def close(self) -> None:
        return


def numbering() -> Callable[[Iterable[Event], Head | None], tuple[list[Event], Head | None]]:
    """A `link` that numbers events where `audit.link` digests them: a fifth of the time of a history, for many thousands of them. That the
    hash of an event is its digest, other tests show; the chain is walked all the same.
    """
    number = count(1)

    def numbered(events: Iterable[Event], head: Head | None) -> tuple[list[Event], Head | None]:
        linked = []
        for each in events:
            seq, prev = (head.seq + 1, head.hash) if head else (1, "")
            head = Head(seq, f"{next(number)}")
            linked.append(changed(each, seq=seq, prev=prev, hash=head.hash))
        return linked, head

    return numbered
