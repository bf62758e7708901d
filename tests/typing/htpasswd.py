"""Passwords of an nginx `auth_basic_user_file`: one user, in place."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from rotator.target import (
    Can,
    Credential,
    Denied,
    Finding,
    Level,
    LocalPath,
    Refused,
    Rejected,
    ServiceUrl,
    SetTarget,
    Settings,
    Unreachable,
)


class Nginx(Settings):
    """The owner's: the file, and a URL that it guards."""

    file: LocalPath
    url: ServiceUrl


class User(Settings):
    """The team's."""

    username: str


class HtpasswdUser(SetTarget[Nginx, User]):
    """One user of the file."""

    connection_type = "htpasswd"
    settings = User
    fields = ("username", "password")

    @property
    def can(self) -> Can:
        return Can()

    @property
    def endpoint(self) -> str:
        return self.connection.url

    @property
    def principals(self) -> Sequence[str]:
        return (self.config.username,)

    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:
        found = []
        if self.config.username not in self._users():
            found.append(Finding(Level.FAIL, "principal.missing", "the file has no such user", self._mend()))
        folder = Path(self.connection.file).parent
        if not os.access(folder, os.W_OK):
            found.append(Finding(Level.FAIL, "privilege.missing", f"{folder} cannot be written", f"chgrp rotator {folder}"))
        return found or [Finding(Level.OK, "ok", "the file can be replaced")]

    def verify(self, credential: Credential) -> str:
        status = self._status(credential)
        if status == 401:
            raise Rejected("nginx refuses this password", code="401")
        if status != 200:
            raise Unreachable("neither yes nor no", code=str(status))
        return credential.name

    def apply(self, credential: Credential, keep: Sequence[Credential]) -> None:
        users = self._users()
        self._ours(credential)
        if credential.name not in users:
            raise Refused("the file has no such user", self._mend())
        users[credential.name] = _hashed(credential)
        self._replace(users)

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        self._ours(credential)  # in place the old secret died as the new one was set: nothing is left to do

    # ---- the file, and the login

    def _ours(self, credential: Credential) -> None:
        if credential.name not in self.principals:
            raise Refused("this target does not rotate that user")

    def _mend(self) -> str:
        return f"echo '{self.config.username}:!' >> {self.connection.file}"

    def _users(self) -> dict[str, str]:
        try:
            lines = Path(self.connection.file).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise Denied(f"the file cannot be read ({error.strerror})", f"chgrp rotator {self.connection.file}") from None
        pairs = (line.partition(":") for line in lines)
        return {name: rest for name, colon, rest in pairs if colon}

    def _replace(self, users: dict[str, str]) -> None:
        beside = Path(f"{self.connection.file}.new")
        try:
            with beside.open("w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o640)
                file.write("".join(f"{name}:{rest}\n" for name, rest in users.items()))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.connection.file)
        except OSError as error:
            raise Denied(f"the file cannot be replaced ({error.strerror})", "let the runner write its folder") from None

    def _status(self, credential: Credential) -> int:
        assert credential.secret is not None
        token = base64.b64encode(f"{credential.name}:{credential.secret.reveal()}".encode()).decode()
        parts = urlsplit(self.connection.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=self.runtime.timeout)
        try:
            connection.request("GET", parts.path or "/", headers={"Authorization": f"Basic {token}"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            raise Unreachable("no answer") from None
        finally:
            connection.close()


def _hashed(credential: Credential) -> str:
    assert credential.secret is not None
    salt = secrets.token_bytes(16)
    digest = hashlib.sha1(credential.secret.reveal().encode() + salt).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()
