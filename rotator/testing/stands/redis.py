"""Redis, overlapping: two passwords of one user."""

from __future__ import annotations

from collections.abc import Iterator

from rotator.model import Secret
from rotator.testing.servers.redis import RedisServer, sha256
from rotator.testing.stands.two_passwords import TwoPasswords

MARK = b"rotator.fence.".hex()
READS = ("AUTH", "INFO", "ACL GETUSER", "ACL WHOAMI", "CONFIG GET")
"""Commands that change nothing."""


class RedisStand(TwoPasswords):
    """One user, two passwords that work at once, at a real Redis."""

    shape = "redis overlapping"
    type = "redis"
    mutating = "every command but AUTH, INFO, ACL GETUSER, ACL WHOAMI, CONFIG GET"

    def new_server(self) -> RedisServer:
        return RedisServer()

    @staticmethod
    def hashed(secret: Secret) -> str:
        return sha256(secret)

    def living(self, one: str) -> set[str]:
        return {f"{one} {each}" for each in self.server.hashes(one) if not each.startswith(MARK)}

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
