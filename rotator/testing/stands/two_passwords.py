"""What the stands of two overlapping passwords have in common: one user of a database server, and its passwords by their hashes."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from typing import Any, ClassVar, Self

from rotator.model import Credential, Secret
from rotator.testing.stands.base import ADMIN_FILE, Stand, Yaml, a_credential

ADMIN = "rotator"


class TwoPasswords(Stand):
    """One user, two passwords that work at once, at a real server."""

    fields = ("username", "password")
    kind: ClassVar[str]
    """Of target and connection."""
    server: Any

    def __init__(self) -> None:
        self.server = self.new_server()
        self._admin = Secret(f"admin-{secrets.token_hex(20)}")

    @abstractmethod
    def new_server(self) -> Any:
        """The server, not started yet."""

    @staticmethod
    @abstractmethod
    def hashed(secret: Secret) -> str:
        """What the server keeps of a password."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.server.create_admin(ADMIN, self._admin)
        return self

    @property
    def port(self) -> int:
        port: int = self.server.port
        return port

    @property
    def admin(self) -> Secret:
        return self._admin

    def connection(self, port: int) -> Yaml:
        admin = {"username": ADMIN, "password": {"file": ADMIN_FILE}}
        return {"type": self.kind, "host": "127.0.0.1", "port": port, "admin": admin, "tls": "off"}

    def target(self, one: str) -> Yaml:
        return {"type": self.kind, "username": one}

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
        works: bool = self.server.logs_in(credential.name, credential.secret)
        return works

    def mark(self, credential: Credential) -> str:
        assert credential.secret is not None
        return f"{credential.name} {self.hashed(credential.secret)}"
