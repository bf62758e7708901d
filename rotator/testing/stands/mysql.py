"""MariaDB, overlapping: two passwords of one account."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Self

from rotator.model import Credential, Secret
from rotator.testing.servers.mariadb import MariaDbServer, native
from rotator.testing.stands.base import ADMIN_FILE, Stand, Yaml, a_credential

ADMIN = "rotator"
READS = re.compile(r"SELECT |SHOW |SET (?:SESSION|NAMES) |DO SLEEP")
"""Statements that change nothing that outlives their session."""
QUERY, QUIT = 3, 1


class MysqlStand(Stand):
    """One account, two passwords that work at once, at a real MariaDB."""

    shape = "mysql overlapping"
    fields = ("username", "password")
    mutating = "every statement but SELECT, SHOW, SET of the session, DO SLEEP"
    server: MariaDbServer

    def __init__(self) -> None:
        self.server = MariaDbServer()
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
        return {"type": "mysql", "host": "127.0.0.1", "port": port, "admin": admin, "tls": "off"}

    def target(self, one: str) -> Yaml:
        return {"type": "mysql", "username": one}

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
        return {f"{one} {each}" for each in self.server.passwords(one)}

    def mark(self, credential: Credential) -> str:
        assert credential.secret is not None
        return f"{credential.name} {native(credential.secret)}"

    def changes(self, sent: bytes) -> list[str]:
        return [each for each in statements(sent) if not READS.match(each)]


def statements(sent: bytes) -> Iterator[str]:
    """What a client asked in plain text: https://mariadb.com/kb/en/0-packet/

    A command begins anew at sequence 0; what comes before the first is the login. Another command than a query or the end raises
    `ValueError`: not understood is not harmless.
    """
    at = 0
    while at < len(sent):
        length, sequence = int.from_bytes(sent[at : at + 3], "little"), sent[at + 3]
        body = sent[at + 4 : at + 4 + length]
        at += 4 + length
        if sequence == 0 and body[0] == QUERY:
            yield body[1:].decode().strip()
        elif sequence == 0 and body[0] != QUIT:
            raise ValueError(f"a client sent the command {body[0]}")
