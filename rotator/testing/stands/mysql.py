"""MariaDB, overlapping: two passwords of one account."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rotator.model import Secret
from rotator.testing.servers.mariadb import MariaDbServer, binary, native
from rotator.testing.stands.two_passwords import TwoPasswords

READS = re.compile(r"SELECT |SHOW |SET (?:SESSION|NAMES) |DO SLEEP")
"""Statements that change nothing that outlives their session."""
QUERY, QUIT = 3, 1


class MysqlStand(TwoPasswords):
    """One account, two passwords that work at once, at a real MariaDB."""

    shape = "mysql"
    kind = "mysql"
    mutating = "every statement but SELECT, SHOW, SET of the session, DO SLEEP"

    def __init__(self) -> None:
        super().__init__()
        self._read = 0

    @classmethod
    def missing(cls) -> str | None:
        return None if binary() else "MariaDB: install the package mariadb-server"

    def new_server(self) -> MariaDbServer:
        return MariaDbServer()

    @staticmethod
    def hashed(secret: Secret) -> str:
        return native(secret)

    def living(self, one: str) -> set[str]:
        return {f"{one} {each}" for each in self.server.passwords(one)}

    def seen(self) -> str:
        """The general log."""
        with self.server.log_file.open("rb") as log:
            log.seek(self._read)
            text: bytes = log.read()
            self._read = log.tell()
        return text.decode("utf-8", "replace")

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
