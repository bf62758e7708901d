"""Where worlds keep their records: in files, or at a server that all worlds of a stand share."""

from __future__ import annotations

import base64
import os
import tempfile
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from rotator.stores.file import prepare
from rotator.testing.servers.moto import ACCOUNT, REGION, MotoServer
from rotator.testing.servers.openbao import OpenBaoServer
from rotator.testing.stands.base import Yaml, write_private

TOKEN_FILE = "var/store.token"
"""Holds what logs in at the store; relative to `rotator.yaml`."""
_ENTRY_POINTS = "[rotator.stores]\naws_read_at_once = rotator.testing.stands.aws_read_at_once:AwsReadAtOnce\n"


class StoreStand(ABC):
    """Where worlds keep their records."""

    kind: ClassVar[str]
    counted: ClassVar[bool] = False
    """It bears so few writes of one record in a day that a world there lives for one story."""
    drop_in: Path | None = None
    """The drop-in directory of the store, where it is none of the installed ones."""
    server: Any = None
    """What is started and stopped; None: nothing is."""

    def __enter__(self) -> Self:
        if self.server is not None:
            self.server.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.server is not None:
            self.server.__exit__(kind, error, trace)

    def path(self, one: str) -> str:
        """The path of the spec of this principal: worlds never meet."""
        return f"team/{one}"

    @abstractmethod
    def settings(self, folder: Path, one: str) -> Yaml:
        """The store as `rotator.yaml` has it, for records of this principal alone. What it needs is written into the world's folder."""


class InFiles(StoreStand):
    """The store `file`, in the folder of the world."""

    kind = "file"

    def path(self, one: str) -> str:
        return "team/it"

    def settings(self, folder: Path, one: str) -> Yaml:
        prepare(str(folder / "var/store"))
        write_private(folder / "var/store.key", base64.b64encode(os.urandom(32)).decode())
        return {"type": "file", "path": "var/store", "key": {"file": "var/store.key"}}


class InVault(StoreStand):
    """The store `vault` at a real OpenBao."""

    kind = "vault"
    server: OpenBaoServer

    def __init__(self) -> None:
        self.server = OpenBaoServer()

    def settings(self, folder: Path, one: str) -> Yaml:
        write_private(folder / TOKEN_FILE, self.server.root.reveal())
        return {"type": "vault", "address": self.server.url, "prefix": _prefix(one), "auth": {"token": {"file": TOKEN_FILE}}}


class InSecretsManager(StoreStand):
    """The store `aws_secrets_manager` at moto, told that its consumers read anew at once: else a grace lasts an hour at least."""

    kind = "aws_secrets_manager"
    counted = True
    server: MotoServer

    def __init__(self) -> None:
        self.server = MotoServer(secrets=True)

    def __enter__(self) -> Self:
        self.drop_in = Path(_folder().name)
        (self.drop_in / "entry_points.txt").write_text(_ENTRY_POINTS)
        from rotator.testing.servers import aws_models  # not at the top: it needs botocore

        self._models = aws_models.read_once()  # an oracle opens the store all the time
        entered = super().__enter__()
        self._models.__enter__()
        return entered

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        self._models.__exit__(kind, error, trace)

    def settings(self, folder: Path, one: str) -> Yaml:
        id, secret = self.server.admin_key
        write_private(folder / TOKEN_FILE, secret)
        login = {"access_key_id": id, "secret_access_key": {"file": TOKEN_FILE}}
        place = {"region": REGION, "account": ACCOUNT, "endpoint_url": self.server.url, "prefix": _prefix(one)}
        return {"type": "aws_read_at_once", **place, "credentials": login}


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """The drop-in directory: one for this process, since a loader leaves it on the path, where a second one would offer the same store."""
    return tempfile.TemporaryDirectory(prefix="store-")


def _prefix(one: str) -> str:
    """What is rotator's own in one world: the heads of its ledger are those of its records alone."""
    return f"rotator-{one}"


STORES: dict[str, type[StoreStand]] = {each.kind: each for each in (InFiles, InVault, InSecretsManager)}
"""By their types."""
