"""One connection: every wait has an end, and the driver's exceptions end here, for they hold what is none of a message's business."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.target import Secret
from rotator_mysql.connection import MysqlConnection
from rotator_mysql.exchange import plugin_map
from rotator_mysql.hashes import raw
from rotator_mysql.wire import Deadline, connected, tls_context

if TYPE_CHECKING:
    from pymysql.connections import Connection

PREAMBLE = "SET SESSION sql_mode = '', time_zone = '+00:00', lock_wait_timeout = {seconds}"
"""What a session of the admin begins with: no mode changes what our statements mean."""
GOODBYE = 0.1
"""Seconds for a packet of five bytes to leave."""
LOST = 2013
REFUSED_PORT = 2003
Row = dict[str, Any]


class Failed(Exception):
    """The server said no (`code` is its number), or there was no answer (None): then it may have happened."""

    def __init__(self, code: int | None) -> None:
        super().__init__(str(code) if code else "no answer")
        self.code = code


@dataclass(frozen=True)
class Login:
    """Who logs in, where and how."""

    connection: MysqlConnection
    user: str
    password: Secret
    dbname: str | None = None


@dataclass(frozen=True)
class NoLogin:
    """A login that failed: by this number of the server's or the client's; None: there was no answer that could be read."""

    code: int | None
    text: str


def log_in(login: Login, until: float) -> Session | NoLogin:
    """One fresh login, over before `until` (monotonic). Over TLS, unless the settings say otherwise; by a password only.

    `Refused`: the password cannot be sent.
    """
    deadline, password = Deadline(until), raw(login.password)
    try:
        return Session(_connected(login, password, deadline), deadline)
    except Exception as error:  # noqa: BLE001 - drivers raise what they like; it is looked at, and left behind
        return _no(error)


def _connected(login: Login, password: bytes, deadline: Deadline) -> Connection[Any]:
    from rotator_mysql.driver import Greeted

    where = login.connection
    tls = where.tls if where.encrypted else None
    context: Any = tls_context(tls.ca, deadline) if tls else None
    connection = Greeted(
        user=login.user, password=password, database=login.dbname, host=where.host, port=where.port,
        ssl=context, ssl_disabled=context is None, read_timeout=deadline.left(), write_timeout=deadline.left(),
        charset="utf8mb4", autocommit=None, auth_plugin_map=plugin_map(), program_name="rotator", defer_connect=True,
    )  # fmt: skip
    connection.connect(connected(where, deadline))
    return connection


def _no(error: Exception) -> NoLogin:
    """What is told of the driver's exception: its number, and words of the system's own, never the server's or the exception's."""
    cause = getattr(error, "original_exception", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return NoLogin(REFUSED_PORT, f"the server's certificate is not the right one ({cause.verify_message})")
    if isinstance(cause, ssl.SSLError):
        return NoLogin(REFUSED_PORT, f"TLS failed ({cause.reason})")
    if isinstance(cause, TimeoutError):
        return NoLogin(LOST, "the server did not answer in time")
    if isinstance(cause, OSError):
        return NoLogin(REFUSED_PORT, f"the server cannot be reached ({cause.strerror or type(cause).__name__})")
    code = code_of(error)
    texts = {
        LOST: "the connection broke, or there was no answer in time",
        2026: "the server does not support TLS",
        2059: "the account is proven by a plugin that is none of ours",
    }
    return NoLogin(code, texts.get(code or 0, f"the server answered {code}" if code else "the server gave an answer that cannot be read"))


def code_of(error: Exception) -> int | None:
    """The number of a driver's exception; None where it is not the server's: then nobody knows what happened."""
    code = error.args[0] if error.args else None
    return code if isinstance(code, int) and code > 0 else None


class Session:
    """An open connection. After `Failed` without a code it is of no use: close it."""

    def __init__(self, connection: Connection[Any], deadline: Deadline) -> None:
        self._connection, self._deadline = connection, deadline
        self.account = ""

    @property
    def version(self) -> str:
        """As the server says it: `10.11.19-MariaDB`, `8.0.36`."""
        return str(self._connection.server_version).removeprefix("5.5.5-")

    @property
    def is_mariadb(self) -> bool:
        """Else it is MySQL, or what is made of it."""
        return "mariadb" in self.version.lower()

    def prepare(self, until: float) -> None:
        """Settings of an admin's session, and whom the server took it for (`CURRENT_USER()`). Raises `Failed`."""
        self.run(PREAMBLE.format(seconds=max(1, round(until - time.monotonic()))), until)
        self.account = str(self.run("SELECT CURRENT_USER() AS who", until)[0]["who"])

    def literal(self, text: str) -> str:
        """A string in quotes, for a statement; `prepare` has seen to it that backslashes escape."""
        return str(self._connection.escape(text))

    def run(self, statement: str, until: float) -> list[Row]:
        """Run one; the rows of its first result. Raises `Failed`."""
        self._deadline.until = until
        code = None
        try:
            return self._rows(statement)
        except Exception as error:  # noqa: BLE001 - as above
            code = code_of(error) if self._connection.open else None
        raise Failed(code)

    def _rows(self, statement: str) -> list[Row]:
        from pymysql.cursors import DictCursor

        with self._connection.cursor(DictCursor) as cursor:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
            while cursor.nextset():  # an error may come behind the rows
                pass
        return rows

    def close(self) -> None:
        """Say goodbye, so that the server notes no broken connection, and drop it; nothing is waited for. May be called twice."""
        if self._connection.open:
            self._deadline.until = time.monotonic() + GOODBYE
            self._connection.close()


def document(text: Any) -> dict[str, Any]:
    """A JSON column; empty where it is NULL."""
    found: dict[str, Any] = json.loads(text) if text else {}
    return found
