"""Redis, overlapping: two passwords of one user."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rotator.model import Secret
from rotator.testing.servers.redis import RedisServer, binary, sha256
from rotator.testing.stands.base import a_credential
from rotator.testing.stands.two_passwords import TwoPasswords

MARK = b"rotator.fence.".hex()
READS = ("AUTH", "INFO", "ACL GETUSER", "ACL WHOAMI", "CONFIG GET")
"""Commands that change nothing."""
READ = 1 << 16


class RedisStand(TwoPasswords):
    """One user, two passwords that work at once, at a real Redis."""

    shape = "redis"
    kind = "redis"
    mutating = "every command but AUTH, INFO, ACL GETUSER, ACL WHOAMI, CONFIG GET"

    def __init__(self) -> None:
        super().__init__()
        self._monitor: socket.socket | None = None

    @classmethod
    def missing(cls) -> str | None:
        return None if binary() else "Redis: install the package redis-server"

    def new_server(self) -> RedisServer:
        return RedisServer()

    def __enter__(self) -> Self:
        super().__enter__()
        watcher = a_credential("watcher")
        assert watcher.secret is not None
        self.server.create_user(watcher.name, watcher.secret, "+monitor")
        self._monitor, _ = self.server.connect(watcher.name, watcher.secret)
        self._monitor.sendall(b"MONITOR\r\n")
        self._until(b"+OK")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._monitor is not None:
            self._monitor.close()
        super().__exit__(kind, error, trace)

    @staticmethod
    def hashed(secret: Secret) -> str:
        return sha256(secret)

    def living(self, one: str) -> set[str]:
        return {f"{one} {each}" for each in self.server.hashes(one) if not each.startswith(MARK)}

    def seen(self) -> str:
        """What MONITOR shows, and the slow log, which holds every command of an admin too."""
        end = secrets.token_hex(8)
        _, slow, _ = self.server.queries(("ECHO", end), ("SLOWLOG", "GET", "-1"), ("SLOWLOG", "RESET"))
        return self._until(end.encode()).decode("utf-8", "replace") + json.dumps(slow)

    def _until(self, end: bytes) -> bytes:
        assert self._monitor is not None
        found = bytearray()
        while end not in found[-READ:]:
            piece = self._monitor.recv(READ)
            if not piece:
                raise ConnectionError("MONITOR has ended")
            found += piece
        return bytes(found)

    def changes(self, sent: bytes) -> list[str]:
        return [each for each in commands(sent) if not f"{each} ".startswith(tuple(f"{read} " for read in READS))]


def commands(sent: bytes) -> Iterator[str]:
    """What a client asked: the command and its first word; of AUTH the command alone. Arrays of strings, as RESP 2 has them.

    Anything else raises `ValueError`: not understood is not harmless.
    """
    at = 0
    while at < len(sent):
        count, at = _number(sent, at, b"*")
        words = []
        for _ in range(count):
            length, at = _number(sent, at, b"$")
            words.append(sent[at : at + length])
            at += length + 2
        name = words[0].decode().upper()
        yield name if name == "AUTH" or len(words) == 1 else f"{name} {words[1].decode().upper()}"


def _number(sent: bytes, at: int, kind: bytes) -> tuple[int, int]:
    end = sent.index(b"\r\n", at)
    if sent[at : at + 1] != kind:
        raise ValueError("a client sent what is no array of strings")
    return int(sent[at + 1 : end]), end + 2
