"""What the last run saw go wrong: `status` asks no target, so it may not say less than the run that did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rotator.errors import Exit, worst

if TYPE_CHECKING:
    from rotator.ledgers.commands import Ended

SAW_NOTHING = frozenset({"lease", "conflict", "refused", "stopped", "not begun", "not forced", "adopt", "format", "elsewhere", "identity"})
"""Ends of runs that saw the record alone, which `status` reads itself, or left the rest to another run: they change nothing."""
READ_HERE = frozenset({"overdue", "leaked", "not observed"})
"""Ends of runs that did all that can be done; what is left `status` reads in the record."""


@dataclass(frozen=True)
class Trouble:
    """How the run ended that counts: its word, when, and its exit code."""

    why: str
    at: str
    exit: Exit


def trouble(ends: Sequence[Ended], *, in_place: bool) -> Trouble | None:
    """What the last run that looked found wrong; None where all was well, or nobody looked yet. `ends`: newest first. Pure.

    A run in its back-off tries nothing: what failed before it stands.
    """
    waited = None
    for each in ends:
        if each.why in SAW_NOTHING:
            continue
        found = _of(each, in_place)
        if each.why != "not_before":
            return replace(found, exit=worst([found.exit, waited.exit])) if found and waited else found or waited
        waited = waited or found
    return waited


def _of(end: Ended, in_place: bool) -> Trouble | None:
    from rotator.rotate.messages import ENDS, end_of

    if end.well or end.why in READ_HERE:
        return None
    code = end_of(end.why, in_place=in_place).exit if end.why in ENDS else Exit.FAILED
    return Trouble(end.why, end.at, code if code is not Exit.DONE else Exit.FAILED)
