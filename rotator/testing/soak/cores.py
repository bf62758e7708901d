"""One core for one process.

Runs at once are threads that take turns by the hundred. On one core the next one goes on as soon as the last one waits; on two, a sleeping
core must be woken each time: measured, a third more histories in the same time. It holds for as many processes as there are cores:
where two share one, as workers of pytest would, each turn changes the process as well, and all take longer.
"""

from __future__ import annotations

import os


def stay(number: int) -> None:
    """Keep this thread, and those it starts from now on, on one core: the one with this number, counted round and round over those it may
    use. Nothing happens where a system has no such call (macOS). May be called again.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})
