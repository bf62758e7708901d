"""The proof of a ledger. Pure: rows and heads in, a report out.

1. Each chain is walked back from its head, by `prev`: the head names an event by its hash, that event names the one before it.
2. What the walk reaches must be there, unaltered, and stand in its order; else the chain is tampered with, and the first bad seq is named.
3. Rows that the walk does not reach are not anchored, and listed: a killed run's (they share seq with its successor's), those above the
   head, copies, insertions.
4. Without a head a chain can only hang together in itself. For the ledger's own chain no store keeps a head, so that is all there is,
   unless a heads file names one.

Not found: a cut above the head; without a head also a cut at the end and a chain that was rewritten as a whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rotator.audit import LEDGER_CHAIN, Row
from rotator.ledgers.nodes import Node, node_of
from rotator.ledgers.report import ChainReport, Loose, Report, Verdict
from rotator.record import Head

Fault = tuple[int, str]
"""A seq, and what is wrong there."""


def verify(rows: Iterable[Row], heads: Mapping[str, Head | None] | None) -> Report:
    """Prove each chain of a ledger, and each head. Rows come in their order.

    A head of None: its record was read and has no event yet. `heads` itself None: no heads were at hand, nothing is compared.
    """
    nodes: dict[str, list[Node]] = defaultdict(list)
    for row in rows:
        nodes[row.chain].append(node_of(row))
    return judge(nodes, heads)


def judge(nodes: Mapping[str, Sequence[Node]], heads: Mapping[str, Head | None] | None) -> Report:
    """`verify`, of rows that were read already."""
    known = heads or {}
    names = sorted({*nodes, *known})
    return Report(tuple(_chain(name, nodes.get(name, ()), known) for name in names), compared=heads is not None)


def _chain(name: str, nodes: Sequence[Node], heads: Mapping[str, Head | None]) -> ChainReport:
    own = name == LEDGER_CHAIN
    fault = _strict(nodes) if own else None
    if name not in heads:
        return _headless(name, nodes, fault if own else _linked(nodes), own=own)
    head = heads[name]
    walk = _Walk(nodes)
    found = walk.back(head) if head else None
    first = min(filter(None, (found, fault)), default=None)
    return ChainReport(
        chain=name,
        verdict=Verdict.TAMPERED if first else Verdict.WHOLE,
        anchored=len(walk.reached),
        head=head.seq if head else None,
        first_bad=first[0] if first else None,
        why=first[1] if first else "",
        loose=walk.loose(head.seq if head else 0),
    )


def _headless(name: str, nodes: Sequence[Node], fault: Fault | None, *, own: bool) -> ChainReport:
    """Nothing outside of the ledger speaks for it."""
    if fault:
        return ChainReport(name, Verdict.TAMPERED, 0, None, *fault)
    if own:
        return ChainReport(name, Verdict.WHOLE, 0, None, why=f"its {len(nodes)} events hang together; no head tells of a cut at their end")
    why = f"no record names a head for its {len(nodes)} rows"
    return ChainReport(name, Verdict.NOT_COMPARED, 0, None, why=why, loose=tuple(_copies(nodes)))


def _copies(nodes: Sequence[Node]) -> Iterator[Loose]:
    """Rows that stand there twice."""
    rows: dict[str, int] = {}
    for node in nodes:
        if node.digest in rows:
            yield Loose(node.row, node.seq, f"it repeats row {rows[node.digest]}")
        rows.setdefault(node.digest, node.row)


def _strict(nodes: Sequence[Node]) -> Fault | None:
    """The first fault of a chain in which each event follows the one before it: it is written under one lock."""
    seq, prev = 1, ""
    for node in nodes:
        if node.fault:
            return seq, f"row {node.row}: {node.fault}"
        if (node.seq, node.prev) != (seq, prev):
            return seq, f"row {node.row} does not follow the one before it"
        seq, prev = seq + 1, node.digest
    return None


def _linked(nodes: Sequence[Node]) -> Fault | None:
    """The first fault of a chain in which each event follows one that stands before it: killed runs leave branches."""
    seen: dict[str, int] = {"": 0}
    for node in nodes:
        if node.fault:
            return node.seq or max(seen.values()) + 1, f"row {node.row}: {node.fault}"
        if seen.get(node.prev) != node.seq - 1:
            return max(node.seq - 1, 1), f"row {node.row} follows an event that does not stand before it"
        seen[node.digest] = node.seq
    return None


class _Walk:
    """The walk back from a head."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.places: dict[str, list[int]] = defaultdict(list)
        for place, node in enumerate(nodes):
            if node.seq:
                self.places[node.digest].append(place)
        self.reached: set[int] = set()
        self.gap = 0
        """The seq at which the walk ended too early; 0: it did not."""

    def back(self, head: Head) -> Fault | None:
        """Walk from the head to the first event; the lowest fault on the way. `reached` is what the head proves."""
        faults: list[Fault] = []
        hash, above, namer = head.hash, len(self.nodes), "the record's head"
        for seq in range(head.seq, 0, -1):
            place = self._place(hash, above)
            if place is None or self.nodes[place].seq != seq:
                faults.append(self._gap(seq, namer))
                break
            node = self.nodes[place]
            if node.fault:
                faults.append((seq, f"row {node.row}: {node.fault}"))
            if place > above:
                faults.append((seq, f"row {node.row} stands after the event that follows it"))
            self.reached.add(place)
            hash, above, namer = node.prev, place, f"seq {seq}"
        else:
            if hash:
                faults.append((1, "the first event names one before it"))
        return min(faults, default=None)

    def _place(self, hash: str, above: int) -> int | None:
        """Where the event with this hash stands: the last such row above which its follower stands; else the last."""
        places = self.places.get(hash)
        if not places:
            return None
        before = bisect_left(places, above)
        return places[before - 1] if before else places[-1]

    def _gap(self, seq: int, namer: str) -> Fault:
        """The event that `namer` names is not there. From the beginning the chain may hang together for less than up to it."""
        self.gap = seq
        whole = self._from_the_beginning()
        if whole + 1 < seq:
            return whole + 1, f"{self._instead(whole + 1)}; the walk back from the head ends at seq {seq}, which {namer} names"
        return seq, f"{self._instead(seq)}, though {namer} names it"

    def _from_the_beginning(self) -> int:
        """Up to which seq the chain hangs together by itself."""
        rooted = {"": 0}
        for node in self.nodes:
            if not node.fault and rooted.get(node.prev) == node.seq - 1:
                rooted[node.digest] = node.seq
        return max(rooted.values())

    def _instead(self, seq: int) -> str:
        """What stands where the event with this seq should."""
        there = [node for node in self.nodes if node.seq == seq]
        altered = next((node for node in there if node.fault), None)
        if altered:
            return f"row {altered.row}: {altered.fault}"
        if there:
            return f"row {there[0].row} is another event than the one meant: it, or what stands before it, was rewritten"
        return "the event is missing"

    def loose(self, head: int) -> tuple[Loose, ...]:
        """The rows that the walk did not reach. Below a gap nothing is proven, so only rows with a fault are listed there."""
        proven = {self.nodes[place].digest: self.nodes[place].row for place in self.reached}
        out = []
        for place, node in enumerate(self.nodes):
            if place not in self.reached and (node.fault or node.seq >= self.gap):
                out.append(Loose(node.row, node.seq, _why(node, head, proven)))
        return tuple(out)


def _why(node: Node, head: int, proven: Mapping[str, int]) -> str:
    """Why a row is not anchored."""
    if node.digest in proven:
        return f"it repeats row {proven[node.digest]}"
    if node.fault:
        return node.fault
    if node.seq > head:
        return "it is above the head: a run goes on, was killed, or began after the head was read"
    return "it is off the chain: a killed run left it, or somebody put it there"
