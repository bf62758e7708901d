"""Main's side of runs: starts a process for each, so many at once, and collects how they ended.

Main never holds a target's secret. A run that does not answer by its deadline is killed: the deadline is shorter than its lease.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from typing import Any

import pebble
from pebble import ProcessExpired, concurrent

from rotator.errors import Exit
from rotator.rotate import RunResult
from rotator.worker import Job, work

PRELOAD = ["rotator.cli", "click", "pebble", "rotator.runner", "rotator.worker", "rotator.ledgers.sqlite", "rotator.stores.file"]
"""What every run imports anyway. Never a plugin: a broken one must not take the forkserver with it."""
KILL_AFTER = 20.0
"""Seconds after a run's own time at which main kills it."""

pebble.CONSTS.term_timeout = 0.05
pebble.CONSTS.sleep_unit = 0.02


def preload(types: Iterable[str]) -> list[str]:
    """Modules for the forkserver: our own, and the well-kept libraries that these target types say they use."""
    wanted = set(types)
    libraries = [each.value for each in entry_points(group="rotator.preload") if each.name.partition(".")[0] in wanted]
    return [*PRELOAD, *dict.fromkeys(libraries)]


class Runner:
    """Runs jobs, at most `runs` at once and `per_connection` on one connection. Not for use by several threads."""

    def __init__(self, *, runs: int, per_connection: int, libraries: Sequence[str] = PRELOAD) -> None:
        self.runs, self.per_connection = runs, per_connection
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(list(libraries))
        self.stop_reader, stop_writer = self.context.Pipe(duplex=False)
        self.stop_writer: Connection = stop_writer
        self.stopping = False

    def stop(self) -> None:
        """Begin no further run, and let those that go on end after their present step. May be called twice, also from a signal handler."""
        if not self.stopping:
            self.stopping = True
            self.stop_writer.close()

    def start(self, job: Job, secret: Connection | None = None) -> Future[RunResult]:
        """Start one run in a process of its own. The future never fails: a process that died is a result too."""
        deadline = job.order.run_time + KILL_AFTER
        process = concurrent.process(work, name=f"rotator run {job.spec.name}", timeout=deadline, context=self.context)
        future: Future[RunResult] = process(job, self.stop_reader, secret)
        return future

    def run(self, jobs: Iterable[Job]) -> Iterator[RunResult]:
        """Run all, and give each result as it comes."""
        waiting, running = deque(jobs), dict[Future[RunResult], Job]()
        busy: Counter[str] = Counter()
        while running or (waiting and not self.stopping):
            self._fill(waiting, running, busy)
            done, _ = wait(running, return_when=FIRST_COMPLETED, timeout=1.0)
            for future in done:
                job = running.pop(future)
                busy[job.spec.connection.name] -= 1
                yield result_of(job, future)

    def _fill(self, waiting: deque[Job], running: dict[Future[RunResult], Job], busy: Counter[str]) -> None:
        """Start what may start: those whose connection is busy keep their turn."""
        kept: list[Job] = []
        while waiting and len(running) < self.runs and not self.stopping:
            job = waiting.popleft()
            if busy[job.spec.connection.name] >= self.per_connection:
                kept.append(job)
                continue
            busy[job.spec.connection.name] += 1
            running[self.start(job)] = job
        waiting.extendleft(reversed(kept))


def result_of(job: Job, future: Future[RunResult]) -> RunResult:
    """How the run ended; a process that died or ran over its time left its record as it was: the next run goes on."""
    died: dict[str, Any] = {"spec": job.spec.name, "exit": Exit.FAILED, "why": "died", "fix": "the next run goes on where this one stopped"}
    try:
        return future.result()
    except TimeoutError:
        return RunResult(message=f"the run was killed after {job.order.run_time + KILL_AFTER:.0f} s", **died)
    except ProcessExpired as error:
        return RunResult(message=f"the run's process ended by itself (exit {error.exitcode}): a call hung, or a plugin ended it", **died)
    except Exception as error:  # noqa: BLE001 - whatever came back from the other process is how the run ended
        return RunResult(message=f"the run ended with {type(error).__name__}; its text is not shown", **died)


def settle() -> None:
    """For the forkserver, after all imports: what is there now is never collected, so that its pages stay shared."""
    gc.freeze()
    signal.signal(signal.SIGTERM, lambda *_: None)
    os.environ.pop("COLUMNS", None)
