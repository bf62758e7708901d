"""One login, and what a failed one means: a no, let in but unfit, or no answer.

Tried on PostgreSQL 15 and 18, in English and in German. SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.target import PortError, Rejected, Secret, Unfit, Unreachable
from rotator_postgres.connection import PostgresConnection
from rotator_postgres.defaults import SCRAM_KEYS, set_back
from rotator_postgres.roles import LOCKED, quoted
from rotator_postgres.scram import Scram
from rotator_postgres.session import Session, wait_for
from rotator_postgres.verbosity import codes_only

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

WRONG, NOT_ALLOWED, NO_PRIVILEGE, NO_DATABASE, FULL = "28P01", "28000", "42501", "3D000", "53300"
BAD_OPTIONS = ("42704", "22023", "55P02", "42602")
"""No such setting, no such value, one that no session can set, no name of a setting."""
CLOSED, NO_LIBRARY = "55000", "58P01"
NO_ROOM = (FULL, CLOSED, NO_LIBRARY)
"""Where the password was asked for, the server says these once it was right: the limits of role and database, the reserved connections, a
database that takes none, and a library that is not there (any role may write itself such a local_preload_libraries). A server that is full
itself does not ask (https://github.com/postgres/postgres/blob/master/src/backend/utils/init/postinit.c).
"""
CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")
"""The CAs of the system (Debian, Red Hat, SUSE, Alpine and macOS): the libpq inside psycopg's wheel does not find them by itself."""

_QUOTED, _BACKSLASHED = re.compile(r"[\\']"), r"\\\g<0>"


@dataclass(frozen=True)
class Login:
    """Who logs in, where and how."""

    connection: PostgresConnection
    user: str
    password: Secret
    dbname: str
    options: Mapping[str, str] = field(default_factory=dict)
    keys: Scram | None = None
    """In place of the password: what was derived from it before."""

    def parameters(self) -> dict[str, str]:
        """For libpq. The environment adds nothing (`set_back`); only SCRAM will do: with `trust` every password would "work"."""
        where = self.connection
        tls = {"sslmode": "disable"}
        if where.tls is not None and not where.is_socket:
            tls = {"sslmode": "verify-full", "sslrootcert": where.tls.ca or system_cas()}
        return {
            "host": where.host, "port": str(where.port), "dbname": self.dbname, "user": self.user, **self._proof(),
            "require_auth": "scram-sha-256", "gssencmode": "disable", "target_session_attrs": "any", "client_encoding": "UTF8",
            "application_name": "rotator", "options": " ".join(f"-c {key}={_escaped(value)}" for key, value in self.options.items()), **tls,
        }  # fmt: skip

    def _proof(self) -> dict[str, str]:
        """The password; or the keys, of which libpq derives nothing (it takes them before any password that it finds elsewhere)."""
        if self.keys is None:
            return {"password": self.password.reveal()}
        return {"scram_client_key": self.keys.client_key.reveal(), "scram_server_key": self.keys.server_key.reveal()}


def conninfo(parameters: Mapping[str, str]) -> str:
    """As libpq reads it: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE"""
    return " ".join(f"{name}='{_QUOTED.sub(_BACKSLASHED, value)}'" for name, value in parameters.items())


def _escaped(value: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", value)


def system_cas() -> str:
    """The file of the system's CAs; `system` lets OpenSSL look for it."""
    return next((each for each in CA_BUNDLES if Path(each).exists()), "system")


@dataclass(frozen=True)
class NoLogin:
    """A login that failed. `asked`: the server had asked for the password by SCRAM, so no rule of pg_hba.conf was in the way."""

    code: str | None
    asked: bool
    text: str


def log_in(login: Login, until: float) -> Session | NoLogin:
    """One fresh login; each address of the host is tried until one answers, all of them before `until` (monotonic)."""
    try:
        addresses = _addresses(login.connection)
    except OSError as error:
        return NoLogin(None, asked=False, text=f"the host name cannot be resolved ({error.strerror or type(error).__name__})")
    elsewhere = set_back(login.parameters())
    if stated := sorted(SCRAM_KEYS & elsewhere.keys()):
        text = f"the service of PGSERVICE gives {stated[0]}, which libpq takes in place of a password: unset PGSERVICE"
        return NoLogin(None, asked=False, text=text)
    answer: Session | NoLogin = NoLogin(None, asked=False, text="the host has no address")
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        now = time.monotonic()
        answer = _attempt({**elsewhere, **login.parameters(), **address}, now + (until - now) / left, login)
        if isinstance(answer, Session) or answer.code:
            break
    return answer


def _addresses(connection: PostgresConnection) -> list[dict[str, str]]:
    if connection.is_socket:
        return [{"hostaddr": ""}]
    found = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    return [{"hostaddr": each} for each in dict.fromkeys(str(info[4][0]) for info in found)]


def _attempt(parameters: Mapping[str, str], until: float, login: Login) -> Session | NoLogin:
    import psycopg
    from psycopg import pq

    pgconn = None
    try:
        pgconn = pq.PGconn.connect_start(conninfo(parameters).encode())
        with_codes = codes_only(pgconn)
        status = pq.PollingStatus.WRITING if pgconn.status != pq.ConnStatus.BAD else pq.PollingStatus.FAILED
        while status not in (pq.PollingStatus.OK, pq.PollingStatus.FAILED):
            if not wait_for(pgconn.socket, write=status == pq.PollingStatus.WRITING, until=until):
                pgconn.finish()
                return NoLogin(None, asked=False, text="the server did not answer in time")
            status = pq.PollingStatus(pgconn.connect_poll())
    except psycopg.Error:
        return NoLogin(None, asked=False, text="the connection broke while logging in")
    if status == pq.PollingStatus.OK:
        return Session(pgconn)
    return _failed(pgconn, login, with_codes=with_codes)


def _failed(pgconn: PGconn, login: Login, *, with_codes: bool) -> NoLogin:
    lines = pgconn.get_error_message().strip().split("\n")
    line = next((each for each in reversed(lines) if not each.startswith("\t")), "")  # libpq's own advice begins with a tab
    asked = bool(pgconn.used_password)
    pgconn.finish()
    code = re.search(r":  ([0-9A-Z]{5})$", line) if with_codes else None
    return NoLogin(code[1] if code else _code_of_words(line, login), asked, line.rpartition(" failed: ")[2])


def _code_of_words(line: str, login: Login) -> str | None:
    """The SQLSTATE by the server's English words, where libpq could not be told to show it. Another language: None, so `Unreachable`."""
    words = {
        f'password authentication failed for user "{login.user}"': WRONG,
        f'role "{login.user}" is not permitted to log in': NOT_ALLOWED,
        f'permission denied for database "{login.dbname}"': NO_PRIVILEGE,
        f'database "{login.dbname}" does not exist': NO_DATABASE,
        f'too many connections for role "{login.user}"': FULL,
        f'too many connections for database "{login.dbname}"': FULL,
    }
    return words.get(line.rpartition("FATAL:  ")[2])


def meaning(no: NoLogin, login: Login) -> PortError:
    """What a failed login says of the credential. Only what came after SCRAM was asked for counts as a no."""
    if no.asked and no.code == WRONG:
        return Rejected(
            "the server refused user and password", "Wrong password, no password, no such role, or VALID UNTIL is past", no.code
        )
    if no.asked and no.code == NOT_ALLOWED:
        return Rejected("the role may not log in (NOLOGIN)", code=no.code)
    if no.asked and no.code == NO_PRIVILEGE:
        return Unfit(f"the password is right, but {login.user} may not connect to database {login.dbname}", grant_connect(login), no.code)
    if no.asked and no.code == NO_DATABASE:
        return Unfit(f"the password is right, but there is no database {login.dbname}", database_needed(login.dbname), no.code)
    if no.asked and no.code in BAD_OPTIONS:
        return Unfit("the password is right, but the server does not take the session's options", "Correct `options`", no.code)
    return unreachable(no, login.user)


def of_the_old(no: NoLogin, login: Login, *, two: bool) -> PortError:
    """As `meaning`, of a password that is to die. Whoever holds it may have taken every connection: one that was right is alive.

    Two roles: where pg_hba.conf lets nobody be asked, the mend locks the role and lets nobody in.
    """
    if no.asked and no.code in NO_ROOM:
        told = unreachable(no, login.user)
        return Unfit(f"the password is right, and then: {told.what}", told.fix, no.code)
    if no.asked or no.code != NOT_ALLOWED or not two:
        return meaning(no, login)
    lock = f"ALTER ROLE {quoted(login.user)} {LOCKED};"
    fix = f"{lock} -- then let pg_hba.conf ask it for its password (scram-sha-256): that a locked role is refused is the proof"
    return Unreachable(f"no rule of pg_hba.conf lets role {login.user} in from here, so nothing tells whose password it has", fix, no.code)


def unreachable(no: NoLogin, role: str | None = None) -> Unreachable:
    """Neither yes nor no. `role`: one to rotate; not the admin."""
    if no.code == NOT_ALLOWED:
        return Unreachable("no rule of pg_hba.conf lets this user in from here", "Add one, with scram-sha-256", no.code)
    if no.code == FULL:
        fix = _end_sessions(role) if role and no.asked else WHO_IS_IN
        return Unreachable("the server, the database or the role has no free connection", fix, no.code)
    return Unreachable(f"no login: the server answered {no.code}" if no.code else f"no login: {no.text}", code=no.code)


WHO_IS_IN = (
    "SELECT usename, datname, count(*) FROM pg_stat_activity GROUP BY usename, datname;"
    " -- end some by pg_terminate_backend(pid), or raise max_connections, or the CONNECTION LIMIT of the role or of the database"
)


def _end_sessions(role: str) -> str:
    """A server that is full itself asks for no password: this one is not."""
    name = role.replace("'", "''")
    ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}';"  # noqa: S608 - to be pasted; quoted
    return f"{ends} -- all of its sessions; or raise the CONNECTION LIMIT of the role or of the database"


def database_needed(dbname: str) -> str:
    """The mend where it is missing, or where only its name is wrong."""
    return f"CREATE DATABASE {quoted(dbname)}; -- or correct `dbname`, where it is the name that is wrong"


def grant_connect(login: Login) -> str:
    """What lets it in."""
    return f"GRANT CONNECT ON DATABASE {quoted(login.dbname)} TO {quoted(login.user)};"
