"""What Vault answers, as our errors. Only texts that are known are looked for; none is passed on.

Statuses: https://developer.hashicorp.com/vault/api-docs#http-status-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rotator.errors import Denied, PortError, Refused, Unreachable

CAS = "check-and-set parameter did not match"
SEALED = "unseal it (`bao operator unseal`); the next run goes on where this one stopped"
LOOK = "look at the server's health: `bao status`, /v1/sys/health"
LATER = {
    412: "the node does not have the latest state yet",
    429: "the request rate limit is used up, or the node is a standby",
    472: "the node is a disaster recovery secondary",
    473: "the node is a performance standby",
}
UNKNOWN = ("500", "502", "504")
"""Statuses after which nobody knows whether a write landed."""


@dataclass(frozen=True)
class Answer:
    """What came back. `body` is the JSON object of it, None where it is none."""

    status: int
    body: Mapping[str, Any] | None = field(repr=False)
    retry_after: str | None = None
    location: str | None = None
    empty: bool = False
    method: str = ""

    @property
    def data(self) -> Mapping[str, Any]:
        """`data` of a good answer."""
        found = self.body.get("data") if self.body else None
        return found if isinstance(found, Mapping) else {}

    @property
    def errors(self) -> list[str] | None:
        """The server's words; None where it gave no list of them. Never shown."""
        found = self.body.get("errors") if self.body else None
        return [str(each) for each in found] if isinstance(found, list) else None

    def says(self, text: str) -> bool:
        """Whether one of the errors holds this text."""
        return any(text in each for each in self.errors or ())

    @property
    def mismatched(self) -> bool:
        """A check-and-set that came late."""
        return self.status == 400 and self.says(CAS)  # noqa: PLR2004 - HTTP

    @property
    def absent(self) -> bool:
        """There is nothing at this path. Only to a PATCH of nothing the server says so without a body; else that is a proxy's word."""
        return self.status == 404 and (self.errors == [] or (self.empty and self.method == "PATCH"))  # noqa: PLR2004 - HTTP


def problem(answer: Answer, what: str) -> PortError | None:
    """The error that this answer is; None for 2xx, a check-and-set that came late, and a path where nothing is, or was deleted.

    403 is left to whoever knows the token and the line of the policy.
    """
    status, code = answer.status, str(answer.status)
    if status in (200, 204):
        return None if answer.body is not None or (answer.empty and answer.method != "GET") else stranger(what, code)
    if answer.mismatched or answer.absent or (status == 404 and "metadata" in answer.data) or (status == 404 and "version" in answer.data):  # noqa: PLR2004 - HTTP
        return None
    if status == 404 and answer.empty:  # noqa: PLR2004 - HTTP
        return stranger(what, code)
    if status in (400, 404, 405) or 300 <= status < 400:  # noqa: PLR2004 - HTTP
        return _wrong(answer, what, code)
    return _trouble(answer, what, code)


def stranger(what: str, code: str) -> PortError:
    """It was answered, but not by the API."""
    return Unreachable(f"{what}: the answer is none of Vault's", "is `address` the API, and not a web page or a proxy before it?", code)


def _wrong(answer: Answer, what: str, code: str) -> PortError:
    """Something in the configuration is not as the server has it."""
    if answer.status == 404:  # noqa: PLR2004 - HTTP
        return Denied(f"{what}: the server has no such mount or namespace", "correct `address`, `namespace` or `mount`", code)
    if answer.status == 405:  # noqa: PLR2004 - HTTP
        return Denied(f"{what}: the server does not know this call", "OpenBao, or Vault 1.9 or later, is needed", code)
    if answer.status != 400:  # noqa: PLR2004 - HTTP
        return Denied(f"{what}: the server sends us elsewhere", "let `address` be the active node's, or its load balancer's", code)
    if answer.says("Upgrading from non-versioned"):
        return Unreachable(f"{what}: the mount is being upgraded to version 2", "the next run goes on", code)
    return Refused(f"{what}: the server calls it a bad request", f"its own log says why; {LOOK}", code)


def _trouble(answer: Answer, what: str, code: str) -> PortError:
    """Trouble that passes."""
    if answer.says("value being too large"):
        return Refused(f"{what}: the document is larger than the server takes", "shorten the fields", code)
    if answer.says("is sealed"):
        return Unreachable(f"{what}: the server is sealed", SEALED, code)
    error = Unreachable(f"{what}: {LATER.get(answer.status, f'the server has trouble (HTTP {code})')}", LOOK, code)
    if (answer.retry_after or "").isdigit():
        error.retry_after = float(str(answer.retry_after)[:6])
    return error
