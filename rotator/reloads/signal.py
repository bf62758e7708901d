"""`type: signal`: a signal to a daemon of this machine that has a pidfile.

It is `sent`, never more: nobody answers, and a program without a handler for it dies of most signals. The process is held by a pidfd before
it is looked at, so that the signal reaches the very process whose program and user were checked, and none that got its number later.
"""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from rotator.reload import Denied, Finding, Level, PortError, Reached, Refused, Reload, Settings
from rotator.settings import LocalPath

MOST = 32
"""Bytes of a pidfile."""
NEVER = ("KILL", "STOP")


def _name(value: str) -> str:
    if f"SIG{value}" not in signal.Signals.__members__:
        raise ValueError("write the name of a signal, without SIG: HUP, USR1, USR2")
    if value in NEVER:
        raise ValueError("no program can handle this signal")
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise ValueError("write an absolute path")
    return value


class ProcessSignalSettings(Settings):
    """Which process, and what it must be."""

    pidfile: LocalPath
    signal: Annotated[str, AfterValidator(_name)]
    """Without SIG."""
    exe: Annotated[str, AfterValidator(_absolute)]
    """The program that runs there; of a script its interpreter."""
    user: Annotated[str, Field(min_length=1)]
    """As whom it runs: a name or number."""


class ProcessSignal(Reload[ProcessSignalSettings]):
    """Sends one signal for each `tell`."""

    settings = ProcessSignalSettings
    reaches = Reached.sent

    def tell(self, name: str, version: str) -> Reached:  # noqa: ARG002 - a signal carries no words
        """Send it. `Refused`, and nothing was sent: no such process, or another program's or user's."""
        with self._held() as (fd, pid):
            try:
                signal.pidfd_send_signal(fd, signal.Signals[f"SIG{self.config.signal}"])
            except ProcessLookupError:
                raise self._gone(pid) from None
            except PermissionError:
                raise Denied(f"we may not send a signal to process {pid}", "run rotator as root, or as that user") from None
        return Reached.sent

    def check(self) -> list[Finding]:
        """Whether the process is there, and what it should be. Nothing is sent."""
        try:
            with self._held():
                return []
        except PortError as error:
            return [Finding(Level.FAIL, "reload", error.what, error.fix)]

    @contextmanager
    def _held(self) -> Iterator[tuple[int, int]]:
        """The pidfd and number of the process, once it is known to be the right one."""
        uid, program, pid = self._uid(), self._program(), self._pid()
        try:
            fd = os.pidfd_open(pid)
        except OSError:  # no such process; or the number of a thread
            raise self._gone(pid) from None
        try:
            self._look(pid, uid, program)
            yield fd, pid
        finally:
            os.close(fd)

    def _look(self, pid: int, uid: int, program: os.stat_result) -> None:
        """Raise `Refused` where another program runs there, or as another user: of a number that was given anew the pidfd is dead."""
        process = Path("/proc", str(pid))
        try:
            lines = (process / "status").read_text(encoding="ascii", errors="replace").splitlines()
            runs = (process / "exe").stat()
        except PermissionError:
            raise Denied(f"we may not see which program process {pid} runs", "run rotator as root, or as that user") from None
        except FileNotFoundError:
            what = f"process {pid} of {self.config.pidfile} has just ended, or /proc hides it from us; nothing was sent"
            raise Refused(what, "start the daemon; if it runs, see `ProtectProc=` and `hidepid`") from None
        ids = {each for line in lines if line.startswith("Uid:") for each in line.split()[1:3]}
        if ids != {str(uid)}:
            raise self._another(pid, f"runs as another user than {self.config.user}")
        if (runs.st_dev, runs.st_ino) != (program.st_dev, program.st_ino):
            raise self._another(pid, f"runs another program than {self.config.exe}, or the one that was there before an update")

    def _program(self) -> os.stat_result:
        try:
            return Path(self.config.exe).stat()
        except OSError as error:
            raise Denied(f"{self.config.exe} cannot be seen ({error.strerror})", "install it, or correct `exe` in rotator.yaml") from None

    def _pid(self) -> int:
        file = self.config.pidfile
        try:
            with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:  # noqa: PTH123 - a descriptor, no path
                text = opened.read(MOST + 1).strip()
        except PermissionError:
            raise Denied(f"{file} cannot be read", "let the user that runs rotator read it") from None
        except OSError as error:
            raise Refused(f"{file} is not there, or no file ({error.strerror})", "start the daemon, or correct `pidfile`") from None
        if not text.isdigit() or not 1 < int(text) < 1 << 31:
            raise Refused(f"{file} holds no process number", "restart the daemon, or correct `pidfile`")
        return int(text)

    def _uid(self) -> int:
        user = self.config.user
        if user.isascii() and user.isdigit():
            return int(user)
        try:
            return pwd.getpwnam(user).pw_uid
        except KeyError:
            raise Denied(f"there is no user {user} on this machine", "create it, or correct `user` in rotator.yaml") from None

    def _gone(self, pid: int) -> Refused:
        return Refused(f"process {pid} of {self.config.pidfile} is not there; nothing was sent", "start the daemon")

    def _another(self, pid: int, why: str) -> Refused:
        fix = "restart the daemon, or correct `exe`, `user` or `pidfile` in rotator.yaml"
        return Refused(f"process {pid} of {self.config.pidfile} {why}; nothing was sent", fix)
