"""PostgreSQL, in place and alternating."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from rotator.model import Credential, Secret
from rotator.testing.servers.postgres import PostgresServer
from rotator.testing.stands.base import ADMIN_FILE, Stand, Yaml, a_credential

READS = re.compile(r"(?:SELECT (?!.*pg_(?:terminate|cancel)_backend)|SET \w+ = |BEGIN\b|ROLLBACK\b|COMMIT\b|SHOW\b)", re.DOTALL)
"""Statements that change nothing that outlives their session. Ending other sessions is a change."""


class PostgresStand(Stand):
    """What both shapes share."""

    fields = ("username", "password")
    mutating = "every statement but SELECT (without pg_terminate_backend), SET of the session, BEGIN, COMMIT, ROLLBACK, SHOW"

    server: PostgresServer

    def __init__(self) -> None:
        self.server = PostgresServer()

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def admin(self) -> Secret:
        return self.server.password

    def connection(self, port: int) -> Yaml:
        admin = {"username": self.server.superuser, "password": {"file": ADMIN_FILE}}
        return {"type": "postgres", "host": "127.0.0.1", "port": port, "admin": admin, "tls": "off"}

    def restore(self, credential: Credential) -> None:
        assert credential.secret is not None
        self.server.set_password(credential.name, credential.secret)

    def works(self, credential: Credential) -> bool:
        assert credential.secret is not None
        return self.server.logs_in(credential.name, credential.secret)

    def users(self, one: str) -> tuple[str, ...]:
        """The roles of a principal."""
        return (one,)

    def living(self, one: str) -> set[str]:
        statement = "SELECT rolname FROM pg_authid WHERE rolname = ANY(%s) AND rolcanlogin AND rolpassword IS NOT NULL"
        return {row[0] for row in self.server.query(statement, (list(self.users(one)),))}

    def changes(self, sent: bytes) -> list[str]:
        return [each for each in statements(sent) if not READS.match(each)]


class InPlace(PostgresStand):
    """One role, one password."""

    shape = "postgres in place"
    grace = "0s"

    def target(self, one: str) -> Yaml:
        return {"type": "postgres", "dbname": "postgres", "username": one}

    def begin(self, one: str) -> Credential:
        first = a_credential(one)
        self.server.create_user(one, first.secret)
        return first


class Alternating(PostgresStand):
    """Two roles that take turns."""

    shape = "postgres alternating"

    def users(self, one: str) -> tuple[str, ...]:
        return (f"{one}_a", f"{one}_b")

    def target(self, one: str) -> Yaml:
        return {"type": "postgres", "dbname": "postgres", "usernames": list(self.users(one))}

    def begin(self, one: str) -> Credential:
        used, idle = self.users(one)
        first = a_credential(used)
        self.server.create_user(used, first.secret)
        self.server.create_user(idle, None, "NOLOGIN")
        return first

    def second(self, one: str) -> Credential:
        second = a_credential(self.users(one)[1])
        self.restore(second)
        return second


def statements(sent: bytes) -> Iterator[str]:
    """Single statements in what a client sent: simple queries and Parse messages (PostgreSQL documentation, 55.7).

    What is no message of the frontend/backend protocol raises `ValueError`: not understood is not harmless.
    """
    at = 0
    while at < len(sent):
        if at == 0:  # the startup message has no type
            at = struct.unpack_from("!I", sent, 0)[0]
            continue
        kind, length = sent[at : at + 1], struct.unpack_from("!I", sent, at + 1)[0]
        body = sent[at + 5 : at + 1 + length]
        at += 1 + length
        if kind == b"Q":
            yield from (each.strip() for each in _split(body.rstrip(b"\0").decode()) if each.strip())
        elif kind == b"P":
            yield body.split(b"\0")[1].decode().strip()
        elif kind not in (b"p", b"B", b"D", b"E", b"S", b"H", b"C", b"X"):
            raise ValueError(f"a client sent a message of the kind {kind!r}")


def _split(text: str) -> list[str]:
    """At semicolons outside of quotes."""
    return re.findall(r"(?:'(?:[^']|'')*'|\"[^\"]*\"|[^;'\"])+", text)
