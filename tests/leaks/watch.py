"""Looks at all processes of this machine, over and over: their arguments, and the environment of those that may be looked into."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from rotator.testing.canary import Canary, Hit

PAUSE = 0.01
"""Seconds between two looks."""
KNOWN, SELDOM = 5, 20
"""A process that was looked at KNOWN times is looked at in every SELDOM-th round only: a program changes its arguments at its start."""
PROC = Path("/proc")


class Watch:
    """Use it in a `with`, around the commands (Linux)."""

    def __init__(self) -> None:
        self.arguments: set[bytes] = set()
        self.environments: set[tuple[bool, bytes]] = set()
        """Whether it was a process of the command line itself, and what stood in it."""
        self.looks = 0
        self._seen: Counter[str] = Counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _go(self) -> None:
        while not self._over.wait(PAUSE):
            pids = {each for each in os.listdir(PROC) if each.isdecimal()}  # noqa: PTH208 - a hundred times a second: names are enough
            for pid in pids:
                if self._seen[pid] < KNOWN or self.looks % SELDOM == 0:
                    self._look(PROC / pid)
            self._seen = Counter({pid: self._seen[pid] + 1 for pid in pids})
            self.looks += 1

    def _look(self, process: Path) -> None:
        try:
            arguments, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
            same = (process / "cmdline").read_bytes() == arguments
        except OSError:  # it ended; or nobody but root may look into it: a run's own process
            return
        self.arguments.add(arguments)
        if same:  # else another program was started there between the two looks: the next one tells which
            self.environments.add((is_ours(arguments), environment))

    def hits(self, canary: Canary, *, ours_may_hold: str) -> list[Hit]:
        """Every secret that was seen. The command line's own processes may inherit one from their operator."""
        found = canary.search(b"\0".join(set(self.arguments)), "argv")
        for ours in (True, False):
            seen = b"\0".join(each for owner, each in set(self.environments) if owner == ours)
            found += [hit for hit in canary.search(seen, "environ") if not (ours and hit.label == ours_may_hold)]
        return found


def is_ours(arguments: bytes) -> bool:
    """The command itself, and the processes from which multiprocessing forks the runs."""
    forks = (b"from multiprocessing.forkserver import", b"from multiprocessing.resource_tracker import")
    return b"/rotator\0" in arguments or any(each in arguments for each in forks)
