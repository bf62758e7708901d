"""What `verify` found, as data, as sentences and as an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from rotator.errors import Exit


class Verdict(StrEnum):
    """How a chain stands."""

    WHOLE = "whole"
    """Everything at or below its head is there, in its order, as it was written."""
    TAMPERED = "tampered"
    """Something at or below its head is missing, altered or out of order."""
    NOT_COMPARED = "not compared"
    """It hangs together, but no head outside of the ledger says so: a rewritten or shortened chain looks the same."""


@dataclass(frozen=True)
class Loose:
    """A row that no head reaches: what a killed run wrote, what came after the head was read, or what somebody put there."""

    row: int
    seq: int
    """0 where it cannot be read."""
    why: str


@dataclass(frozen=True)
class ChainReport:
    """How one chain stands."""

    chain: str
    verdict: Verdict
    anchored: int
    """Events that the head proves, from the head down to the first gap."""
    head: int | None
    """`seq` of the head; None: there is none, or it was not compared."""
    first_bad: int | None = None
    """Where it is tampered with: everything below this seq hangs together, this one does not."""
    why: str = ""
    loose: tuple[Loose, ...] = ()
    """Rows that are not anchored."""


@dataclass(frozen=True)
class Report:
    """How a ledger stands."""

    chains: tuple[ChainReport, ...]
    compared: bool
    """Whether heads from outside of the ledger were at hand."""

    @property
    def exit(self) -> Exit:
        """0 whole (rows not anchored are listed), 1 tampered with, 3 a head was not compared."""
        verdicts = {each.verdict for each in self.chains}
        if Verdict.TAMPERED in verdicts:
            return Exit.FAILED
        return Exit.UNPROVEN if Verdict.NOT_COMPARED in verdicts or not self.compared else Exit.DONE

    def document(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return {"exit": int(self.exit), "compared": self.compared, "chains": [asdict(each) for each in self.chains]}

    def sentences(self) -> Iterator[str]:
        """The report for a terminal: one line for each chain, and one for each kind of row in it that is not anchored."""
        for each in self.chains:
            bad = f" at seq {each.first_bad}" if each.first_bad is not None else ""
            yield f"{printable(each.chain)}: {each.verdict}{bad}, {each.anchored} events anchored{': ' if each.why else ''}{each.why}"
            for why, rows in groupby(each.loose, key=lambda row: row.why):
                yield f"  not anchored: {_span(list(rows))}: {why}"
        if not self.compared:
            yield "no heads were compared: a ledger that was rewritten or cut as a whole looks like this, too"


def _span(rows: list[Loose]) -> str:
    """One row, or from the first to the last of many."""
    ends = [f"row {each.row} (seq {each.seq or 'unreadable'})" for each in (rows[0], rows[-1])]
    return ends[0] if len(rows) == 1 else f"{len(rows)} rows, from {ends[0]} to {ends[1]}"


def printable(text: str) -> str:
    """Text from a ledger for a terminal: what is not printable is shown escaped, so that it moves no cursor and hides nothing."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
