"""`type: webhook`: a signed POST to a service of yours.

The body is `{"id": ..., "name": ..., "version": ...}`, the three headers are `Rotator-Id`, `Rotator-Timestamp` (seconds since the epoch)
and `Rotator-Signature`: `v1=` and the HMAC-SHA256, in hex, over `v1.ID.TIMESTAMP.BODY`. The id is the same for each repeat of a version.
What an answer counts for stands in docs/reloads.md. No redirect is followed, no proxy is taken from the environment, and nothing of an
answer is ever quoted.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal

from rotator.errors import BadInput, RotatorError
from rotator.reload import Denied, Finding, Level, Reached, Refused, Reload, Runtime, SecretRef, Settings, Unreachable
from rotator.reloads.denied import missing_is_denied
from rotator.seam import Seam
from rotator.settings import ServiceUrl
from rotator.web import Reply, Tls, Web

MOST = 65536
"""Bytes of an answer."""
DENIALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class WebhookSettings(Settings):
    """Where it is sent, and the key that it is signed with."""

    url: ServiceUrl
    secret: SecretRef
    """The key of the signature: the bytes of its text."""
    ack: Literal["version", "status"] = "version"
    """What counts as accepted: an answer that names our version, or any 2xx."""
    tls: Tls = Tls()


def signature(key: str, id: str, timestamp: int, body: bytes) -> str:
    """What stands in `Rotator-Signature`."""
    return "v1=" + hmac.new(key.encode(), b"v1.%s.%d.%s" % (id.encode(), timestamp, body), hashlib.sha256).hexdigest()


class Webhook(Reload[WebhookSettings]):
    """Sends one request for each `tell`, over a fresh connection."""

    settings = WebhookSettings
    reaches = Reached.adopted

    def __init__(self, settings: WebhookSettings, runtime: Runtime, *, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        self._web = Web("webhook", settings.url, settings.tls.ca, self.timeout, seam or Seam(), most=MOST)

    @classmethod
    def most(cls, settings: WebhookSettings) -> Reached:
        """A bare 2xx never says who uses what."""
        return Reached.accepted if settings.ack == "status" else Reached.adopted

    def tell(self, name: str, version: str) -> Reached:
        """Send it once, over a fresh connection. 401 and 403 are `Denied`; 5xx, 408, 425, 429 and no whole answer `Unreachable`; another
        answer that proves nothing is `Refused`.
        """
        id = f"{version}-reload"
        body = json.dumps({"id": id, "name": name, "version": version}).encode()
        timestamp = int(self.runtime.now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "Rotator-Id": id, "Rotator-Timestamp": str(timestamp), "Rotator-Signature": signature(self._key(), id, timestamp, body),
        }  # fmt: skip
        with missing_is_denied():
            self.close()
            self._web.begin()
            return self._judged(self._web.send("POST", "", "tell the webhook", headers, body), version)

    def _judged(self, reply: Reply, version: str) -> Reached:
        """What an answer counts for."""
        url, status, code = self.config.url, reply.status, str(reply.status)
        if status in DENIALS:
            raise Denied(
                f"{url} answered {status}: it does not take our signature", "give both sides the same key, and see both clocks", code
            )
        if status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            trouble = Unreachable(f"{url} answered {status}", "see its own log", code)
            trouble.retry_after = reply.retry_after
            raise trouble
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise Refused(f"{url} answered {status}, and no redirect is followed", "write the URL that it leads to", code)
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise Refused(f"{url} answered {status}", "correct `url` in rotator.yaml, or see its own log", code)
        if self.config.ack == "status":
            return Reached.accepted
        return self._acknowledged(reply.json, version, code)

    def _acknowledged(self, answer: Any, version: str, code: str) -> Reached:
        url = self.config.url
        if not isinstance(answer, Mapping) or "version" not in answer:
            fix = 'let it answer {"version": "the one it was told"}, or write `ack: status` in rotator.yaml if a bare 2xx will do'
            raise Refused(f"{url} answered {code} without naming the version", fix, code)
        if answer["version"] != version:
            raise Refused(f"{url} answered {code} with another version than ours", "see its own log: it has not taken ours", code)
        return Reached.adopted if answer.get("adopted") is True else Reached.accepted

    def _key(self) -> str:
        try:
            key = self.runtime.reveal(self.config.secret).reveal()
        except BadInput as error:
            raise Denied(f"the key of the webhook cannot be read: {error.what}", error.fix) from None
        if any("\ud800" <= each <= "\udfff" for each in key):  # the error of encoding it would carry it
            raise Denied("the key of the webhook is no text that UTF-8 can hold", "write it as text, for instance base64")
        return key

    def check(self) -> list[Finding]:
        """Whether httpx, the key and the certificates are there. Nothing is sent."""
        try:
            self._key()
            with missing_is_denied():
                self._web.prepare()
        except RotatorError as error:
            return [Finding(Level.FAIL, "reload", error.what, error.fix)]
        return []

    def close(self) -> None:
        """Drop the connection."""
        self._web.close()
