"""httpx, tamed, for ports with a web API: no environment, no redirects, no retries, no cookies, and nothing of it in an error."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from rotator.errors import Denied, RotatorError, Unreachable
from rotator.extras import lacking
from rotator.seam import Seam
from rotator.settings import LocalPath, Settings
from rotator.trust import client_context

MOST = 4 << 20
"""Bytes of an answer that are read, unless a port wants fewer."""
CONNECT = 5.0
"""Seconds: the most that connecting may take."""
TOO_MANY, TROUBLE, REDIRECTS = 429, range(500, 600), range(300, 400)
GOOD = range(200, 300)
JSON = "application/json"


class Tls(Settings):
    """`ca`: a file of certificates to trust in place of the system's own."""

    ca: LocalPath | None = None


@dataclass(frozen=True)
class Reply:
    """What came back. `retry_after`: seconds, where the server asks for them."""

    status: int
    body: bytes = field(repr=False)
    retry_after: float | None

    @property
    def json(self) -> Any:
        """The body, parsed; None where it is no JSON."""
        with suppress(ValueError, RecursionError):
            return json.loads(self.body)
        return None


@dataclass(frozen=True)
class Answer:
    """What an API said. `body`: the JSON object or list of it."""

    status: int
    body: Any = field(repr=False)

    @property
    def good(self) -> bool:
        """Whether it was done."""
        return self.status in GOOD

    def get(self, *names: str) -> Any:
        """What stands at these names, one within the other; None where it is not there."""
        found = self.body
        for each in names:
            found = found.get(each) if isinstance(found, Mapping) else None
        return found


class Web:
    """One server at `address`. `begin` sets the end by which all calls of an operation are done. `kind`: the port's type."""

    def __init__(self, kind: str, address: str, ca: str | None, timeout: float, seam: Seam, *, most: int = MOST) -> None:
        self._kind, self._address, self._ca, self._timeout, self._seam, self._most = kind, address, ca, timeout, seam, most
        self._client: Any = None
        self._end = 0.0

    def begin(self) -> None:
        """An operation begins: it ends before the call's own deadline does, so that the message says why."""
        self._end = self._seam.ticks() + self._timeout * 0.9

    @property
    def left(self) -> float:
        """Seconds until the operation must end."""
        return self._end - self._seam.ticks()

    def prepare(self) -> None:
        """Raise what is wrong before anything is sent: `BadInput` without httpx, `Denied` without the certificates. Asks nobody."""
        if self._client is None:
            self._open()

    def call(self, method: str, path: str, what: str, headers: Mapping[str, str], body: Any = None, content: str = JSON) -> Answer:
        """Send JSON once; returns what the API said, a no of it too. Raises as `send` does, and `Denied` where it is not the API."""
        sent = None if body is None else json.dumps(body).encode()
        typed = {} if sent is None else {"Content-Type": content}
        return self._judged(self.send(method, path, what, {**headers, **typed}, sent), what)

    def send(self, method: str, path: str, what: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """Send once; returns what came back, whatever it says. Raises `Denied` where the server cannot be trusted, else `Unreachable`.

        Whatever goes wrong, nothing of it hangs on the error: httpx's own exceptions carry the request.
        """
        raised: RotatorError
        try:
            return self._exchange(method, path, what, headers, body)
        except RotatorError as error:
            raised = error
        except Exception as error:  # noqa: BLE001 - httpx and ssl raise many kinds; each carries the request
            raised = self._unanswered(error, what)
        raised.__context__ = None
        raise raised

    def _exchange(self, method: str, path: str, what: str, headers: Mapping[str, str], sent: bytes | None) -> Reply:
        left = self.left
        if left <= 0:
            raise self._late(what)
        _refuse_broken(headers, what)
        client = self._client or self._open()
        client.cookies.clear()
        import httpx

        common = {"Accept": JSON, "Accept-Encoding": "identity", "User-Agent": "rotator"}
        limits = httpx.Timeout(left / 2, connect=min(left / 3, CONNECT))
        url = self._address.rstrip("/") + path if path else self._address
        request = client.build_request(method, url, headers={**common, **headers}, content=sent, timeout=limits)
        response = client.send(request, stream=True)
        try:
            after = response.headers.get("Retry-After", "")
            later = float(after[:6]) if after.isascii() and after.isdigit() else None
            return Reply(response.status_code, self._body(response, what), later)
        finally:
            response.close()

    def _body(self, response: Any, what: str) -> bytes:
        body = bytearray()
        for piece in response.iter_raw():
            body += piece
            if len(body) > self._most:
                raise Unreachable(f"{what}: the answer is larger than {self._most} bytes", "is the address the right one?")
            if self.left < 0:
                raise self._late(what)
        return bytes(body)

    def _late(self, what: str) -> Unreachable:
        return Unreachable(f"{what}: no whole answer from {self._address} in time", "is the server, or the way to it, overloaded?")

    def _judged(self, reply: Reply, what: str) -> Answer:
        """The answer, where it is one of the API itself and settles something."""
        status, code, body = reply.status, str(reply.status), reply.json
        if status in REDIRECTS:
            raise Denied(
                f"{what}: {self._address} sends us elsewhere", "write the address that it sends to; redirects are not followed", code
            )
        if status == TOO_MANY or status in TROUBLE:
            why = "too many requests" if status == TOO_MANY else "the server has trouble"
            error = Unreachable(f"{what}: {why} (HTTP {code})", "the next run goes on", code)
            error.retry_after = reply.retry_after
            raise error
        if not isinstance(body, dict | list):
            raise Unreachable(
                f"{what}: the answer of {self._address} is none of the API's (HTTP {code})", "is a web page or a proxy before it?", code
            )
        return Answer(status, body)

    def _unanswered(self, error: Exception, what: str) -> RotatorError:
        causes = list(_causes(error))
        if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
            fix = "give the CA's file as `tls.ca`; is the name the one in it?"
            return Denied(f"{what}: the certificate of {self._address} is not trusted", fix)
        name = type(causes[0]).__name__
        return Unreachable(f"{what}: no answer from {self._address} ({name})", "is it up, and may we connect?", name)

    def _open(self) -> Any:
        try:
            import httpx
        except ModuleNotFoundError:
            raise lacking(f"the type `{self._kind}`", "httpx", "http") from None
        _quiet()
        transport = httpx.HTTPTransport(verify=self._trusted(), trust_env=False, retries=0)
        self._client = httpx.Client(transport=transport, trust_env=False, follow_redirects=False)
        return self._client

    def _trusted(self) -> ssl.SSLContext:
        if self._ca is None and not self._address.startswith("https:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it trusts nobody, and loads nothing
        with suppress(OSError):  # ssl.SSLError is one too
            return client_context(self._ca)
        raise Denied(f"the certificates in {self._ca} cannot be read", "give a PEM file that this user may read")

    def close(self) -> None:
        """Drop connections; the next call connects anew. Never raises."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):  # close never raises, and nothing is left to save
                client.close()


def _refuse_broken(headers: Mapping[str, str], what: str) -> None:
    """`Denied` where a header's value can be none (RFC 9110, 5.5), before it looks like a server that does not answer."""
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable() or value != value.strip():
            fix = "it is one word of ASCII: is there a blank, or a second line end, behind it?"
            raise Denied(f"{what}: what was given as a token cannot stand in the header {name}", fix)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it came from; a chain is short."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _quiet() -> None:
    """At DEBUG httpx and httpcore write URLs and headers: they never get that low."""
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
