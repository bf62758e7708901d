"""What throwaway servers have in common: a process that nothing outlives."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

BARE = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
"""The environment of a server: nothing of ours."""


def free_ports(count: int) -> list[int]:
    """So many ports of 127.0.0.1 that nobody listens on now."""
    with ExitStack() as probes:
        found = [probes.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]


def _states(pid: int) -> list[str]:
    """The states of all threads (proc(5)); none where that is not told, or the process is gone."""
    found = []
    for each in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # it ended since it was listed
            found.append(each.read_text().rpartition(")")[2].split()[0])
    return found


def freeze(pid: int) -> None:
    """Stop a process; it stands still when this returns. One that is gone is passed by; `RuntimeError` after ten seconds.

    A signal is only queued by kill(2): on a machine with much to do a thread goes on for a while, and answers.
    """
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 10
    while not all(each in _STILL for each in _states(pid)):
        if time.monotonic() > end:
            raise RuntimeError(f"process {pid} does not stand still: its threads are {', '.join(_states(pid))}")
        time.sleep(0.001)


def thaw(pid: int) -> None:
    """Let a process go on that `freeze` stopped. One that is gone is passed by."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


_STILL = "TZX"
"""States of a thread that does nothing (proc(5)): stopped, or ended."""


class Server(ABC):
    """A context manager around a process. Where its start fails, it is stopped at once."""

    _process: subprocess.Popen[Any] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Start it, and wait until it answers. Raises `RuntimeError` with what it said last."""

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It stands still: connections open, and nothing ever answers."""
        assert self._process is not None
        pid = self._process.pid
        try:
            freeze(pid)
            yield
        finally:
            thaw(pid)

    def stop(self) -> None:
        """End it. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # such a server ends with its stdin
        else:
            process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


class DatabaseServer(Server):
    """A server with a folder of its own. Started by root it runs as `account`, or `nobody`; no operating system user is made."""

    account: ClassVar[str]
    prefix: ClassVar[str]
    """How the folder's name begins."""
    _base: Path | None = None
    _environment: dict[str, str] | None = None
    """Added to the server's."""

    def __enter__(self) -> Self:
        try:
            self._base = Path(tempfile.mkdtemp(prefix=self.prefix, dir="/tmp"))  # a socket path has at most 107 bytes
            self.base.chmod(0o755)
            if os.geteuid() == 0:
                os.chown(self.base, *self._ids())
            self._make()
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._remove()

    @property
    def base(self) -> Path:
        """The folder of this server: data, socket, logs; removed at the end."""
        assert self._base is not None
        return self._base

    @property
    def ca_file(self) -> Path:
        """The certificate of the CA, where `tls` was asked for."""
        return self.base / "ca.pem"

    @abstractmethod
    def _make(self) -> None:
        """Fill the folder, before the first start."""

    def _certificates(self) -> tuple[Path, Path]:
        """A key and a certificate for `localhost` and 127.0.0.1, by a CA of its own in `ca_file`."""
        from rotator.testing.servers.tls import write_certificates

        key, certificate = self.base / "server.key", self.base / "server.pem"
        write_certificates(self.ca_file, certificate, key)
        self._give(key)
        return key, certificate

    def _ids(self) -> tuple[int, int]:
        names = {each.pw_name: each for each in pwd.getpwall()}
        user = names.get(self.account) or names["nobody"]
        return user.pw_uid, user.pw_gid

    def _give(self, path: Path) -> None:
        path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(path, *self._ids())

    def _child(self) -> dict[str, Any]:
        """How a program of the server is started: without root, without our environment."""
        environment = {**BARE, "HOME": str(self.base), **(self._environment or {})}
        common: dict[str, Any] = {"cwd": self.base, "env": environment, "stdin": subprocess.DEVNULL}
        if os.geteuid() == 0:
            uid, gid = self._ids()
            common.update(user=uid, group=gid, extra_groups=[])
        return common

    def _remove(self) -> None:
        try:
            self.stop()
        finally:
            if self._base is not None:
                shutil.rmtree(self._base, ignore_errors=True)
                self._base = None
