"""The daemon: the same runs, by the clock. It holds no secret, and at a tick it reads nothing but the wake index.

APScheduler wakes it; a run says itself when it wants to be looked at again. SIGTERM finishes the present steps, SIGHUP reloads.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from rotator.errors import BadInput, Exit, RotatorError
from rotator.load.config import Loaded
from rotator.rotate import RunResult
from rotator.runner import Runner
from rotator.seam import Seam
from rotator.state import StateDir
from rotator.wakes import INDEX, WakeIndex
from rotator.worker import Job

LONGEST_SLEEP = 60.0
"""Seconds: APScheduler waits on the monotonic clock, so a suspend or a clock step makes it late by no more than this."""
HEARTBEAT = "daemon.alive"
DEAD_AFTER = 3 * LONGEST_SLEEP
LEAST_WAIT = 1.0
"""Seconds between two looks at one spec, whatever a run says."""


def spread(spec: str, most: float) -> float:
    """Seconds between 0 and `most` that are always the same for a spec: ten thousand of them do not wake together."""
    return int.from_bytes(hashlib.sha256(spec.encode()).digest()[:4]) / 2**32 * most


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); nothing where it did not start us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.connect("\0" + address[1:] if address.startswith("@") else address)
        out.sendall(state.encode())


def healthy(state: Path, seam: Seam) -> bool:
    """Whether a daemon on this state directory went round its loop lately."""
    try:
        return seam.now() - (state / HEARTBEAT).stat().st_mtime < DEAD_AFTER
    except OSError:
        return False


class Daemon:
    """One per state directory.

    `load` reads the configuration anew, `job` makes the job of a spec, `say` takes what operators should see.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        load: Callable[[], Loaded],
        job: Callable[[Loaded, str], Job],
        runner: Runner,
        say: Callable[..., None],
        seam: Seam | None = None,
    ) -> None:
        self.loaded, self.load, self.job, self.runner, self.say, self.seam = loaded, load, job, runner, say, seam or Seam()
        self.woken = threading.Event()
        self.reload_asked = False
        self.state = StateDir(loaded.config.state)
        self.scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True})

    def go(self) -> Exit:
        """Run until SIGTERM or SIGINT. `BadInput` where the state directory cannot be used; exit 5 where another daemon uses it."""
        self.state.prepare()
        alone = self._alone()
        if alone is None:
            self.say("another daemon uses this state directory", state=str(self.state.path))
            return Exit.BUSY
        self.index = WakeIndex(self.state.path / INDEX)
        self.index.keep_only(self.loaded.specs, self.seam.now())
        for number, act in ((signal.SIGTERM, self._stop), (signal.SIGINT, self._stop), (signal.SIGHUP, self._reload)):
            signal.signal(number, act)
        self.scheduler.start()
        notify("READY=1")
        self.say("daemon is ready", specs=len(self.loaded.specs))
        try:
            while not self.runner.stopping:
                self._round()
            notify("STOPPING=1")
            while self.runner.running:
                self._round()
        finally:
            self.scheduler.shutdown(wait=False)
            self.index.close()
            os.close(alone)
        self.say("daemon has stopped; every step that was begun has ended")
        return Exit.DONE

    def _alone(self) -> int | None:
        lock = os.open(self.state.path / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    # ---- signals: they only leave a mark

    def _stop(self, _number: int, _frame: Any) -> None:
        self.runner.stop()
        self.woken.set()

    def _reload(self, _number: int, _frame: Any) -> None:
        self.reload_asked = True
        self.woken.set()

    # ---- one round

    def _round(self) -> None:
        """Collect results, start what is due, sleep until something happens."""
        self.woken.clear()
        if self.reload_asked:
            self._load_again()
        for result in self.runner.pump(self._told):
            self._ended(result)
        self._start_due()
        self._beat()
        self._arm()
        if self.runner.running or not self.runner.stopping:  # the last run may have ended before this round began
            self.woken.wait()

    def _told(self, _future: object) -> None:
        self.woken.set()

    def _start_due(self) -> None:
        busy = {each.spec.name for each in (*self.runner.running.values(), *self.runner.waiting)}
        for name in self.index.due(self.seam.now()):
            if name not in busy:
                self.runner.add(self.job(self.loaded, name))
        for result in self.runner.pump(self._told):
            self._ended(result)

    def _ended(self, result: RunResult) -> None:
        """A run says when it wants to be looked at again; a failed look waits longer each time."""
        now = self.seam.now()
        failed = 0 if result.exit is Exit.DONE else self.index.failed(result.spec) + 1
        at = result.wake or now + min(60.0 * 2 ** min(failed, 10), 3600.0)
        if failed and not result.claimed:
            at = min(at, now + min(60.0 * 2 ** min(failed, 10), 6 * 3600.0))
        at = max(at, now + LEAST_WAIT)
        self.index.set(result.spec, at + spread(result.spec, min(60.0, (at - now) / 100)), failed)
        if result.exit is not Exit.DONE:
            self.say(result.message, spec=result.spec, exit=int(result.exit), fix=result.fix)

    def _arm(self) -> None:
        """Wake at the next spec's time, and at least each minute: a suspend would make a longer sleep late."""
        now, busy = self.seam.now(), bool(self.runner.running)
        at = now + LONGEST_SLEEP
        following = self.index.next()
        if following is not None and not busy:
            at = min(at, max(following, now))
        elif following is not None and following > now:
            at = min(at, following)
        trigger = DateTrigger(datetime.fromtimestamp(at, UTC))
        self.scheduler.add_job(self.woken.set, trigger, id="wake", replace_existing=True, misfire_grace_time=None)

    def _beat(self) -> None:
        """For the health check, and for systemd's watchdog."""
        (self.state.path / HEARTBEAT).touch()
        notify("WATCHDOG=1")

    def _load_again(self) -> None:
        """A valid configuration takes the place of the old one; with any other the old one stays."""
        self.reload_asked = False
        notify(f"RELOADING=1\nMONOTONIC_USEC={int(self.seam.ticks() * 1e6)}")
        try:
            loaded = self.load()
        except RotatorError as error:
            self.say("the new configuration is not valid; the old one stays", error=str(error))
        else:
            if loaded.config.state != self.state.path:
                raise BadInput("the state directory cannot change while the daemon runs", fix="stop it and start it again")
            self.loaded = loaded
            self.index.keep_only(loaded.specs, self.seam.now())
            self.say("configuration loaded", specs=len(loaded.specs))
        notify("READY=1")
