"""Whether a login of consumers could work, found out without their password: by what the database says, and by trying their `options`.

In place the old password dies before the new one is proven, so what no login can pass is to be found before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rotator.target import Finding, Level
from rotator_postgres.connection import PostgresUserSettings
from rotator_postgres.login import BAD_OPTIONS, NO_PRIVILEGE, Login, NoLogin, grant_connect, log_in, unreachable
from rotator_postgres.roles import quoted
from rotator_postgres.session import Session

Row = dict[str, Any]
Try = Callable[[Mapping[str, str]], NoLogin | None]
"""A login with these options; None: it works."""

PARAMETERS_SINCE = 150000
"""GRANT SET ON PARAMETER."""

_DATABASE = """
SELECT datallowconn AS takes, datconnlimit AS most, has_database_privilege(current_user, oid, 'CONNECT') AS connects,
       EXISTS (SELECT FROM pg_roles WHERE rolname IN ($2, $3) AND NOT rolsuper) AS limited,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND backend_type = 'client backend') AS open
FROM pg_database d WHERE datname = $1"""

_RESERVED = """
SELECT r.rolname AS role, name FROM pg_settings, pg_roles r
WHERE lower(name) = lower($1) AND context LIKE 'superuser%' AND r.rolname IN ($2, $3) AND NOT {may} ORDER BY r.rolname"""


@dataclass(frozen=True)
class Door:
    """What the database says.

    `shut`: what keeps everybody out. `connects`: whether the admin may. `reserved`: options that a role may not set.
    """

    shut: list[Finding]
    connects: bool
    reserved: list[Row]


def look(config: PostgresUserSettings, admin: Session, until: float) -> Door | None:
    """(reads) None: there is no such database. Raises `Failed`."""
    names = config.principals
    found = admin.rows(_DATABASE, [config.dbname, names[0], names[-1]], until)
    if not found:
        return None
    query = _RESERVED.format(may="has_parameter_privilege(r.oid, name, 'SET')" if admin.version >= PARAMETERS_SINCE else "r.rolsuper")
    rows = [row for option in config.options for row in admin.rows(query, [option, names[0], names[-1]], until)]
    return Door(list(_shut(config.dbname, found[0])), found[0]["connects"], rows)


def _shut(dbname: str, row: Row) -> Iterator[Finding]:
    alter = f"ALTER DATABASE {quoted(dbname)}"
    if not row["takes"]:
        yield Finding(Level.FAIL, "fitness", f"database {dbname} takes no connections", f"{alter} ALLOW_CONNECTIONS true;")
    elif row["limited"] and 0 <= row["most"] <= row["open"]:
        text = f"database {dbname} has {row['open']} of at most {row['most']} connections: no login can prove a password"
        yield Finding(Level.FAIL, "sessions", text, f"{alter} CONNECTION LIMIT {row['open'] + 5};")


def findings(config: PostgresUserSettings, door: Door, login: Login, until: float) -> list[Finding]:
    """(reads) Why no login of consumers works. `login` is the admin's, to their database."""
    reserved = {row["name"].lower() for row in door.reserved}
    options = {name: value for name, value in config.options.items() if name.lower() not in reserved}
    found = door.shut + [_may_not(row) for row in door.reserved]
    if door.shut or not options:
        return found
    text = f"admin {login.user} cannot try the `options` in database {config.dbname}"
    if not door.connects:
        return [*found, Finding(Level.WARN, "privilege.unproven", f"{text}: it may not connect", grant_connect(login))]

    def attempt(options: Mapping[str, str]) -> NoLogin | None:
        answer = log_in(replace(login, options=options), until)
        if isinstance(answer, NoLogin):
            return answer
        answer.close()
        return None

    no = attempt(options)
    if no is None:
        return found
    if no.code not in (*BAD_OPTIONS, NO_PRIVILEGE):
        return [*found, Finding(Level.WARN, "privilege.unproven", f"{text}: {unreachable(no).what}", unreachable(no).fix)]
    return found + (list(_each(options, attempt)) or [_refused("all", "each alone is taken")])


def _may_not(row: Row) -> Finding:
    """The admin's own login tells nothing of it: another role may set other things."""
    text = f"role {row['role']} may not set {row['name']}, which `options` has: no login of it works"
    grant = f"GRANT SET ON PARAMETER {row['name']} TO {quoted(row['role'])};"
    return Finding(Level.FAIL, "fitness", text, f"{grant} -- since PostgreSQL 15; or leave it out of `options`")


def _each(options: Mapping[str, str], attempt: Try) -> Iterator[Finding]:
    """Which of them it is."""
    for name, value in options.items():
        no = attempt({name: value})
        if no is not None and no.code == NO_PRIVILEGE:
            text = f"the admin may not set {name}, which `options` has: whether the roles may shows only when a new password is proven"
            yield Finding(Level.WARN, "privilege.unproven", text)
        elif no is not None:
            yield _refused(name, _WHY.get(no.code or "", f"it answers {no.code or 'nothing'}"))


_WHY = {
    "42704": "there is no such setting",
    "22023": "it takes no such value",
    "55P02": "no session can set it",
    "42602": "there is no such setting",
}


def _refused(what: str, why: str) -> Finding:
    text = f"the server does not take {what} of `options`: {why}, and no login of consumers with it works"
    return Finding(Level.FAIL, "fitness", text, "Correct `options` of the target: server settings, as SHOW ALL names them")
