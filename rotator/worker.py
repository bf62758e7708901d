"""The child's side of a run: one process per run, from a preloaded forkserver.

Three stages end a call that hangs: SIGALRM at the deadline, a watchdog that needs no interpreter two seconds later, main's kill at the
run's deadline. The process dies with main, whatever it is doing.
"""

from __future__ import annotations

import ctypes
import faulthandler
import fcntl
import multiprocessing
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rotator.audit import Event, Ledger, Result, Row
from rotator.destination import Destination
from rotator.errors import BadInput, Denied, Exit, RotatorError
from rotator.load.config import Config
from rotator.load.secrets import Ref, Revealer
from rotator.logs import configure, emit, guard_hooks
from rotator.model import Credential, Secret
from rotator.rotate import Adopt, Around, Move, Order, Ports, Run, RunResult
from rotator.seam import Seam
from rotator.spec import RotationSpec
from rotator.state import Lock, StateDir
from rotator.store import Store
from rotator.target import Runtime
from rotator.trust import forget_environment

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
WATCHDOG, SLACK = 2.0, 3.0
"""Seconds after a call's deadline at which the process ends without asking the interpreter: WATCHDOG, and up to SLACK more."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run, as main hands it over: picklable, and without a secret."""

    spec: RotationSpec
    config: Config
    order: Order
    classes: Mapping[str, type[Any]]
    """By `target`, `store`, `place NAME` and `reload NAME`: main has found them already."""
    log_level: str = "info"
    json_logs: bool = False


class WorkerSeam(Seam):
    """The real world, with the watchdog behind each deadline."""

    armed_at: float | None = None
    armed_for: float = 0.0
    """Seconds of the call for which it was armed."""

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """As the seam says; and where no interpreter runs any more, the process ends.

        Arming costs a thread, so one arming serves the calls of the next `SLACK` seconds that may take as long; sleeping disarms.
        """
        if self.armed_at is None or self.ticks() - self.armed_at > SLACK or seconds != self.armed_for:
            faulthandler.dump_traceback_later(seconds + WATCHDOG + SLACK, exit=True)
            self.armed_at, self.armed_for = self.ticks(), seconds
        with super().deadline(seconds):
            yield

    def sleep(self, seconds: float) -> None:
        """Do nothing for so long, unwatched."""
        self.disarm()
        super().sleep(seconds)

    def disarm(self) -> None:
        """No call goes on."""
        faulthandler.cancel_dump_traceback_later()
        self.armed_at = None


class NoLedger(Ledger):
    """Dry-run writes no event and does not open the ledger."""

    def append(self, events: Sequence[Event]) -> None:
        """Refuse: there is none."""
        raise AssertionError(f"a dry-run has no event to write, not {len(events)}")

    def append_loose(self, event: Event) -> None:
        """Refuse: there is none."""
        self.append([event])

    def rows(self, chain: str | None = None) -> Iterator[Row]:  # noqa: ARG002 - the contract's
        """Nothing."""
        yield from ()

    def close(self) -> None:
        """Nothing to let go of."""


def die_with_main() -> None:
    """Ask the kernel for SIGKILL when main ends: the sentinel pipe's only write end is main's (Linux; elsewhere a thread waits for it)."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)
    else:
        threading.Thread(target=_wait_and_die, args=(sentinel,), daemon=True).start()
    if select.select([sentinel], [], [], 0)[0]:
        os._exit(1)  # main died before we were armed


def _wait_and_die(sentinel: int) -> None:
    select.select([sentinel], [], [])
    os._exit(1)


def leave_no_core() -> None:
    """No core file, and no other process of the same user may attach: a dump would hold secrets."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def drop_prints() -> None:
    """Main's stdout is for results alone: what a plugin or a driver prints there goes nowhere."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path of ours
        os.dup2(nowhere.fileno(), 1)


def adopt_orphans() -> None:
    """What a plugin starts stays below this process, also what has left its parent and its session (Linux; elsewhere it may get away)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children() -> None:
    """Kill what a plugin has started and left: it would hold the spec's lock and main's stderr. Only in a run's own process.

    Those of a killed one become ours, so it looks again, for `WATCHDOG` seconds at most.
    """
    end = time.monotonic() + WATCHDOG
    while multiprocessing.parent_process() and (left := _children()) and time.monotonic() < end:
        for each in left:
            with suppress(OSError):  # it may be another user's, or a thread of the plugin was faster; the run's result is told all the same
                os.kill(each, signal.SIGKILL)  # nobody has waited for it: the number is still its own
                os.waitpid(each, os.WNOHANG)
        time.sleep(0.002)


def _children() -> list[int]:
    """Of all threads of this process: proc_pid_task(5)."""
    told = []
    for each in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended meanwhile
            told += each.read_text().split()
    return [int(each) for each in told]


def calm(_signal: int, _frame: Any) -> None:
    """SIGTERM, SIGHUP: main says by the stop pipe when to end; a run finishes its step."""


@cache
def settle_in() -> None:
    """What a run's process does first of all. May be called twice."""
    die_with_main()
    leave_no_core()
    adopt_orphans()
    drop_prints()
    forget_environment()
    for number in (signal.SIGTERM, signal.SIGHUP):  # also while it waits: a group's signal must not make a run "died" that has not begun
        signal.signal(number, calm)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guard_hooks()  # a thread or destructor of a plugin that raises would print its message


def wait_for_job(pipe: Connection, stop: Connection) -> None:
    """Perform the one run that comes by this pipe, if one comes, and send back how it ended. So a process can be there before its run."""
    settle_in()
    try:
        worker, job = pipe.recv()
    except EOFError:
        return
    pipe.send(worker(job, stop, None))


def work(job: Job, stop: Connection | None, secret: Connection | None, run: Callable[..., RunResult] | None = None) -> RunResult:
    """Perform one run in this process, and give back how it ended."""
    settle_in()
    configure(job.log_level, json=job.json_logs)
    order = replace(job.order, stop=(lambda: stop.poll(0)) if stop else bool)
    if secret is not None:
        order = replace(order, command=replace(_adopt(order), credential=_receive(job, secret)))
    try:
        return (run or execute)(job, order)
    except RotatorError as error:
        return RunResult(spec=job.spec.name, exit=error.exit_code, why="failed", message=str(error), fix=None)
    finally:
        end_children()


def _adopt(order: Order) -> Adopt:
    assert isinstance(order.command, Adopt)
    return order.command


def _receive(job: Job, pipe: Connection) -> Credential:
    """The credential that a human gave: it came by a pipe, never by argv or environment."""
    values: dict[str, str] = pipe.recv()
    public, secret = job.classes["target"].fields
    name, plain = values.pop(public), values.pop(secret)
    return Credential(name=name, secret=Secret(plain), public=values)


def execute(job: Job, order: Order, *, seam: Seam | None = None, around: Around | None = None) -> RunResult:
    """Lock, ledger and ports; then the engine. Proofs hand in a seam, and what stands around each effect.

    The last watchdog stays armed: it also ends a process that does not end by itself. Who calls this in a process that stays disarms it.
    """
    from rotator.ledgers.sqlite import open_ledger

    seam, state = seam or WorkerSeam(), StateDir(job.config.state)
    if order.dry:
        home = state.free(job.spec.chain)
        order = replace(order, home=home or "", take_over=home is not None)
        return Run(job.spec, ports(job, order), NoLedger(), order, seam, around).go()
    state.prepare()
    lock = state.take(job.spec.chain)
    if lock is None:
        return RunResult(spec=job.spec.name, exit=Exit.BUSY, why="lease", message="another run of this spec goes on on this machine")
    order = under_lock(order, lock, everything=job.json_logs or job.log_level == "debug")
    ledger = open_ledger(job.config.ledger_url)
    try:
        if isinstance(order.command, Move):
            return _move(job, order, order.command, ledger, state, seam, around)
        return Run(job.spec, ports(job, order), ledger, order, seam, around).go()
    finally:
        ledger.close()


def _move(job: Job, order: Order, command: Move, ledger: Ledger, state: StateDir, seam: Seam, around: Around | None) -> RunResult:
    """Under a second lock, that of the new record."""
    from rotator.rotate.move import Arrival, Moving

    lock = state.take(command.to.chain)
    if lock is None:
        return RunResult(spec=job.spec.name, exit=Exit.BUSY, why="lease", message="another run of this spec goes on on this machine")
    there = replace(job, spec=command.to, classes={**job.classes, "store": job.classes["store to"]})
    arrival = Arrival(command.to, ports(there, order), ledger, replace(order, home=lock.home), seam, around)
    return Moving(arrival, job.spec, ports(job, order), ledger, order, seam, around).go()


def under_lock(order: Order, lock: Lock, *, everything: bool = False) -> Order:
    """The order of a run that holds the spec's lock until its process ends: a lease of the same home is a dead runner's."""
    return replace(order, home=lock.home, take_over=True, emit=_emitter(everything=everything))


LOOKS = frozenset([
    "read record", "read record back", "check target", "check store", "check place", "check reload", "read place", "read mark", "list",
    "clock", "last used", "login of a dead one",
])  # fmt: skip
"""Effects that only look: in words, a terminal hears of them where they fail."""


def _emitter(*, everything: bool) -> Callable[[Sequence[Event]], None]:
    """Shows events as they become durable: all of them to machines, what was done or went wrong to people."""

    def show(events: Sequence[Event]) -> None:
        for each in events:
            if everything or each.effect not in LOOKS or each.outcome is not Result.SUCCESS:
                emit(each)

    return show


def ports(job: Job, order: Order) -> Ports:
    """The target, the store and the places of a spec, built but not yet connected.

    All secrets were there as the job was made. One that is gone since is missing by configuration, as the contracts have it: `Denied`,
    at the port that needs it. `BadInput` would say that nothing was touched.
    """
    spec, config = job.spec, job.config
    revealed: list[Secret] = []
    read = Revealer(config).reveal

    def reveal(ref: Ref) -> Secret:
        try:
            revealed.append(read(ref))
        except BadInput as error:
            gone = Denied(error.what, error.fix)
        else:
            return revealed[-1]
        raise gone

    runtime = Runtime(reveal=reveal, now=lambda: datetime.now(UTC), timeout=order.timeout)
    target: Any = job.classes["target"](spec.connection.settings, spec.target.settings, runtime)
    store: Store[Any] = job.classes["store"](spec.store.settings, runtime)
    places: dict[str, Destination[Any]] = {}
    for each in spec.places:
        own = each.by.name == spec.store.name
        places[each.place.name] = store if own else job.classes[f"place {each.by.name}"](each.by.settings, runtime)
    told = {each.name: job.classes[f"reload {each.name}"](config.reloads[each.name].settings, runtime) for each in spec.reloads}
    return Ports(target, store, places, told, revealed)
