"""Who lives below a process, and how long it takes until somebody is gone. Linux: it reads /proc."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

GONE = ("Z", "X")
"""States of proc(5): dead, and not yet waited for."""
LOOK = 0.001
"""Seconds between two looks."""


def _status(pid: int) -> tuple[str, int, int] | None:
    """State, parent and session; None: there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1]), int(fields[3])


def alive(pid: int) -> bool:
    """Whether it runs: a zombie does not."""
    found = _status(pid)
    return found is not None and found[0] not in GONE


def children(pid: int) -> list[int]:
    """Its living children, told by the kernel at once."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(each) for each in told if alive(int(each))]


def descendants(pid: int) -> list[int]:
    """Every living process below this one."""
    parents = {each: found[1] for each in _pids() if (found := _status(each)) and found[0] not in GONE}
    below = {pid}
    while new := {each for each, parent in parents.items() if parent in below} - below:
        below |= new
    return sorted(below - {pid})


def in_session(session: int) -> list[int]:
    """Every living process of a session, whoever its parent is by now."""
    return [each for each in _pids() if (found := _status(each)) and found[0] not in GONE and found[2] == session]


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]


class Gone(NamedTuple):
    """How long it took. `stalled`: of these seconds those in which this process itself did not get to run: the machine was busy."""

    seconds: float
    stalled: float

    @property
    def counted(self) -> float:
        """What the others needed."""
        return self.seconds - self.stalled


def gone_within(pids: Iterable[int], most: float) -> Gone:
    """Until all of these are gone; `most` seconds where they are not by then."""
    begun, stalled = time.monotonic(), 0.0
    left = [each for each in pids if alive(each)]
    while left and time.monotonic() - begun < most:
        before = time.monotonic()
        time.sleep(LOOK)
        stalled += max(0.0, time.monotonic() - before - 2 * LOOK)
        left = [each for each in left if alive(each)]
    return Gone(time.monotonic() - begun, stalled)
