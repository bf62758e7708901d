"""httpx, tamed: no environment, no redirects, no retries, no cookies, capped bodies, and nothing of it in an error."""

from __future__ import annotations

import json
import logging
import ssl
from base64 import b64encode
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from rotator.errors import RotatorError
from rotator.target import Runtime, Unreachable
from rotator_http_token.connection import HttpConnection, origin
from rotator_http_token.deadline import Deadline
from rotator_http_token.expressions import compiled
from rotator_http_token.links import next_target
from rotator_http_token.shapes import Auth, Call
from rotator_http_token.template import Lookup, fill, fill_json, fill_path, fill_query
from rotator_http_token.tls import trusting


@dataclass(frozen=True)
class Outgoing:
    """A request, filled in. Never printed: it holds secrets."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes = b""

    def __repr__(self) -> str:
        return f"Outgoing({self.method})"

    def to(self, url: str) -> Outgoing:
        """The same request to another URL."""
        return Outgoing(self.method, url, self.headers, self.content)

    def asking(self, name: str, value: str) -> Outgoing:
        """The same request with one more parameter in its query."""
        more = urlencode({name: value}, quote_via=quote, safe="")
        return self.to(f"{self.url}{'&' if urlsplit(self.url).query else '?'}{more}")


@dataclass(frozen=True)
class Answer:
    """What came back. `body` is the JSON of it; None where it is no JSON (then `is_json` is false) or `null`."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)
    is_json: bool = True

    def find(self, expression: str) -> Any:
        """A JMESPath expression over `{status, body}`; None where it does not apply."""
        return search(expression, {"status": self.status, "body": self.body})

    def next_url(self, url: str) -> str | None:
        """The target of `rel="next"` (RFC 8288), made absolute against `url`."""
        found = next_target(self.headers.get("link", ""))
        return None if found is None else urljoin(url, found)


def search(expression: str, value: Any) -> Any:
    """A JMESPath expression over a value; None where it does not apply to it (a function of the wrong type)."""
    from jmespath.exceptions import JMESPathError

    try:
        return compiled(expression).search(value)
    except JMESPathError:
        return None


def outgoing(connection: HttpConnection, call: Call, lookup: Lookup, auth: Auth | None) -> Outgoing:
    """The request that this call is, with these values. `BadInput` where a value may not stand where it would."""
    path = urlsplit(connection.base_url).path.rstrip("/") + fill_path(call.path, lookup)
    query = fill_query(call.query, lookup)
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "rotator"}
    headers |= {name: fill(text, lookup) for name, text in call.headers.items()} | _login(auth, lookup)
    content = b""
    if call.json_body is not None:
        content = json.dumps(fill_json(call.json_body, lookup)).encode()
        headers["Content-Type"] = "application/json"
    return Outgoing(call.method, f"{connection.origin}{path}{'?' if query else ''}{query}", headers, content)


def _login(auth: Auth | None, lookup: Lookup) -> dict[str, str]:
    if auth is None:
        return {}
    if auth.basic is None:
        return {auth.header: fill(auth.value or "", lookup)}
    name = "secret" if auth.basic.password == "secret" else f"secrets.{auth.basic.password}"  # noqa: S105 - a name
    pair = f"{fill(auth.basic.username, lookup)}:{fill('{' + name + '}', lookup)}"
    return {auth.header: f"Basic {b64encode(pair.encode()).decode()}"}


class Wire:
    """Sends requests to one connection. The admin's client is kept for the run; a login gets a fresh one."""

    def __init__(self, connection: HttpConnection, runtime: Runtime) -> None:
        self._connection, self._runtime = connection, runtime
        self._client: Any = None
        self._context: ssl.SSLContext | None = None
        self._deadline = Deadline(runtime.timeout)

    def call(self) -> AbstractContextManager[None]:
        """Around one call of the contract, or a part of it: all has one deadline. To load httpx is not of the service's time."""
        with suppress(ImportError):  # `send` tells it
            import rotator_http_token.transport  # noqa: F401 - it is only loaded
        return self._deadline.running()

    def send(self, request: Outgoing, what: str, *, fresh: bool = False) -> Answer:
        """Send once. `Unreachable` where no whole answer came; whatever it was, nothing of it hangs on the error."""
        problem: RotatorError
        try:
            with self.call():
                return self._send(request, what, fresh=fresh)
        except RotatorError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - httpx and ssl raise many kinds; each carries the request
            problem = Unreachable(f"{what}: no answer ({type(error).__name__})", code=type(error).__name__)
        problem.__context__ = None
        raise problem

    def _send(self, request: Outgoing, what: str, *, fresh: bool) -> Answer:
        if origin(request.url) != self._connection.origin:
            raise Unreachable(f"{what}: the call would leave {self._connection.origin}")
        if not fresh:
            self._client = self._client or self._new_client()
            return self._exchange(self._client, request, what)
        client = self._new_client()
        try:
            return self._exchange(client, request, what)
        finally:
            client.close()

    def _exchange(self, client: Any, request: Outgoing, what: str) -> Answer:
        import httpx

        url = httpx.URL(request.url)
        parts = urlsplit(request.url)
        if url.raw_path.decode() != parts.path + (f"?{parts.query}" if parts.query else ""):
            raise Unreachable(f"{what}: the path would not arrive as it is written")
        client.cookies.clear()
        sent = httpx.Request(request.method, url, headers=dict(request.headers), content=request.content)
        response = client.send(sent, stream=True)
        try:
            return self._read(response, what)
        finally:
            response.close()

    def _read(self, response: Any, what: str) -> Answer:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Unreachable(f"{what}: the answer is compressed, though it was asked not to be")
        body = bytearray()
        for piece in response.iter_raw():
            body += piece
            if len(body) > self._connection.max_bytes:
                raise Unreachable(f"{what}: the answer is larger than {self._connection.max_bytes} bytes", "raise `max_bytes`")
        try:
            return Answer(response.status_code, dict(response.headers), json.loads(body))
        except ValueError:
            return Answer(response.status_code, dict(response.headers), None, is_json=False)

    def _new_client(self) -> Any:
        import httpx

        from rotator_http_token.transport import Transport

        _quiet()
        timeout = httpx.Timeout(self._runtime.timeout, connect=self._runtime.timeout / 3)
        proxy = self._connection.proxy
        proxy_tls = trusting(None) if proxy is not None and proxy.startswith("https:") else None
        transport = Transport(self._tls(), self._deadline, proxy, proxy_tls)
        return httpx.Client(transport=transport, timeout=timeout, trust_env=False, follow_redirects=False)

    def _tls(self) -> ssl.SSLContext:
        if self._context is None and self._connection.tls.ca is None and self._connection.origin.startswith("http:"):
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it trusts nobody, and reads nothing
        self._context = self._context or trusting(self._connection.tls.ca)
        return self._context

    def close(self) -> None:
        """Drop connections; the next call reconnects."""
        self._deadline.stop()
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.close()
        except Exception:  # noqa: BLE001 - close never raises, and nothing is left to save
            return


def retry_after(answer: Answer, runtime: Runtime) -> float | None:
    """Seconds of a `Retry-After` (RFC 9110, section 10.2.3), a number or a date."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():  # `isdigit` knows superscripts, `float` does not
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - runtime.now()).total_seconds())
    except (ValueError, TypeError):
        return None


def _quiet() -> None:
    """At DEBUG httpx and httpcore write URLs and headers: they never get that low."""
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
