"""Redis, overlapping: two passwords of one user."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Self

from rotator.model import Credential, Secret
from rotator.testing.servers.redis import RedisServer, sha256
from rotator.testing.stands.base import ADMIN_FILE, Stand, Yaml, a_credential

ADMIN = "rotator"
MARK = b"rotator.fence.".hex()
READS = ("AUTH", "INFO", "ACL GETUSER", "ACL WHOAMI", "CONFIG GET")
"""Commands that change nothing."""


class RedisStand(Stand):
    """One user, two passwords that work at once, at a real Redis."""

    shape = "redis overlapping"
    fields = ("username", "password")
    mutating = "every command but AUTH, INFO, ACL GETUSER, ACL WHOAMI, CONFIG GET"
    server: RedisServer

    def __init__(self) -> None:
        self.server = RedisServer()
        self._admin = Secret(f"admin-{secrets.token_hex(20)}")

    def __enter__(self) -> Self:
        super().__enter__()
        self.server.create_admin(ADMIN, self._admin)
        return self

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def admin(self) -> Secret:
        return self._admin

    def connection(self, port: int) -> Yaml:
        admin = {"username": ADMIN, "password": {"file": ADMIN_FILE}}
        return {"type": "redis", "host": "127.0.0.1", "port": port, "admin": admin, "tls": "off"}

    def target(self, one: str) -> Yaml:
        return {"type": "redis", "username": one}

    def begin(self, one: str) -> Credential:
        first = a_credential(one)
        self.server.create_user(one, first.secret)
        return first

    def second(self, one: str) -> Credential:
        second = a_credential(one)
        self.restore(second)
        return second

    def restore(self, credential: Credential) -> None:
        assert credential.secret is not None
        self.server.add_password(credential.name, credential.secret)

    def works(self, credential: Credential) -> bool:
        assert credential.secret is not None
        return self.server.logs_in(credential.name, credential.secret)

    def living(self, one: str) -> set[str]:
        return {f"{one} {each}" for each in self.server.hashes(one) if not each.startswith(MARK)}

    def mark(self, credential: Credential) -> str:
        assert credential.secret is not None
        return f"{credential.name} {sha256(credential.secret)}"

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
