"""What `rotator audit show`, `verify` and `export` do, less the command line: each opens a ledger or a copy, reads it and lets go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rotator.audit import LEDGER_CHAIN, EventName, Result
from rotator.errors import RotatorError
from rotator.ledgers.heads import Records, heads_of, own_head, read_heads, write_heads
from rotator.ledgers.nodes import document_of
from rotator.ledgers.reading import open_readonly
from rotator.ledgers.report import Report
from rotator.ledgers.show import Filter, export, show
from rotator.ledgers.verify import verify
from rotator.record import Head


def verify_ledger(url: str, heads: Mapping[str, Head | None] | None) -> Report:
    """Prove the ledger at `url` against heads that were read before; None: there are none at hand. `BadInput`, `LedgerFailed`."""
    with closing(open_readonly(url)) as ledger:
        return verify(ledger.rows(), heads)


ENDS = (EventName.RUN_END, EventName.CHECK_FAILED, EventName.FOREIGN_CHANGE, EventName.ORPHAN_SUSPECT, EventName.CLOCK_SUSPECT)
"""Events that say how a run ended."""


@dataclass(frozen=True)
class Ended:
    """How a run ended, as the ledger has it: anything may stand there."""

    at: str
    """UTC, to the second."""
    why: str
    well: bool


def last_ends(url: str) -> dict[str, list[Ended]]:
    """How the runs of each spec ended, by its name, newest first: of each kind of end the newest alone. `BadInput`, `LedgerFailed`."""
    with closing(open_readonly(url)) as ledger:
        found = [document_of(each.line) or {} for each in ledger.last_of(ENDS)]
    ends: dict[str, list[Ended]] = {}
    for each in (one for one in found if isinstance(one.get("spec"), str)):
        well = each.get("outcome") not in (Result.FAILURE, Result.UNKNOWN)
        ends.setdefault(each["spec"], []).append(Ended(f"{str(each.get('ts', ''))[:19]}Z", str(each.get("reason", "")), well))
    return ends


def show_ledger(url: str, wanted: Filter) -> Iterator[str]:
    """The events in words, one line each. `BadInput`, `LedgerFailed`."""
    with closing(open_readonly(url)) as ledger:
        yield from show(ledger.rows(), wanted)


def export_ledger(url: str, wanted: Filter) -> Iterator[str]:
    """The events as JSON lines, exactly as they were written. `BadInput`, `LedgerFailed`."""
    with closing(open_readonly(url)) as ledger:
        yield from export(ledger.rows(), wanted)


def export_heads(url: str, stores: Mapping[str, Records], path: Path) -> list[RotatorError]:
    """Write the heads of all chains, the ledger's own included, to a file: what a copy of the ledger is verified with.

    Returns what could not be read; of that the file keeps the heads that it had: they may be the only witness. `BadInput`, `LedgerFailed`.
    """
    heads, troubles = heads_of(stores)
    if troubles and path.exists():
        heads = {**read_heads(path), **heads}
    with closing(open_readonly(url)) as ledger:
        own = own_head(ledger)
    write_heads(path, {**heads, LEDGER_CHAIN: own} if own else heads)
    return troubles
