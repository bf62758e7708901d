"""The target `porter`: the password of one user, in place."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from rotator.target import (
    Can,
    Credential,
    Denied,
    Finding,
    Level,
    Refused,
    Rejected,
    SecretRef,
    ServiceUrl,
    SetTarget,
    Settings,
    Unreachable,
)


class PorterConnection(Settings):
    """One Porter, and a token of its admin."""

    url: ServiceUrl
    admin_token: SecretRef


class PorterSettings(Settings):
    """Whose password it is."""

    username: str


class PorterTarget(SetTarget[PorterConnection, PorterSettings]):
    """One user has one password: the old one dies as the new one is set."""

    connection_type = "porter"
    settings = PorterSettings
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
        if "write" not in self._admin("GET", "/rights").split():
            found.append(Finding(Level.FAIL, "privilege.missing", "the admin may not set passwords", _GRANT))
        try:
            self._admin("GET", self._path(self.config.username))
        except Refused as no:
            found.append(Finding(Level.FAIL, "principal.missing", no.what, no.fix))
        return found or [Finding(Level.OK, "ok", "the admin may set the password")]

    def verify(self, credential: Credential) -> str:
        assert credential.secret is not None
        given = base64.b64encode(f"{credential.name}:{credential.secret.reveal()}".encode()).decode()
        status, text = self._ask("GET", "/me", f"Basic {given}")
        if status == 401:
            raise Rejected("Porter refuses this password", code="401")
        if status != 200:
            raise Unreachable("neither yes nor no", code=str(status))
        return text

    def apply(self, credential: Credential, keep: Sequence[Credential]) -> None:
        assert credential.secret is not None
        self._admin("PUT", self._path(credential.name), credential.secret.reveal())

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        self._path(credential.name)  # in place the old password died as the new one was set: nothing is left to do

    # ---- Porter's interface

    def _path(self, name: str) -> str:
        if name not in self.principals:
            raise Refused("this target does not rotate that user")
        return f"/users/{quote(name, safe='')}"

    def _admin(self, method: str, path: str, body: str = "") -> str:
        token = self.runtime.reveal(self.connection.admin_token).reveal()
        status, text = self._ask(method, path, f"Bearer {token}", body)
        if status == 401:
            raise Denied("Porter refuses the admin's token", "set a token that Porter knows", code="401")
        if status == 403:
            raise Denied("the admin may not set passwords", _GRANT, code="403")
        if status == 404:
            raise Refused("there is no such user", f"porter add {self.config.username}", code="404")
        if status == 422:
            raise Refused("Porter wants a longer password", code="422")
        if status != 200:
            raise Unreachable("an answer that says nothing", code=str(status))
        return text

    def _ask(self, method: str, path: str, authorization: str, body: str = "") -> tuple[int, str]:
        """One request. Its errors hold the request, and that holds a secret: ours are raised `from None`."""
        import http.client

        parts = urlsplit(self.connection.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=self.runtime.timeout)
        try:
            connection.request(method, parts.path.rstrip("/") + path, body.encode(), {"Authorization": authorization})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException, UnicodeDecodeError):
            raise Unreachable("no answer that can be read") from None
        finally:
            connection.close()


_GRANT = "porter grant TOKEN write"
