"""A stand: a real server, how a spec names it, and what an oracle may ask it without any of our plugins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from rotator.model import Credential, Secret

Yaml = dict[str, Any]
ADMIN_FILE = "var/admin"
"""Holds the admin's secret; relative to `rotator.yaml`."""


class Stand(AbstractContextManager["Stand"], ABC):
    """One shape at one server. Each principal (`one`) is a user, or two, of its own: stories never meet."""

    shape: ClassVar[str]
    grace: ClassVar[str] = "1s"
    soak: ClassVar[str] = "0s"
    fields: ClassVar[tuple[str, str]]
    drop_in: Path | None = None
    """The drop-in directory of the plugin, where it is none of the installed ones."""
    mutating: ClassVar[str] = ""
    """What counts as a call that changes something, in words."""

    @property
    @abstractmethod
    def port(self) -> int:
        """Where the server listens on 127.0.0.1."""

    @property
    @abstractmethod
    def admin(self) -> Secret:
        """The admin's secret."""

    @abstractmethod
    def connection(self, port: int) -> Yaml:
        """The connection as `rotator.yaml` has it, through this port."""

    @abstractmethod
    def target(self, one: str) -> Yaml:
        """`target:` of a spec, less its connection."""

    @abstractmethod
    def begin(self, one: str) -> Credential:
        """Make the principal, with the credential that a human made before we came."""

    @abstractmethod
    def works(self, credential: Credential) -> bool:
        """Whether it logs in now: one login by another way than our plugin's. Raises where the server does not answer."""

    @abstractmethod
    def living(self, one: str) -> set[str]:
        """Marks of all that can log in as this principal, asked as root."""

    def mark(self, credential: Credential) -> str:
        """How `living` shows this credential."""
        return credential.name

    def minted(self, one: str) -> int | None:
        """How many credentials the provider has made for it so far, the first one included; None: the core makes the secrets."""
        return None

    @abstractmethod
    def changes(self, sent: bytes) -> list[str]:
        """The calls in these bytes of one connection, client to server, that change something at the target."""
