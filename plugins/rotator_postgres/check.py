"""CHECK: what an operator should know before a run begins, each with the statement that mends it. Nothing is changed.

Statements are for a superuser (or for who made the roles), in `admin_dbname`; those about grants in one database say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rotator.target import Credential, Finding, Level
from rotator_postgres import roles
from rotator_postgres.connection import PostgresUserSettings
from rotator_postgres.login import database_needed
from rotator_postgres.session import Session

Row = dict[str, Any]

FIRST = "-- first find out who logs in with it: after a restore it may be what consumers have, and is to be adopted"
"""Before a statement that takes a password away which is none of ours."""

_ME = """
SELECT current_user AS name, rolsuper AS superuser, rolcreaterole AS creates, pg_is_in_recovery() AS standby,
       EXISTS (SELECT FROM pg_database WHERE datname = $1) AS database,
       pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS signals
FROM pg_roles WHERE rolname = current_user"""

_ROLES = """
SELECT r.rolname AS name, rolcanlogin AS login, rolsuper AS superuser, rolreplication AS replicates, rolconnlimit AS most,
       rolvaliduntil::text AS until, coalesce(rolvaliduntil <= now(), false) AS expired,
       coalesce(rolvaliduntil < 'infinity', false) AS expires,
       pg_has_role(current_user, r.oid, 'MEMBER WITH ADMIN OPTION') AS held,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid) AS open,
       (SELECT has_database_privilege(r.oid, d.oid, 'CONNECT') FROM pg_database d WHERE d.datname = $1) AS connects
FROM pg_roles r WHERE r.rolname IN ($2, $3)"""


@dataclass(frozen=True)
class Look:
    """What was read of the server, and how to quote a name of it.

    `used`: the role that consumers need now. `held`: those whose password is ours.
    """

    config: PostgresUserSettings
    used: str
    held: frozenset[str]
    me: Row
    roles: dict[str, Row]
    version: int
    quoted: Callable[[str], str]

    @property
    def two(self) -> bool:
        """Whether two roles take turns."""
        return self.config.usernames is not None


def in_use(config: PostgresUserSettings, known: Sequence[Credential]) -> str:
    """The role whose password consumers have: current comes first among those that are known."""
    names = config.principals
    return known[0].name if known and known[0].name in names else names[0]


def look(config: PostgresUserSettings, admin: Session, known: Sequence[Credential], until: float) -> Look:
    """(reads) Raises `Failed`."""
    me = admin.rows(_ME, [config.dbname], until)[0]
    names = config.principals
    found = admin.rows(_ROLES, [config.dbname, names[0], names[-1]], until)
    held = frozenset(each.name for each in known if each.secret is not None)
    return Look(config, in_use(config, known), held, me, {each["name"]: each for each in found}, admin.version, admin.identifier)


def findings(config: PostgresUserSettings, admin: Session, known: Sequence[Credential], until: float) -> list[Finding]:
    """(reads) All findings but those that compare two roles. Raises `Failed`."""
    seen = look(config, admin, known, until)
    major = seen.version // 10000
    found = [Finding(Level.OK, "login", f"admin {seen.me['name']} is in, PostgreSQL {major}")]
    found += _of_the_server(seen)
    for name in config.principals:
        row = seen.roles.get(name)
        if row is None:
            can = "NOLOGIN" if seen.two else "LOGIN"
            found.append(Finding(Level.FAIL, "principal.missing", f"there is no role {name}", f"CREATE ROLE {seen.quoted(name)} {can};"))
        else:
            found += [*_of_our_right(seen, row), *_of_the_role(seen, row), *_of_its_login(seen, row)]
    return found + list(_strays(seen))


def _of_the_server(seen: Look) -> Iterator[Finding]:
    me, admin = seen.me, seen.quoted(seen.me["name"])
    if me["standby"]:
        yield Finding(Level.FAIL, "fitness", "this server is a standby: no role can be changed here", "Name the primary as `host`")
    if not (me["superuser"] or me["creates"]):
        yield Finding(Level.FAIL, "privilege.missing", f"admin {me['name']} may not change roles", f"ALTER ROLE {admin} CREATEROLE;")
    if seen.config.ends_sessions and not (me["superuser"] or me["signals"]):
        yield Finding(
            Level.FAIL, "privilege.missing", f"admin {me['name']} may not end open sessions", roles.signal_grant(admin, seen.version)
        )
    if not me["database"]:
        yield no_database(seen.config.dbname)


def no_database(dbname: str) -> Finding:
    """Nobody can log in there, and nothing can be compared there."""
    return Finding(Level.FAIL, "fitness", f"there is no database {dbname}", database_needed(dbname))


def _of_our_right(seen: Look, row: Row) -> Iterator[Finding]:
    me, role = seen.me, seen.quoted(row["name"])
    if row["superuser"]:
        level = Level.WARN if me["superuser"] else Level.FAIL
        yield Finding(level, "principal.superuser", f"role {row['name']} is a superuser", f"ALTER ROLE {role} NOSUPERUSER;")
    if me["superuser"]:
        return
    if seen.version < roles.ADMIN_OPTION_NEEDED and row["replicates"]:
        text = f"role {row['name']} has REPLICATION: before PostgreSQL 16 only a superuser may change it"
        yield Finding(Level.FAIL, "privilege.missing", text, f"ALTER ROLE {role} NOREPLICATION;")
    if seen.version >= roles.ADMIN_OPTION_NEEDED and not row["held"]:
        text = f"admin {me['name']} does not hold role {row['name']} with ADMIN OPTION"
        yield Finding(Level.FAIL, "privilege.missing", text, roles.admin_option(role, seen.quoted(me["name"])))


def _of_the_role(seen: Look, row: Row) -> Iterator[Finding]:
    name, role = row["name"], seen.quoted(row["name"])
    if row["expired"]:
        text = f"the password of role {name} has been refused since {row['until']} (VALID UNTIL)"
        yield Finding(Level.FAIL, "principal.expired", text, _endless(seen, row))
    elif row["expires"]:
        text = f"every password of role {name}, a new one too, will be refused from {row['until']} on (VALID UNTIL)"
        yield Finding(Level.WARN, "principal.expired", text, _endless(seen, row))
    if not seen.two and not row["login"]:
        yield Finding(Level.FAIL, "lockout", f"role {name} may not log in; a new password would not unlock it", f"ALTER ROLE {role} LOGIN;")


def _endless(seen: Look, row: Row) -> str:
    """Without an end. The password of a role that consumers do not need may have leaked, and VALID UNTIL be what keeps it out or will."""
    alter, endless = f"ALTER ROLE {seen.quoted(row['name'])}", "VALID UNTIL 'infinity';"
    if row["name"] == seen.used:
        return f"{alter} {endless}{' -- its password works again: where it leaked, rotate at once' if row['expired'] else ''}"
    if row["expired"]:
        return f"{alter} {roles.LOCKED} {endless}"
    return f"-- once its password is revoked: {alter} {endless}" if row["name"] in seen.held else f"{alter} {endless}"


def _of_its_login(seen: Look, row: Row) -> Iterator[Finding]:
    name, role, dbname = row["name"], seen.quoted(row["name"]), seen.config.dbname
    if row["connects"] is False:  # None: there is no such database, which is said once
        grant = f"GRANT CONNECT ON DATABASE {seen.quoted(dbname)} TO {role};"
        yield Finding(Level.FAIL, "fitness", f"role {name} may not connect to database {dbname}", grant)
    if 0 <= row["most"] <= row["open"]:
        text = f"role {name} has {row['open']} of at most {row['most']} connections: no login can prove a password"
        yield Finding(Level.FAIL, "sessions", text, f"ALTER ROLE {role} CONNECTION LIMIT {row['open'] + 5};")


def _strays(seen: Look) -> Iterator[Finding]:
    """Two roles: one that may log in, and whose password is none of ours."""
    if not seen.two:
        return
    names = seen.config.principals if seen.held else seen.config.principals[1:]
    for name in names:
        if name not in seen.held and seen.roles.get(name, {}).get("login"):
            fix = f"{FIRST}\nALTER ROLE {seen.quoted(name)} {roles.LOCKED};"
            yield Finding(Level.FAIL, "stray", f"role {name} may log in, with a password that is none of ours", fix)
