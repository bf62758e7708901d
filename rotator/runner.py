"""Main's side of runs: starts a process for each, so many at once, and collects how they ended.

Main never holds a target's secret. A run that does not answer by its deadline is killed: the deadline is shorter than its lease.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from queue import SimpleQueue
from typing import Any

import pebble
from pebble import ProcessExpired, concurrent

from rotator.errors import BadInput, Exit, RotatorError
from rotator.rotate import RunResult
from rotator.rotate.messages import ENDS
from rotator.worker import Job, wait_for_job, work

PRELOAD = [
    "__main__", "multiprocessing.popen_forkserver", "rotator.cli", "click", "pebble", "rotator.runner", "rotator.worker",
    "rotator.ledgers.sqlite", "rotator.stores.file", "structlog", "cryptography.hazmat.primitives.ciphers.aead",
    "encodings.idna", "encodings.ascii", "stringprep", "rotator.settled",
]  # fmt: skip
"""What every run imports anyway; without `__main__` each of them would load the command's own file once more.

Never a plugin that is not ours: a broken one must not take the forkserver with it.
"""
KILL_AFTER = 20.0
"""Seconds after a run's own time at which main kills it."""

pebble.CONSTS.term_timeout = 0.05
pebble.CONSTS.sleep_unit = 0.02


LONGEST_TMPDIR = 107 - len("/pymp-12345678/listener-12345678")
"""Bytes: the address of a socket has 107 (unix(7)), and multiprocessing adds these."""


class NoTmpdir(RotatorError):
    """Nothing was begun; the same command may go through later, as it is."""

    def __init__(self) -> None:
        fix = "see their disks and modes, or set TMPDIR to one that can be; in a read-only container mount one at /tmp"
        super().__init__("no temporary directory can be written: neither TMPDIR, /tmp nor /var/tmp; nothing was begun", fix=fix)


def refuse_long_tmpdir() -> None:
    """Raise `BadInput` where the socket of the run processes would have no room, `NoTmpdir` where there is nowhere to put it."""
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:  # it tries to write in each that it knows
        raise NoTmpdir from None
    if len(os.fsencode(folder)) > LONGEST_TMPDIR:
        raise BadInput(
            f"the path of the temporary directory has more than {LONGEST_TMPDIR} bytes", where=folder, fix="set TMPDIR to a shorter one"
        )


def preload(types: Iterable[str]) -> list[str]:
    """Modules for the forkserver: our own, and the well-kept libraries that these types (of targets, stores, places) say they use."""
    wanted = set(types)
    libraries = [each.module for each in entry_points(group="rotator.preload") if each.name.partition(".")[0] in wanted]
    return [*PRELOAD[:-1], *dict.fromkeys(libraries), PRELOAD[-1]]


class NoProcess(RotatorError):
    """No process can be had for a run now; nothing of it was begun."""

    def __init__(self, error: Exception, *, stopping: bool = False) -> None:
        self.lasts = isinstance(error, FileNotFoundError)
        """Whether that cannot pass: the forkserver's socket is gone, and only a new main makes another."""
        self.why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        fix = "Who removes files of the temporary directory?" if self.lasts else "Raise the limit of processes, memory or open files"
        if stopping:  # a signal to the whole group ends the forkserver, too, while that begins
            super().__init__("it was asked to stop as it began; nothing of it was begun", fix="Give the same command again")
        else:
            super().__init__(f"no process can be had for a run ({self.why}); nothing of it was begun", fix=fix)


class NotSent(BadInput):
    """A job that no process can be given; nothing of it was begun."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"what its plugins are made of cannot be handed to the run's process ({type(error).__name__}); nothing of it was begun",
            fix="Its plugin's author: classes stand at the top of a module, and settings hold only what `pickle` takes",
        )


@dataclass
class Spare:
    """A process that waits for its run, and the pipe by which that comes and its result goes."""

    future: Future[Any]
    """Done when the process has ended."""
    pipe: Connection

    def collect(self, seconds: float, told: Future[RunResult]) -> None:
        """Pass on the result as soon as it is there: that the process then ends takes some 3 ms, in which the next run may begin.

        Where none comes, how the process ended is passed on; where none comes in time, it is killed.
        """
        try:
            with self.pipe:
                if self.pipe.poll(seconds):
                    return told.set_result(self.pipe.recv())
            self.future.cancel()
            return told.set_exception(TimeoutError())
        except (EOFError, OSError) as error:
            return told.set_exception(self._end(seconds) or error)
        except BaseException as error:  # noqa: BLE001 - a thread of ours tells whatever came
            return told.set_exception(error)

    def _end(self, seconds: float) -> BaseException | None:
        """How the process ended that told nothing. One that only let go of its pipe is killed when its time is over."""
        try:
            return self.future.exception(seconds)
        except TimeoutError as error:
            self.future.cancel()
            return error
        except CancelledError as error:
            return error


class Runner:
    """Runs jobs, at most `runs` at once and `per_connection` on one connection. For one thread; only `stop` may come from elsewhere.

    `died` is given each run that could not tell its end itself, and gives back what is to be said of it.
    """

    def __init__(
        self,
        *,
        runs: int,
        per_connection: int,
        libraries: Sequence[str] = PRELOAD,
        worker: Callable[..., RunResult] = work,
        died: Callable[[Job, RunResult], RunResult] = lambda _, result: result,
    ) -> None:
        self.runs, self.per_connection, self.worker, self.died = runs, per_connection, worker, died
        refuse_long_tmpdir()
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(list(libraries))
        self.stop_reader, self.stop_writer = self.context.Pipe(duplex=False)
        self.stopping = False
        self.waiting: deque[Job] = deque()
        self.running: dict[Future[RunResult], Job] = {}
        self.busy: Counter[str] = Counter()
        self.spare: Spare | None = None
        self.stuck: NoProcess | None = None
        """Why the last run that was to begin did not."""
        self.ending: dict[str, Future[Any]] = {}
        """The last process of each chain, until it is gone: it may have told its result before."""

    def stop(self) -> None:
        """Begin no further run, and let those that go on end after their present step. May be called twice, also by a signal handler."""
        if not self.stopping:
            self.stopping = True
            self.stop_writer.close()

    def start(self, job: Job, secret: Connection | None = None, *, more: bool = False) -> Future[RunResult]:
        """Start one run in a process of its own, at once. `more`: another will follow, so its process is forked while this one works.

        `NoProcess` where the machine has none, `NotSent` where the job is none for another process.
        """
        packed = self._packed(job)
        deadline = job.order.run_time + KILL_AFTER
        before = self.ending.pop(job.spec.chain, None)
        if before:
            wait([before])  # some milliseconds: it has told its result, and holds the spec's lock until it is gone
        given = secret is not None
        future = self._process(deadline, self.worker, job, self.stop_reader, secret) if given else self._hand_over(job, packed, deadline)
        if more and self.spare is None:
            with suppress(NoProcess):  # the next run says so, if there is none for it either
                self.spare = self._wait()
        return future

    def _packed(self, job: Job) -> memoryview:
        """The job as it goes to its process: what it is made of comes from plugins, and may be anything."""
        try:
            return ForkingPickler.dumps((self.worker, job))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
            raise NotSent(error) from None

    def _process(self, deadline: float | None, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        how: dict[str, Any] = {"name": "rotator run", "timeout": deadline, "context": self.context}
        try:
            future: Future[Any] = concurrent.process(**how)(function)(*arguments)  # type: ignore[no-untyped-call]  # its overloads lie: the key is "context"
        except (OSError, EOFError, RuntimeError) as error:  # no process, no thread, or a forkserver that could not fork
            raise NoProcess(error, stopping=self.stopping) from None
        return future

    def _wait(self) -> Spare:
        """A process that waits for its run."""
        ours, theirs = self.context.Pipe()
        spare = Spare(self._process(None, wait_for_job, theirs, self.stop_reader), ours)
        theirs.close()
        return spare

    def _hand_over(self, job: Job, packed: memoryview, deadline: float) -> Future[RunResult]:
        """Hand the run to the process that waits for one, or to a new one; by a pipe: what reads it already dies with main."""
        spare, self.spare = self.spare or self._wait(), None
        told: Future[RunResult] = Future()
        told.set_running_or_notify_cancel()
        try:
            collected = _collector(deadline, told)
        except RuntimeError as error:  # no thread
            self.spare = spare
            raise NoProcess(error) from None
        try:
            spare = self._given(spare, packed)
        except BaseException:
            collected.put(None)
            raise
        self.ending = {chain: each for chain, each in self.ending.items() if not each.done()} | {job.spec.chain: spare.future}
        collected.put(spare)
        return told

    def _given(self, spare: Spare, packed: memoryview) -> Spare:
        """The process that has the job: this one, or a new one where it has just died."""
        try:
            if spare.future.done():
                raise BrokenPipeError
            spare.pipe.send_bytes(packed)
        except OSError:
            spare = self._wait()
            with suppress(OSError):  # so has this one: its future says how
                spare.pipe.send_bytes(packed)
        return spare

    def only(self, job: Job, secret: Connection | None = None) -> RunResult:
        """One run, and its process gone."""
        result = self._told(job, self.start(job, secret))
        self.rest()
        return result

    def rest(self) -> None:
        """Wait until the processes of told runs are gone: a spec's lock is its process's until then. May be called twice."""
        wait(self.ending.values())
        self.ending.clear()

    def dismiss(self) -> None:
        """Let the process go that waits for a run. May be called twice."""
        if self.spare:
            self.spare.pipe.close()
            self.spare = None

    def add(self, job: Job) -> None:
        """Put a job in line."""
        self.waiting.append(job)

    def pump(self, told: Callable[[Future[RunResult]], None] | None = None) -> list[RunResult]:
        """Collect what has ended and start what may start; `told` is called (in another thread) when one of those ends.

        Where no process can be had, what is in line stays there, and `stuck` says why. A job that no process can be given has ended.
        """
        ended = [self._reap(each) for each in list(self.running) if each.done()]
        kept: list[Job] = []
        while self.waiting and len(self.running) < self.runs and not self.stopping:
            job = self.waiting.popleft()
            if self.busy[job.spec.connection.name] >= self.per_connection:
                kept.append(job)
                continue
            try:
                future = self.start(job, more=bool(self.waiting or kept))
            except NoProcess as error:
                self.stuck = error
                kept.append(job)
                break
            except NotSent as error:
                ended.append(RunResult(spec=job.spec.name, exit=error.exit_code, why="failed", message=error.what, fix=error.fix))
                continue
            self.stuck = None
            self.busy[job.spec.connection.name] += 1
            self.running[future] = job
            if told:
                future.add_done_callback(told)
        self.waiting.extendleft(reversed(kept))
        self.stuck = self.stuck if self.waiting else None
        if not self.waiting or self.stopping:
            self.dismiss()
        return ended

    def _reap(self, future: Future[RunResult]) -> RunResult:
        job = self.running.pop(future)
        self.busy[job.spec.connection.name] -= 1
        return self._told(job, future)

    def _told(self, job: Job, future: Future[RunResult]) -> RunResult:
        result = result_of(job, future)
        return self.died(job, result) if result.why == "died" else result

    def run(self, jobs: Iterable[Job]) -> Iterator[RunResult]:
        """Run all, and give each result as it comes. One that is not begun has no result: `stop`, or `stuck`."""
        self.waiting.extend(jobs)
        while True:
            yield from self.pump()
            if not self.running:
                return self.rest()
            wait(self.running, return_when=FIRST_COMPLETED, timeout=1.0)


def _collector(deadline: float, told: Future[RunResult]) -> SimpleQueue[Spare | None]:
    """A thread that passes on the result of the process that is put here. It is there before the process has a job: if there is no thread
    to be had, nothing was begun.
    """
    given: SimpleQueue[Spare | None] = SimpleQueue()

    def collect() -> None:
        spare = given.get()
        if spare:
            spare.collect(deadline, told)

    threading.Thread(target=collect, name="result of a run", daemon=True).start()
    return given


def result_of(job: Job, future: Future[RunResult]) -> RunResult:
    """How the run ended; a process that died or ran over its time left its record as it was: the next run goes on."""
    fix = f"`rotator status {job.spec.name}`; what was asked and is not there is given again" if job.order.command else ENDS["died"].fix
    died: dict[str, Any] = {"spec": job.spec.name, "exit": Exit.FAILED, "why": "died", "fix": fix}
    try:
        return future.result()
    except (TimeoutError, CancelledError):
        return RunResult(message=f"the run was killed after {job.order.run_time + KILL_AFTER:.0f} s", **died)
    except ProcessExpired as error:
        return RunResult(message=f"the run's process ended by itself (exit {error.exitcode}): a call hung, or a plugin ended it", **died)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever came back from the other process is how the run ended
        return RunResult(message=f"the run ended with {type(error).__name__}; its text is not shown", **died)
