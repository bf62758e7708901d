"""hvac's adapter, tamed: no environment, no silent proxy, one redirect at most, every status judged by us, nothing of it in an error."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from rotator.errors import Denied, RotatorError, Unreachable
from rotator.extras import lacking
from rotator.files import refuse_loose
from rotator.model import Secret
from rotator.seam import Seam
from rotator.settings import is_loopback
from rotator.store import Runtime
from rotator.stores.vault.answers import UNKNOWN, Answer, problem
from rotator.stores.vault.settings import VaultSettings
from rotator.trust import forget_environment, of_the_system

PATCH_TYPE = "application/merge-patch+json"
REDIRECTS = (307, 308)
PAUSE = 0.005
"""Seconds: the most that a call waits before it is sent again after it was cut off; doubled each time, at most `PAUSE_MOST`."""
PAUSE_MOST = 1.0


class Unanswered(Unreachable):
    """No whole answer came. `sent`: the server may have seen the request."""

    sent = True


def may_have_landed(error: Unreachable) -> bool:
    """Whether nobody knows what became of the request."""
    return error.sent if isinstance(error, Unanswered) else error.code in UNKNOWN


def unsent(error: Unreachable) -> Unanswered:
    """The same trouble, of a call that comes before the request: that one was not sent, and may not be repeated for it."""
    found = Unanswered(error.what, error.fix, error.code)
    found.sent, found.retry_after = False, error.retry_after
    return found


class Wire:
    """Requests to one server, one after another. `begin` sets the end by which all calls of an operation are done."""

    def __init__(self, settings: VaultSettings, runtime: Runtime, seam: Seam) -> None:
        self._settings, self._runtime, self._seam = settings, runtime, seam
        self._adapter: Any = None
        self.end: float | None = None
        """By our forward clock: when the present operation must be over."""
        self._told: tuple[datetime, float] | None = None
        self.token: Secret | None = None
        self.answered = False
        """Whether the last request was."""

    # ---- time

    def begin(self, part: float = 0.9) -> None:
        """An operation begins: it ends before the call's own deadline does, so that the message says why."""
        self.end = self._seam.ticks() + self._runtime.timeout * part

    @property
    def left(self) -> float:
        """Seconds until the operation must end."""
        return 0.0 if self.end is None else self.end - self._seam.ticks()

    def pause(self, tries: int) -> None:
        """Before the next try, or until the operation must end."""
        self._seam.sleep(max(0.0, min(self._seam.jitter(min(PAUSE * 2**tries, PAUSE_MOST)), self.left)))

    @property
    def clock(self) -> datetime | None:
        """The server's time, by the `Date` of its last answer (RFC 9110, section 6.6.1) and our own clock that only goes forward."""
        if self._told is None:
            return None
        date, ticks = self._told
        return date + timedelta(seconds=self._seam.ticks() - ticks)

    # ---- calls

    def call(self, method: str, path: str, what: str, *, body: Any = None, patch: bool = False, again: bool = True) -> Answer:
        """One call; raises what its answer means. A cut connection: sent again where `again`, which must be harmless.

        Comes back: 2xx, 403, a check-and-set that came late, and a path where nothing is, or was deleted.
        """
        tries = 0
        while True:
            try:
                answer = self._exchange(method, path, what, body, patch=patch)
            except Unanswered as error:
                tries += 1
                if not again or not error.sent or self.left < PAUSE_MOST:
                    raise
                self.pause(tries)
                continue
            wrong = None if answer.status == 403 else problem(answer, what)  # noqa: PLR2004 - HTTP
            if wrong:
                raise wrong
            return answer

    def _exchange(self, method: str, path: str, what: str, body: Any, *, patch: bool) -> Answer:
        answer = self._send(method, path, what, body, patch=patch)
        if answer.status in REDIRECTS and self._follow(path, answer.location or ""):
            answer = self._send(method, path, what, body, patch=patch)
        return answer

    def _follow(self, path: str, location: str) -> bool:
        """A standby that does not forward says where the active node is. As Vault's own client: once, and never from https to http."""
        parts = urlsplit(location)
        end = f"/v1/{path.partition('?')[0]}"
        secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "") and self._plain)
        if not secure or not parts.hostname or parts.username is not None or not parts.path.endswith(end):
            return False
        self._adapter.base_uri = f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix(end)}"
        return True

    @property
    def _plain(self) -> bool:
        return self._settings.address.startswith("http://")

    def _send(self, method: str, path: str, what: str, body: Any, *, patch: bool) -> Answer:
        """Send once. Whatever goes wrong, nothing of it hangs on the error: requests' own exceptions carry the request."""
        left = self.left
        if left <= 0:
            raise Unanswered(f"{what}: no answer from {self._settings.address} in time", "is the server, or the way to it, overloaded?")
        headers = {"X-Vault-Token": self.token.reveal()} if self.token else {}
        if patch:
            headers["Content-Type"] = PATCH_TYPE
        raised: RotatorError
        self.answered = False
        try:
            return self._request(method, path, body, headers, left)
        except RotatorError as error:
            raised = error
        except Exception as error:  # noqa: BLE001 - requests, urllib3 and ssl raise many kinds
            raised = self._unanswered(error, what)
        raised.__context__ = None
        raise raised

    def _request(self, method: str, path: str, body: Any, headers: Mapping[str, str], left: float) -> Answer:
        adapter = self._adapter or self._open()
        one = max(left * 0.45, min(left, 1.0))  # so that an operation whose first try hangs has time for a second
        response = adapter.request(
            method, f"/v1/{path}", headers=dict(headers), raise_exception=False, json=body, timeout=(min(one, 5.0), one)
        )
        self.answered = True
        self._note_date(response.headers.get("Date"))
        try:
            found = response.json() if response.content else None
        except ValueError:
            found = None
        known = found if isinstance(found, dict) else None
        after, location = response.headers.get("Retry-After"), response.headers.get("Location")
        return Answer(response.status_code, known, after, location, not response.content, method)

    def _note_date(self, text: str | None) -> None:
        try:
            date = parsedate_to_datetime(text or "")
        except ValueError:
            return
        self._told = (date if date.tzinfo else date.replace(tzinfo=UTC), self._seam.ticks())

    def _unanswered(self, error: Exception, what: str) -> RotatorError:
        address, causes = self._settings.address, list(_causes(error))
        if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
            return Denied(
                f"{what}: the certificate of {address} is not trusted", "give the CA's file as `tls.ca`; is the name the one in it?"
            )
        names = [type(each).__name__ for each in causes]
        found = Unanswered(f"{what}: no answer from {address} ({names[-1]})", "is it up, and may we connect?", names[0])
        found.sent = not any(each in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ProxyError") for each in names)
        return found

    # ---- the session

    def _open(self) -> Any:
        try:
            import requests
            from hvac.adapters import RawAdapter
        except ModuleNotFoundError:
            raise lacking("the store type `vault`", "hvac", "vault") from None
        _quiet()
        forget_environment()
        session = requests.Session()
        session.trust_env = False
        session.verify = self._verify()
        tls, proxy = self._settings.tls, self._settings.proxy
        if tls.cert is not None and tls.key is not None:
            refuse_loose(tls.key, "the key file")
            session.cert = (tls.cert, tls.key)
        session.proxies = {"https": proxy} if proxy else {}
        address, namespace = self._settings.address.rstrip("/"), self._settings.namespace
        self._adapter = RawAdapter(base_uri=address, token="", session=session, namespace=namespace, allow_redirects=False)
        return self._adapter

    def _verify(self) -> str | bool:
        """The file or folder of certificates to trust: `tls.ca`, else the system's."""
        given = self._settings.tls.ca
        if given is not None and not os.access(given, os.R_OK):
            raise Denied("the certificates of `tls.ca` cannot be read", "give a PEM file that this user may read")
        file, folder = of_the_system()
        return given or file or (os.path.isdir(folder) and folder) or True  # noqa: PTH112 - plain text; the last are certifi's

    def close(self) -> None:
        """Drop connections and the token; the next call connects anew. Never raises."""
        adapter, self._adapter, self.token = self._adapter, None, None
        if adapter is not None:
            adapter.close()


def _causes(error: BaseException) -> Any:
    """An exception and what it came from; urllib3 keeps that in `reason`, requests in its arguments."""
    seen: list[BaseException] = []
    found: Any = error
    while isinstance(found, BaseException) and found not in seen and len(seen) < 10:  # noqa: PLR2004 - a chain is short
        seen.append(found)
        inner = [each for each in found.args if isinstance(each, BaseException)]
        found = getattr(found, "reason", None) if isinstance(getattr(found, "reason", None), BaseException) else None
        found = found or (inner[0] if inner else seen[-1].__cause__ or seen[-1].__context__)
    return seen


def _quiet() -> None:
    """At DEBUG urllib3 writes paths: it never gets that low."""
    for name in ("urllib3", "hvac", "requests"):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
