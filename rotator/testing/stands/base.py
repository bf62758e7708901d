"""A stand: a real server, how a spec names it, and what an oracle may ask it without any of our plugins."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rotator.model import Credential, Secret

if TYPE_CHECKING:
    from rotator.testing.stands.stores import StoreStand

Yaml = dict[str, Any]
ADMIN_FILE = "var/admin"
"""Holds the admin's secret; relative to `rotator.yaml`."""


class Stand(ABC):
    """One shape at one server, its `server`: a context manager.

    Each principal (`one`) is a user, or two, of its own: stories never meet.
    """

    shape: ClassVar[str]
    grace: ClassVar[str] = "1s"
    soak: ClassVar[str] = "0s"
    fields: ClassVar[tuple[str, str]]
    mints: ClassVar[bool] = False
    """The provider picks the secret. Such a provider also notes when a credential was used last: a login leaves a trace."""
    labels: ClassVar[bool] = False
    """What it mints carries our label."""
    drop_in: Path | None = None
    """The drop-in directory of the plugin, where it is none of the installed ones."""
    mutating: ClassVar[str] = ""
    """What counts as a call that changes something, in words."""

    server: Any
    """What is started and stopped."""
    store: StoreStand | None = None
    """Where its worlds keep their records; None: in files of their own."""

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.server.__exit__(kind, error, trace)

    @classmethod
    def missing(cls) -> str | None:
        """What it needs and this machine lacks; None: nothing."""
        return None

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

    def second(self, one: str) -> Credential:
        """A human makes a second credential of this principal, past us. Not in place."""
        raise NotImplementedError

    def orphan(self, one: str, label: str) -> None:
        """One with this label of ours appears that no record knows, as a late mint would."""
        raise NotImplementedError

    def restore(self, credential: Credential) -> None:
        """A human makes this dead one work again, past us. Where the provider picks the secret nobody can."""
        raise NotImplementedError

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

    def seen(self) -> str | None:
        """What the server has noted since the last call, of all that it was asked; None: it keeps no such log."""
        return None

    @abstractmethod
    def changes(self, sent: bytes) -> list[str]:
        """The calls in these bytes of one connection, client to server, that change something at the target."""


def a_credential(name: str) -> Credential:
    """One of a human's making."""
    return Credential(name=name, secret=Secret(f"human-{secrets.token_hex(20)}"))


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read."""
    path.touch(0o600)
    path.write_text(text)
