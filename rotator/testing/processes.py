"""Who lives below a process, and how long it takes until somebody is gone. Linux: it reads /proc."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

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


def cpu_seconds(pid: int) -> float:
    """What it and those of its children that it has waited for have used of a processor so far; 0.0: it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _waited(path: Path) -> float:
    """Seconds for which this thread could run and was kept waiting for a processor so far, as the kernel counts; 0.0: it does not tell."""
    try:
        return int((path / "schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def waits(pid: int) -> dict[str, float]:
    """The same of each of its threads."""
    try:
        return {each.name: _waited(each) for each in Path(f"/proc/{pid}/task").iterdir()}
    except OSError:
        return {}


OURS = Path("/proc/thread-self")


class Gone(NamedTuple):
    """How long it took. `stalled`: of these seconds those for which the machine was busy: it, or who looked, waited for a processor."""

    seconds: float
    stalled: float
    blind: float = 0.0
    """Seconds by which the end of main may have been seen too late: with as many more they may have outlived it."""

    @property
    def counted(self) -> float:
        """What they themselves needed."""
        return self.seconds - self.stalled


class Vigil:
    """Waits for the end of processes by their pidfds: the kernel says at once when one is dead, and no number is taken for another's.

    A context manager: open it while they live.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._fds: dict[int, int] = {}
        for pid in pids:
            with suppress(ProcessLookupError):  # gone already
                self._fds[os.pidfd_open(pid)] = pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for fd in self._fds:
            os.close(fd)

    def gone(self, most: float, main: int | None = None) -> Gone:
        """How long it took until the last one was gone: from now, or from the end of `main`, one of them. At most `most` seconds."""
        begun, left, slowest, poller = time.monotonic(), dict(self._fds), Gone(0.0, 0.0), select.poll()
        for fd in left:
            poller.register(fd, select.POLLIN)
        before = {pid: waits(pid) for pid in left.values()}
        look = before
        while left and time.monotonic() - begun < most:
            ours, last, look = _waited(OURS), look, {pid: waits(pid) for pid in left.values()}
            ended = [fd for fd, _ in poller.poll(1000 * LOOK)]
            now, blind = time.monotonic(), _waited(OURS) - ours
            for fd in ended:
                poller.unregister(fd)
            pids = [left.pop(fd) for fd in ended]
            if main in pids:
                begun, slowest, before = now, Gone(0.0, 0.0, blind), {pid: waits(pid) for pid in left.values()}
            for pid in pids if main not in pids else ():
                theirs = last[pid] | look[pid]  # who ended between the two is not in this look any more
                kept_waiting = max([0.0, *(so_far - before[pid].get(thread, so_far) for thread, so_far in theirs.items())])
                slowest = max(slowest, Gone(now - begun, kept_waiting + blind, slowest.blind), key=lambda each: each.counted)
        return Gone(time.monotonic() - begun, 0.0) if left else slowest


def gone_within(pids: Iterable[int], most: float) -> Gone:
    """Until all of these are gone; `most` seconds where they are not by then."""
    with Vigil(each for each in pids if alive(each)) as vigil:
        return vigil.gone(most)
