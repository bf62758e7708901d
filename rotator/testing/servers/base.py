"""What throwaway servers have in common: a process that nothing outlives."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from contextlib import ExitStack
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
