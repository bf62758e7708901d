"""What a service answered, in the words of the target contract. Its own words are shown only where the owner asked for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from rotator.target import Denied, PortError, Refused, Runtime, Secret, Unreachable
from rotator_http_token.connection import HttpConnection
from rotator_http_token.hiding import holds
from rotator_http_token.wire import Answer, retry_after

NOT_ALLOWED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
REFUSED = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.CONFLICT,
    HTTPStatus.GONE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
"""With a JSON body a definite no of the service itself; without one it may be anybody's on the way."""
_REDIRECTS = range(300, 400)
_SHOWN = 200
_MILLISECONDS = 1e11
"""Of seconds this would be the year 5138, of milliseconds it is 1973."""


def of_admin(answer: Answer, what: str, connection: HttpConnection, runtime: Runtime, revealed: Sequence[Secret]) -> PortError:
    """What the admin's call came to, where the status is none of the call's own."""
    code = str(answer.status)
    if answer.is_json and answer.status in (*NOT_ALLOWED, *REFUSED):
        said = _says(answer, connection, revealed)
        if answer.status in NOT_ALLOWED:
            fix = "give the connection's admin the right to do this, or renew its secret"
            return Denied(f"{what}: the service refused the admin (HTTP {code}){said}", fix, code)
        return Refused(f"{what}: the service will not do this (HTTP {code}){said}", code=code)
    return unreachable(answer, what, retry_after(answer, runtime))


def unreachable(answer: Answer, what: str, after: float | None) -> Unreachable:
    """Neither yes nor no: it may have happened."""
    problem = Unreachable(f"{what}: HTTP {answer.status}, an answer that settles nothing", code=str(answer.status))
    if answer.status in _REDIRECTS:
        problem.fix = "redirects are not followed; correct `base_url` or the path"
    problem.retry_after = after
    return problem


def _says(answer: Answer, connection: HttpConnection, revealed: Sequence[Secret]) -> str:
    if connection.tokens.says is None:
        return ""
    from rotator_http_token.wire import search

    text = search(connection.tokens.says, {"status": answer.status, "body": answer.body})
    return f': "{shown(text, revealed)}"' if isinstance(text, str) and text else ""


def shown(text: str, revealed: Sequence[Secret]) -> str:
    """A text of the service, fit to be shown: short, printable, and hidden where it holds a secret of this call."""
    if any(holds(text, secret) for secret in revealed):
        return "(hidden: it holds a secret)"
    return "".join(each if each.isprintable() else "?" for each in text[:_SHOWN])


def moment(value: Any, where: str) -> datetime | None:
    """A time as services write it: ISO 8601 (no zone: UTC), a date, or seconds or milliseconds since the epoch. Null: None. `Unreachable`
    else.
    """
    try:
        if value is None or value == "":
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS else value, UTC)
        if value.isascii() and value.isdecimal() and len(value) != len("20270131"):
            return moment(int(value), where)
        told = datetime.fromisoformat(value.removesuffix(" UTC"))
        return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except (ValueError, TypeError, AttributeError, OverflowError, OSError):
        problem = Unreachable(f"{where}: this is no time that can be read")
    raise problem
