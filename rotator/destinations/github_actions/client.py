"""`rotator.web`, with what GitHub does in its own way: it throttles by 403 too, and answers a write with nothing.

REST API, "Rate limits for the REST API": a 403 or 429 with `x-ratelimit-remaining: 0`, with `retry-after`, or with a text that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rotator.destination import Runtime, Unreachable
from rotator.destinations.github_actions.settings import GithubActionsSettings
from rotator.seam import Seam
from rotator.web import TOO_MANY, Answer, Reply, Web

FORBIDDEN = 403
DONE = (201, 204)
"""What a write is answered: made, or replaced."""
PATIENCE = 60.0
"""Seconds to wait where GitHub throttles and does not say for how long."""


class GithubWeb(Web):
    """One GitHub. Raises `Unreachable` where it throttles: what was asked for may be done by the next run."""

    def __init__(self, settings: GithubActionsSettings, runtime: Runtime, seam: Seam) -> None:
        super().__init__("github_actions", settings.api_url, settings.tls.ca, runtime.timeout, seam)
        self._runtime, self._what = runtime, ""

    def send(self, method: str, path: str, what: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """See `Web.send`."""
        self._what = what
        return super().send(method, path, what, headers, body)

    def _open(self) -> Any:
        client = super()._open()
        client.event_hooks = {"response": [self._refuse_throttled]}
        return client

    def _refuse_throttled(self, response: Any) -> None:
        told, headers = response.status_code, response.headers
        after, spent = headers.get("retry-after", ""), headers.get("x-ratelimit-remaining") == "0"
        if told == TOO_MANY or (told == FORBIDDEN and (after or spent)):
            raise self._throttled(told, _seconds(after) or (self._until(headers.get("x-ratelimit-reset", "")) if spent else None))

    def _judged(self, reply: Reply, what: str) -> Answer:
        if reply.status in DONE and not reply.body:
            return Answer(reply.status, {})
        answer = super()._judged(reply, what)
        if answer.status == FORBIDDEN and "rate limit" in str(answer.get("message")).lower():
            raise self._throttled(FORBIDDEN, None)
        return answer

    def _throttled(self, status: int, after: float | None) -> Unreachable:
        error = Unreachable(f"{self._what}: too many requests (HTTP {status})", "the next run goes on", str(status))
        error.retry_after = after or PATIENCE
        return error

    def _until(self, reset: str) -> float | None:
        """Seconds until the time at which GitHub counts anew, in seconds since 1970."""
        at = _seconds(reset)
        return None if at is None else max(1.0, at - self._runtime.now().timestamp())


def _seconds(text: str) -> float | None:
    return float(text[:12]) if text.isascii() and text.isdigit() else None
