"""Statements that change a role, each in a transaction that also raises the fence.

The fence is the last words of the role's comment: `[rotator fence 17]`. A run whose number is lower is refused in the transaction of
its own change, so a runner that was paused before its statement cannot undo a later run's work. COMMENT ON ROLE needs the same right
as ALTER ROLE; a role setting (`ALTER ROLE x SET rotator.fence`) would need `GRANT SET ON PARAMETER` by a superuser, and would show in
every session of the consumers. What a human wrote in the comment stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rotator.target import Conflict, Denied, PortError, Refused, Unreachable
from rotator_postgres import arrivals
from rotator_postgres.session import Failed, Session

_FENCE = re.compile(r"\s*\[rotator fence ([0-9]{1,18})\]")
LOCKED = "NOLOGIN PASSWORD NULL"
"""REVOKE and ABORT: a random password would be a live credential that nobody holds."""


def fence_in(comment: str | None) -> int:
    """The highest fence that was here; 0: none."""
    found = _FENCE.search(comment or "")
    return int(found[1]) if found else 0


def with_fence(comment: str | None, fence: int) -> str:
    """The comment with this fence."""
    return f"{_FENCE.sub('', comment or '')} [rotator fence {fence}]".lstrip()


def alter(session: Session, name: str, change: str, fence: int, until: float) -> None:
    """`ALTER ROLE name change`, and raise the fence, or do neither. Raises `Conflict`, `Failed`.

    ALTER ROLE comes first: it locks the role's row, so the comment that is read after it cannot change before the commit.
    """
    role, text = session.identifier(name), session.literal(name)
    begin = f"BEGIN ISOLATION LEVEL READ COMMITTED; ALTER ROLE {role} {change};"
    read = f"SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = {text}"  # noqa: S608 - quoted by libpq
    comment = session.run(f"{begin} {read}", until)[0][0]
    held = fence_in(comment)
    if held > fence:
        session.run("ROLLBACK", until)
        raise Conflict(
            f"a later run ({held}) has changed role {name} since this one ({fence}) began; nothing was changed",
            fix=f"If no other runner is there (the record was lost and begun anew): {_without_fence(session, name, comment)}",
        )
    raised = f"COMMENT ON ROLE {role} IS {session.literal(with_fence(comment, fence))}; " if held < fence else ""
    session.run(f"{raised}COMMIT", until)


def _without_fence(session: Session, name: str, comment: str | None) -> str:
    rest = _FENCE.sub("", comment or "")
    return f"COMMENT ON ROLE {session.identifier(name)} IS {session.literal(rest) if rest else 'NULL'};"


@dataclass(frozen=True)
class State:
    """A role as it is now. `has_password` is None where only a superuser could tell; `expired`: it refuses every password."""

    can_login: bool
    has_password: bool | None
    expired: bool
    may_signal: bool
    version: int

    @property
    def lets_nobody_in(self) -> bool:
        """By no password: then a login tells nothing of the password that it has."""
        return not self.can_login or self.has_password is False or self.expired


def look(session: Session, name: str, until: float) -> State | None:
    """(reads) The role, or None where there is none. Raises `Failed`."""
    found = session.rows(
        "SELECT rolcanlogin, coalesce(rolvaliduntil <= now(), false) AS expired,"
        " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,"
        " pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS may_signal FROM pg_roles WHERE rolname = $1",
        [name],
        until,
    )
    if not found:
        return None
    row, has_password = found[0], None
    if row["superuser"]:
        stored = session.rows("SELECT rolpassword IS NOT NULL AS has FROM pg_authid WHERE rolname = $1", [name], until)
        has_password = bool(stored and stored[0]["has"])
    return State(row["rolcanlogin"], has_password, row["expired"], row["may_signal"] or row["superuser"], session.version)


_SESSIONS = "FROM pg_stat_activity WHERE usesysid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND pid <> pg_backend_pid()"


def in_session(session: Session, name: str, until: float) -> str | None:
    """(reads) The server's time where the role has an open session, else None. Raises `Failed`."""
    found = session.rows(f"SELECT clock_timestamp() AS now {_SESSIONS} LIMIT 1", [name], until)
    return str(found[0]["now"]) if found else None


def end_sessions(session: Session, name: str, until: float) -> None:
    """End all sessions of the role, and its logins that are under way; wait until they are gone. Raises `Failed` (also where time is up).

    Logins come first: while one ends it becomes a session.
    """
    arrivals.end(session, name, until)
    count = f"SELECT count(pg_terminate_backend(pid)) AS open {_SESSIONS}"
    while session.rows(count, [name], until)[0]["open"]:
        session.run("SELECT pg_sleep(0.02)", until)


_CHANGING = (
    f"{_SESSIONS} AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_stat_activity.pid AND l.granted"
    " AND l.relation = 'pg_authid'::regclass AND l.mode = 'RowExclusiveLock')"
)


def end_changes(session: Session, name: str, fence: int, until: float) -> None:
    """End sessions of the role that are changing a role right now. Raises `Failed`.

    Any role may change its own password, and who would lock it waits for the end of that transaction. A later run's role is left alone.
    """
    found = session.rows(f"SELECT shobj_description(usesysid, 'pg_authid') AS comment {_CHANGING} LIMIT 1", [name], until)
    if found and fence_in(found[0]["comment"]) <= fence:
        session.rows(f"SELECT count(pg_terminate_backend(pid)) AS ended {_CHANGING}", [name], until)


_NO_ROLES = "FROM pg_stat_activity WHERE usesysid NOT IN (SELECT oid FROM pg_roles)"
"""Sessions whose role was dropped: they go on, and nobody can tell which role it was."""


def left_behind(session: Session, name: str, dbname: str, until: float) -> Denied | None:
    """(reads) What to say where the role is gone and a session in this database may be its. Raises `Failed`."""
    pids = [str(row["pid"]) for row in session.rows(f"SELECT pid {_NO_ROLES} AND datname = $1 ORDER BY pid", [dbname], until)]
    if not pids:
        return None
    text = f"there is no role {name}, but in database {dbname} sessions go on whose role was dropped, and may be its: {', '.join(pids)}"
    return Denied(text, f"If nobody needs them: SELECT pg_terminate_backend(pid) {_NO_ROLES} AND pid IN ({', '.join(pids)});")


def quoted(name: str) -> str:
    """A name in double quotes, where no connection is at hand."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def translated(failed: Failed, admin: str, name: str, version: int, *, two: bool) -> PortError:
    """What a refused statement about a role means. The server's own words are left out: they may quote the statement."""
    if failed.code == "42501":
        return Denied(f"{admin} may not change role {name}", grant_needed(quoted(name), quoted(admin), version), failed.code)
    if failed.code == "42704":
        return Refused(f"there is no role {name}", f"CREATE ROLE {quoted(name)} {'NOLOGIN' if two else 'LOGIN'};", failed.code)
    if failed.code in ("22023", "0A000"):
        return Refused(f"the server does not take this password for {name}", code=failed.code)
    if failed.code == "25006":
        return Unreachable(
            "the server is read-only: a standby, or one that is being switched over", "Name the primary as host", failed.code
        )
    return Unreachable(f"changing role {name}: the server answered {failed.code or 'nothing'}", code=failed.code)


ADMIN_OPTION_NEEDED = 160000
"""Since PostgreSQL 16 CREATEROLE reaches only roles that are held WITH ADMIN OPTION."""


def grant_needed(role: str, admin: str, version: int) -> str:
    """The least rights that ALTER ROLE needs. Both names are quoted."""
    create = f"ALTER ROLE {admin} CREATEROLE;"
    return create if version < ADMIN_OPTION_NEEDED else f"{create} {admin_option(role, admin)}"


def admin_option(role: str, admin: str) -> str:
    """The right over one role, without its own rights. Both names are quoted."""
    return f"GRANT {role} TO {admin} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;"


def signal_grant(admin: str, version: int) -> str:
    """The right to end other roles' sessions. The name is quoted."""
    return f"GRANT pg_signal_backend TO {admin}{' WITH INHERIT TRUE' if version >= ADMIN_OPTION_NEEDED else ''};"
