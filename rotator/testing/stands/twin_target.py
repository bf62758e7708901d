"""A drop-in plugin: users with two secrets each, at the server of `twin_server.py`. It stands alone, as an author's would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any

import rotator.target as contract
from rotator.errors import RotatorError
from rotator.target import Can, Credential, Finding, Level, PortError, SetTarget, Settings, Unreachable

ERRORS = {name: getattr(contract, name) for name in ("Conflict", "Denied", "Foreign", "Refused", "Rejected", "Unfit", "Unreachable")}


class TwinAddress(Settings):
    """Where the twin's server answers, on this machine."""

    port: int


class TwinUserSettings(Settings):
    """The user to rotate."""

    username: str


class TwinUser(SetTarget[TwinAddress, TwinUserSettings]):
    """An overlapping target: two secrets of one user work at once."""

    connection_type = "twin"
    settings = TwinUserSettings
    fields = ("username", "password")

    @property
    def can(self) -> Can:
        return Can(max_live=2, fences=True)

    @property
    def endpoint(self) -> str:
        return f"twin:{self.connection.port}"

    @property
    def principals(self) -> Sequence[str]:
        return (self.config.username,)

    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:
        found = self._ask("check", known=[_plain(each) for each in known])
        return [Finding(Level(each["level"]), each["code"], each["text"], each["fix"]) for each in found]

    def verify(self, credential: Credential) -> str:
        return str(self._ask("verify", credential=_plain(credential)))

    def apply(self, credential: Credential, keep: Sequence[Credential]) -> None:
        self._ask("apply", credential=_plain(credential), keep=[_plain(each) for each in keep])

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        self._ask("revoke", credential=_plain(credential), keep=[_plain(each) for each in keep])

    def _ask(self, method: str, **arguments: Any) -> Any:
        body = json.dumps({"fence": self.runtime.fence, **arguments})
        connection = HTTPConnection("127.0.0.1", self.connection.port, timeout=self.runtime.timeout)
        try:
            connection.request("POST", f"/{self.config.username}/{method}", body)
            answer = json.loads(connection.getresponse().read())
        except (OSError, HTTPException, ValueError):
            answer = {"error": "Unreachable", "what": "the twin's server gives no answer", "fix": None, "code": None}
        finally:
            connection.close()
        if "error" in answer:
            error: type[RotatorError] = ERRORS.get(answer["error"], Unreachable)
            raise error(answer["what"], answer["fix"], answer["code"]) if issubclass(error, PortError) else error(answer["what"])
        return answer["result"]


def _plain(credential: Credential) -> list[str | None]:
    return [credential.name, credential.secret.reveal() if credential.secret else None]
