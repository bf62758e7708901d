"""The daemon: the same runs, by the clock. It holds no secret, and at a tick it reads nothing but the wake index.

APScheduler wakes it; a run says itself when it wants to be looked at again. SIGTERM finishes the present steps, SIGHUP reloads.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from rotator.errors import Exit, RotatorError
from rotator.load.config import Loaded
from rotator.rotate import RunResult
from rotator.runner import Runner
from rotator.seam import Seam
from rotator.state import OURS, StateDir, open_lock, unusable
from rotator.wakes import INDEX, begin_anew, broken, open_index
from rotator.worker import Job

LONGEST_SLEEP = 60.0
"""Seconds of the monotonic clock after which it goes round its loop at the latest, whatever a suspend or a step of the wall clock did."""
HEARTBEAT, LOCK = "daemon.alive", "daemon.lock"
PATIENCE = 1.0
"""Seconds in which a daemon that starts asks for its lock: a health check may hold it for a moment."""
DEAD_AFTER = 3 * LONGEST_SLEEP
TRIES = 10
"""How often a wake index that is locked is opened at the start, each with some seconds of patience."""
AGAIN = 10.0
"""Seconds until the wake index is tried again that was not written."""
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
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out, suppress(OSError):  # nobody listens any more
        out.connect("\0" + address[1:] if address.startswith("@") else address)
        out.sendall(state.encode())


def ailment(state: Path, seam: Seam) -> str:
    """Why no daemon on this state directory is alive and goes round its loop; empty: one does.

    A daemon that starts at this moment is not disturbed: the lock is asked for only beside a young heartbeat, by many at once (shared), and
    given back at once; and a daemon that finds it taken asks again for `PATIENCE` seconds before it says that there is another.
    """
    try:
        age = seam.now() - (state / HEARTBEAT).stat().st_mtime
    except OSError as error:
        return f"no daemon has gone round its loop here: {state / HEARTBEAT}: {error.strerror}"
    if age <= -LONGEST_SLEEP:
        return f"{state / HEARTBEAT} is {-age:.0f} s ahead of the clock: it was set back, and no daemon has gone round its loop since"
    if age >= DEAD_AFTER:
        return f"no daemon has gone round its loop for {age:.0f} s ({state / HEARTBEAT})"
    try:
        lock = os.open(state / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        return f"whether a daemon holds {state / LOCK} cannot be told: {error.strerror}"
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return ""
    finally:
        os.close(lock)
    return f"no daemon holds {state / LOCK}: the last one was killed"


class Daemon:
    """One per state directory.

    `load` reads the configuration anew, `job` makes the job of a spec, `say` takes what operators should see;
    trouble with a `level`. `hung_up`: the SIGHUPs that came before `go`.
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
        hung_up: Sequence[int] = (),
    ) -> None:
        self.loaded, self.load, self.job, self.runner, self.say, self.seam = loaded, load, job, runner, say, seam or Seam()
        self.woken = threading.Event()
        self.reload_asked, self.hung_up = False, hung_up
        self.stuck_since: float | None = None
        """By `seam.ticks`: since when no process can be had for a run."""
        self.lost = False
        """Whether none can be had any more, until the daemon is begun anew."""
        self.state = StateDir(loaded.config.state)
        self.scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True})

    def go(self) -> Exit:
        """Run until SIGTERM or SIGINT. `BadInput` where the state directory cannot be used, `StateTrouble` where that may pass.

        Exit 5 where another daemon uses it, 1 where no run can be begun any more.
        """
        self.state.prepare()
        alone = self._alone()
        if alone is None:
            self.say("another daemon uses this state directory", level="error", state=str(self.state.path))
            return Exit.BUSY
        self.open_index()
        for number, act in ((signal.SIGTERM, self._stop), (signal.SIGINT, self._stop), (signal.SIGHUP, self._reload)):
            signal.signal(number, act)
        self.reload_asked = self.reload_asked or bool(self.hung_up)
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
            with suppress(OSError):  # the lock says the same
                (self.state.path / HEARTBEAT).unlink()
            os.close(alone)
        self.say("daemon has stopped; every step that was begun has ended")
        return Exit.FAILED if self.lost else Exit.DONE

    def open_index(self) -> None:
        """Learn when each spec is to be looked at. A lock is waited for; `BadInput` where the index cannot be kept."""
        self.looking: dict[str, tuple[str, int]] = {}
        """What each spec said, and how often it had failed, when the look at it that goes on was begun."""
        self.unkept: dict[str, tuple[str, float, int]] = {}
        """When to look again at specs, and how often that failed: what the index did not take yet."""
        for left in reversed(range(TRIES)):
            try:
                self._open_index()
                break
            except (sqlite3.Error, OSError) as error:
                if not left or isinstance(error, OSError):
                    raise unusable("the wake index", self.state.path / INDEX, error, fix="see its disk and its mode") from None
            self.seam.sleep(LEAST_WAIT)

    def _open_index(self) -> None:
        """Begun anew where it is damaged: it is a cache."""
        self.index = open_index(self.state.path)
        try:
            self.says = self._keep_only(self.loaded)
        except sqlite3.Error as error:
            self.index.close()
            if not broken(error):
                raise
            begin_anew(self.state.path)
            self.index = open_index(self.state.path)
            self.says = self._keep_only(self.loaded)

    def _keep_only(self, loaded: Loaded) -> dict[str, str]:
        return self.index.keep_only(loaded.specs, self.seam.now(), {name: each.settings for name, each in loaded.config.reloads.items()})

    def _alone(self) -> int | None:
        """The lock that says so; None where another daemon holds it. `BadInput`, `StateTrouble` where it cannot be opened."""
        path = self.state.path / LOCK
        try:
            lock = open_lock(path)
        except OSError as error:
            raise unusable("the daemon's lock", path, error, fix=OURS) from None
        end = self.seam.ticks() + PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.seam.ticks() >= end:
                    os.close(lock)
                    return None
                self.seam.sleep(PATIENCE / 20)
            else:
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
        following: float | None = self.seam.now() + AGAIN
        self._reap()  # first: no index is needed to hear how a run ended
        try:
            following = self._look()
        except sqlite3.Error as error:  # another's write took longer than ours waits, or the disk is full: it may pass
            self.say("the wake index cannot be used; it is tried again", level="warning", error=str(error))
            if broken(error):
                begin_anew(self.state.path)
        self._tell_stuck()
        self._beat()
        self._arm(following)
        if self.runner.running or not self.runner.stopping:  # the last run may have ended before this round began
            self.woken.wait(LONGEST_SLEEP)  # APScheduler goes by the wall clock, which may be set back

    def _look(self) -> float | None:
        """Start what is due; when something is due next. `sqlite3.Error` where the index cannot be used."""
        if self.runner.stopping:
            self._keep()
            return None
        if not self.index.there():
            self._renew()
        self._keep()
        if self.reload_asked:
            self._load_again()
        self._start_due()
        return self.seam.now() + AGAIN if self.unkept or self.runner.stuck else self.index.next()

    def _renew(self) -> None:
        """Somebody has deleted the index, or it was damaged: every spec is looked at once. `sqlite3.Error` where it cannot be opened."""
        self.say("the wake index is begun anew", level="warning")
        self.index.close()
        try:
            self.index = open_index(self.state.path)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from None
        self.says = self._keep_only(self.loaded)

    def _told(self, _future: object) -> None:
        self.woken.set()

    def _reap(self) -> None:
        """What has ended; and begin what is in line."""
        for result in self.runner.pump(self._told):
            self._ended(result)

    def _keep(self) -> None:
        """What the index did not take yet."""
        try:
            for name, (says, at, failed) in list(self.unkept.items()):
                self.index.set(name, says, at, failed, self.seam.now())
                del self.unkept[name]
        except sqlite3.OperationalError as error:  # what is due is begun all the same; these come again
            self.say("the wake index was not written; it is tried again", level="warning", error=str(error))

    def _collect(self) -> None:
        self._reap()
        self._keep()

    def _start_due(self) -> None:
        busy = {each.spec.name for each in (*self.runner.running.values(), *self.runner.waiting)}
        for name in self.index.due(self.seam.now()):
            if name not in busy and name not in self.unkept:
                with suppress(sqlite3.OperationalError):  # then one look more may follow
                    self.index.begin(name)
                self.looking[name] = self.says[name], self.index.failed(name)
                self._add(name)
        self._collect()

    def _add(self, name: str) -> None:
        """Put its job in line; one that cannot be made (a plugin that is gone, say) stops no other."""
        try:
            self.runner.add(self.job(self.loaded, name))
        except RotatorError as error:
            self._ended(RunResult(spec=name, exit=error.exit_code, why="failed", message=str(error)))

    def _ended(self, result: RunResult) -> None:
        """A run says when it wants to be looked at again. Whose look failed waits longer each time; so does one that may not have been
        able to write down that it failed, and therefore names the time of a good one.
        """
        now, name = self.seam.now(), result.spec
        says, before = self.looking.pop(name, ("", 0))
        failed = 0 if result.exit is Exit.DONE else before + 1
        at = result.wake or now + min(60.0 * 2 ** min(failed, 10), 3600.0)
        if failed and (not result.claimed or result.exit in (Exit.FAILED, Exit.BUSY)):
            at = min(at, now + min(60.0 * 2 ** min(failed, 10), 6 * 3600.0))
        at = max(at, now + (min(5.0 * 2 ** min(failed, 10), 3600.0) if failed else LEAST_WAIT))  # its slot may have passed already
        self.unkept[name] = (says, at + spread(name, min(60.0, (at - now) / 100)), failed)
        if result.exit is not Exit.DONE:
            level = "warning" if result.exit in (Exit.UNPROVEN, Exit.BUSY) else "error"
            self.say(result.message, level=level, spec=result.spec, exit=int(result.exit), **({"fix": result.fix} if result.fix else {}))

    def _arm(self, following: float | None) -> None:
        """Wake at the next spec's time, and at least each minute: a suspend would make a longer sleep late."""
        now, busy = self.seam.now(), bool(self.runner.running)
        at = now + LONGEST_SLEEP
        if following is not None and not busy:
            at = min(at, max(following, now))
        elif following is not None and following > now:
            at = min(at, following)
        trigger = DateTrigger(datetime.fromtimestamp(at, UTC))
        self.scheduler.add_job(self.woken.set, trigger, id="wake", replace_existing=True, misfire_grace_time=None)

    def _tell_stuck(self) -> None:
        """Say once that no process can be had for a run, and once that one can. Where that cannot pass, come to an end."""
        trouble = self.runner.stuck
        if trouble and self.stuck_since is None:
            self.stuck_since = self.seam.ticks()
            self.say(f"{trouble.what}; it is tried again", level="error", **({"fix": trouble.fix} if trouble.fix else {}))
        elif not trouble and self.stuck_since is not None:
            self.stuck_since = None
            self.say("runs can be begun again")
        if trouble and trouble.lasts and not self.runner.stopping:
            self.lost = True
            self.runner.stop()
            self.say("the daemon ends, so that it is begun anew: by itself it cannot begin a run any more", level="error")

    def _beat(self) -> None:
        """For the health check, and for systemd's watchdog; withheld once no run could be begun for long, but not as the last ones end."""
        stuck = 0.0 if self.stuck_since is None or self.runner.stopping else self.seam.ticks() - self.stuck_since
        if stuck >= DEAD_AFTER:
            return
        try:
            (self.state.path / HEARTBEAT).touch()
        except OSError as error:
            self.say("the heartbeat was not written", level="warning", error=str(error))
        notify("WATCHDOG=1")

    def _load_again(self) -> None:
        """A valid configuration takes the place of the old one; with any other the old one stays."""
        self.reload_asked = False
        notify(f"RELOADING=1\nMONOTONIC_USEC={int(self.seam.ticks() * 1e6)}")
        try:
            loaded = self.load()
        except RotatorError as error:
            self.say("the new configuration is not valid; the old one stays", level="error", error=str(error))
        except Exception as error:  # noqa: BLE001 - whatever a file system or a plugin does as it is read: no run dies of that
            self.say("the new configuration cannot be read; the old one stays", level="error", error=type(error).__name__)
        else:
            self._change_to(loaded)
        finally:
            notify("READY=1")

    def _change_to(self, loaded: Loaded) -> None:
        """Go on with it, and say what is gone; the old one stays where the daemon must be begun anew for it, and where nothing is left."""
        gone = sorted({each.name for each in self.loaded.specs} - {each.name for each in loaded.specs})
        if loaded.config.state != self.state.path:
            advice = f"To move it to {loaded.config.state}, stop the daemon and start it again"
            self.say("the state directory cannot change while the daemon runs; the old configuration stays", level="error", fix=advice)
        elif gone and not loaded.specs:
            advice = "Is it mounted? To rotate nothing, stop the daemon"
            self.say("the new configuration has no spec; the old one stays", level="error", fix=advice)
        else:
            self._take(loaded)
            for name in gone:
                self.say("this spec is gone, and is not rotated any more", level="warning", spec=name)
            self.say("configuration loaded", specs=len(loaded.specs))

    def _take(self, loaded: Loaded) -> None:
        """Go on with this configuration. Jobs in line are dropped: their specs are due still, and come again by what they say now."""
        try:
            self.says = self._keep_only(loaded)
        except sqlite3.Error:
            self.reload_asked = True
            raise
        self.loaded = loaded
        self.runner.runs, self.runner.per_connection = loaded.config.runs, loaded.config.per_connection
        self.runner.waiting.clear()
