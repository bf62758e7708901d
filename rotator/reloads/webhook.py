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
import logging
from http import HTTPStatus
from typing import Any, Literal

from rotator.errors import BadInput, RotatorError
from rotator.reload import Denied, Finding, Level, Reached, Refused, Reload, Runtime, SecretRef, Settings, Unreachable
from rotator.seam import Seam
from rotator.settings import LocalPath, ServiceUrl

MOST = 65536
"""Bytes of an answer."""
DENIALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class Tls(Settings):
    """`ca`: a file of certificates to trust in place of the system's own."""

    ca: LocalPath | None = None


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
        self._seam = seam or Seam()

    @classmethod
    def most(cls, settings: WebhookSettings) -> Reached:
        """A bare 2xx never says who uses what."""
        return Reached.accepted if settings.ack == "status" else Reached.adopted

    def tell(self, name: str, version: str) -> Reached:
        """Send it once. 401 and 403 are `Denied`; 5xx, 408, 425, 429 and no whole answer `Unreachable`; another answer that proves nothing
        is `Refused`.
        """
        problem: RotatorError
        try:
            status, later, body = self._send(name, version)
        except RotatorError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - httpx and ssl raise many kinds; each carries the request
            fix = "is it up, and does its certificate fit `tls`?"
            problem = Unreachable(f"{self.config.url}: no answer ({type(error).__name__})", fix, type(error).__name__)
        else:
            return self._judged(status, later, body, version)
        problem.__context__ = None
        raise problem

    def _send(self, name: str, version: str) -> tuple[int, str, bytes]:
        httpx = _httpx()
        end = self._seam.ticks() + self.timeout * 0.9
        id = f"{version}-reload"
        body = json.dumps({"id": id, "name": name, "version": version}).encode()
        timestamp = int(self.runtime.now().timestamp())
        headers = {
            "Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": "application/json", "User-Agent": "rotator",
            "Rotator-Id": id, "Rotator-Timestamp": str(timestamp), "Rotator-Signature": signature(self._key(), id, timestamp, body),
        }  # fmt: skip
        patience = httpx.Timeout(self.timeout / 2, connect=self.timeout / 3)
        transport = httpx.HTTPTransport(verify=self._tls(), trust_env=False, retries=0)
        with httpx.Client(transport=transport, timeout=patience, trust_env=False, follow_redirects=False) as client:  # noqa: SIM117 - two lines read better
            with client.stream("POST", self.config.url, headers=headers, content=body) as response:
                return response.status_code, response.headers.get("retry-after", ""), self._read(response, end)

    def _read(self, response: Any, end: float) -> bytes:
        body = bytearray()
        for piece in response.iter_raw():
            body += piece
            if len(body) > MOST:
                raise Unreachable(f"{self.config.url}: the answer is larger than {MOST} bytes", 'let it answer {"version": …} alone')
            if self._seam.ticks() > end:
                raise Unreachable(f"{self.config.url}: the answer did not end in time")
        return bytes(body)

    def _judged(self, status: int, later: str, body: bytes, version: str) -> Reached:
        """What an answer counts for; `later` is its `Retry-After`."""
        url, code = self.config.url, str(status)
        if status in DENIALS:
            raise Denied(
                f"{url} answered {status}: it does not take our signature", "give both sides the same key, and see both clocks", code
            )
        if status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            trouble = Unreachable(f"{url} answered {status}", "see its own log", code)
            trouble.retry_after = float(later[:9]) if later.isascii() and later.isdigit() else None
            raise trouble
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise Refused(f"{url} answered {status}, and no redirect is followed", "write the URL that it leads to", code)
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise Refused(f"{url} answered {status}", "correct `url` in rotator.yaml, or see its own log", code)
        if self.config.ack == "status":
            return Reached.accepted
        return self._acknowledged(_object(body), version, code)

    def _acknowledged(self, answer: dict[str, Any], version: str, code: str) -> Reached:
        url = self.config.url
        if "version" not in answer:
            fix = 'let it answer {"version": "the one it was told"}, or write `ack: status` in rotator.yaml if a bare 2xx will do'
            raise Refused(f"{url} answered {code} without naming the version", fix, code)
        if answer["version"] != version:
            raise Refused(f"{url} answered {code} with another version than ours", "see its own log: it has not taken ours", code)
        return Reached.adopted if answer.get("adopted") is True else Reached.accepted

    def _key(self) -> str:
        try:
            return self.runtime.reveal(self.config.secret).reveal()
        except BadInput as error:
            raise Denied(f"the key of the webhook cannot be read: {error.what}", error.fix) from None

    def _tls(self) -> Any:
        """What a server's certificate is checked with: always, and always with its name."""
        import ssl

        try:
            return ssl.create_default_context(cafile=self.config.tls.ca)
        except (OSError, ssl.SSLError):
            raise Denied(f"the certificates of {self.config.tls.ca} cannot be read", "give a PEM file that this user may read") from None

    def check(self) -> list[Finding]:
        """Whether httpx, the key and the certificates are there. Nothing is sent."""
        try:
            _httpx()
            self._key()
            self._tls()
        except RotatorError as error:
            return [Finding(Level.FAIL, "reload", error.what, error.fix)]
        return []


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; an empty one where it is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _httpx() -> Any:
    """The library. At DEBUG it writes URLs and headers: it never gets that low."""
    try:
        import httpx
    except ImportError:
        raise Denied("httpx is not installed", "pip install 'rotator[http]'") from None
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
    return httpx
