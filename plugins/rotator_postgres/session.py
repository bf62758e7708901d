"""One connection at libpq's own level: every wait has an end, every error is an SQLSTATE, and no exception holds the connection.

psycopg's own connection has no client-side read timeout, tells no SQLSTATE of a failed login, and its errors carry the password
(`OperationalError.pgconn.password`). Its `pq` layer has what is needed instead.
"""

from __future__ import annotations

import json
import select
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rotator_postgres.scram import ITERATIONS, Scram, derive, plain

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

PREAMBLE = (
    "SET search_path = pg_catalog; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET standard_conforming_strings = on; SET jit = off;"
    " SET default_transaction_read_only = off;"
    " SET statement_timeout = {milliseconds}; SET idle_in_transaction_session_timeout = {milliseconds};"
    " SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
"""What a session of the admin begins with. An ALTER ROLE that was answered must outlive a crash of the server.

Not `BEGIN ... READ WRITE`: a standby refuses that with a code of its own (0A000, not 25006), and then cannot be told from a password that
the server does not take.
"""


KEYS_SINCE = 180000
"""The libpq that knows scram_client_key."""


def takes_keys() -> bool:
    """Whether the libpq at hand logs in by keys; the one in psycopg's wheel does since psycopg 3.3."""
    from psycopg import pq

    return pq.version() >= KEYS_SINCE


class Failed(Exception):
    """The server said no (`code` is its SQLSTATE), or there was no answer (None): then it may have happened."""

    def __init__(self, code: str | None) -> None:
        super().__init__(code or "no answer")
        self.code = code


def wait_for(fd: int, *, write: bool, until: float) -> bool:
    """Wait until the socket can be read (or also written); False where `until` (monotonic) came first."""
    poller = select.poll()
    poller.register(fd, select.POLLIN | (select.POLLOUT if write else 0))
    return bool(poller.poll(max(0.0, until - time.monotonic()) * 1000))


class Session:
    """An open connection. After `Failed` it is of no use: close it."""

    def __init__(self, pgconn: PGconn) -> None:
        from psycopg import pq

        self._pgconn, self._pq = pgconn, pq
        self._pgconn.nonblocking = 1

    @property
    def version(self) -> int:
        """As in `server_version_num`: 150018."""
        return self._pgconn.server_version

    def prepare(self, timeout: float, until: float) -> None:
        """Settings of an admin's session; the server gives up when we do, after `timeout` seconds. Raises `Failed`."""
        self.run(PREAMBLE.format(milliseconds=max(1, int(timeout * 1000))), until)

    def identifier(self, name: str) -> str:
        """A name in double quotes, for a statement."""
        return bytes(self._pq.Escaping(self._pgconn).escape_identifier(name.encode())).decode()

    def literal(self, text: str) -> str:
        """A string in quotes, for a statement that takes no parameters."""
        return bytes(self._pq.Escaping(self._pgconn).escape_literal(text.encode())).decode()

    def derived(self, user: str, password: str) -> tuple[str, Scram | None]:
        """What the server stores in place of the password, so that no password is in a statement or in a log of statements.

        With it the keys for control logins, where they can be had. Iterations are the server's own (`scram_iterations`, since 16).
        """
        if not plain(password):
            return bytes(self._pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")).decode(), None
        told = self._pgconn.parameter_status(b"scram_iterations")
        scram = derive(password, int(told) if told else ITERATIONS)
        return scram.verifier, scram

    def run(self, statements: str, until: float) -> list[list[str | None]]:
        """Run them one after another; the rows of the last. Raises `Failed`."""
        return self._ask(lambda: self._pgconn.send_query(statements.encode()), until)

    def rows(self, query: str, values: Sequence[str], until: float) -> list[dict[str, Any]]:
        """The rows of one SELECT, typed by JSON. Raises `Failed`."""
        wrapped = f"SELECT coalesce(json_agg(q), '[]') FROM ({query}) q"  # noqa: S608 - our own queries; values are parameters
        cell = self._ask(lambda: self._pgconn.send_query_params(wrapped.encode(), [each.encode() for each in values]), until)[0][0]
        found: list[dict[str, Any]] = json.loads(cell or "[]")
        return found

    def _ask(self, send: Callable[[], None], until: float) -> list[list[str | None]]:
        results = self._results(send, until)
        if results is None:
            raise Failed(None)
        code = next((code for each in results if (code := self._error(each)) is not None), None)
        if code is not None:
            raise Failed(code or None)
        return self._cells(results[-1]) if results else []

    def _results(self, send: Callable[[], None], until: float) -> list[PGresult] | None:
        """All results, or None: no answer. The driver's exceptions end here."""
        import psycopg

        results: list[PGresult] = []
        try:
            send()
            while self._flush_and_fill(until):
                result = self._pgconn.get_result()
                if result is None:
                    return results
                results.append(result)
        except psycopg.Error:
            return None
        return None

    def _flush_and_fill(self, until: float) -> bool:
        """Until the next result is here; False where time is up."""
        while self._pgconn.flush() or self._pgconn.is_busy():
            if not wait_for(self._pgconn.socket, write=bool(self._pgconn.flush()), until=until):
                return False
            self._pgconn.consume_input()
        return True

    def _error(self, result: PGresult) -> str | None:
        """The SQLSTATE of a failed statement, '' where the connection broke, None where all is well."""
        if result.status in (self._pq.ExecStatus.COMMAND_OK, self._pq.ExecStatus.TUPLES_OK, self._pq.ExecStatus.EMPTY_QUERY):
            return None
        return (result.error_field(self._pq.DiagnosticField.SQLSTATE) or b"").decode()

    @staticmethod
    def _cells(result: PGresult) -> list[list[str | None]]:
        def text(cell: bytes | None) -> str | None:
            return None if cell is None else bytes(cell).decode()

        return [[text(result.get_value(row, column)) for column in range(result.nfields)] for row in range(result.ntuples)]

    def close(self) -> None:
        """Drop the connection; the server rolls back what was not committed. May be called twice."""
        self._pgconn.finish()
