"""Logins that are under way while their role is locked: let in already, and no sessions yet.

A backend looks whether its role may log in, and only later shows in pg_stat_activity whose it is; whoever logs in can stretch that
(`options=-c post_auth_delay=60`). Until then it is a transaction of nobody's, as a client is that has not proven its password
(InitPostgres, https://github.com/postgres/postgres/blob/master/src/backend/utils/init/postinit.c). Only the right to end it tells whose
it is: a role may end its own backends and no others
(https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL). So the role itself is made to try.
"""

from __future__ import annotations

from rotator_postgres.session import Failed, Session

SET_OPTION_NEEDED = 160000
"""Since PostgreSQL 16 SET ROLE needs the membership's SET option."""

_NOBODYS = """
SELECT DISTINCT l.pid, EXISTS (SELECT FROM pg_locks d WHERE d.pid = l.pid AND d.locktype = 'object'
  AND d.classid = 'pg_database'::regclass AND d.mode = 'RowExclusiveLock') AS let_in
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.pid <> pg_backend_pid() AND a.usesysid IS NULL"""
"""`let_in`: a login locks its database after it was let in, until it is shown as whose it is."""

_TELLS = """
SELECT (SELECT bool_and(has_function_privilege(r.oid, oid, 'EXECUTE')) FROM pg_proc WHERE proname = 'pg_terminate_backend')
  AND NOT pg_has_role(r.oid, 'pg_signal_backend', 'MEMBER') AND NOT EXISTS (
    SELECT FROM pg_roles o WHERE o.rolcanlogin AND o.oid <> r.oid AND pg_has_role(r.oid, o.oid, 'MEMBER')) AS tells
FROM pg_roles r WHERE r.rolname = $1"""
"""Whether the role may end its own backends, and nobody else's."""


def end(session: Session, name: str, until: float) -> None:
    """After the role was locked: those that were let in before are gone, or are sessions, when this returns. Raises `Failed`.

    Where the role cannot tell its own from others', all that were let in are waited for.
    """
    found = _nobodys(session, until)
    if not found:
        return
    if session.rows(_TELLS, [name], until)[0]["tells"]:
        left = _ended(session, name, sorted(found), until)
    else:
        left = {pid for pid, let_in in found.items() if let_in}
    while left := left & _nobodys(session, until).keys():
        session.run("SELECT pg_sleep(0.02)", until)


def _nobodys(session: Session, until: float) -> dict[int, bool]:
    return {row["pid"]: row["let_in"] for row in session.rows(_NOBODYS, [], until)}


def _ended(session: Session, name: str, pids: list[int], until: float) -> set[int]:
    """Those that the role may end; they are told to. The membership that this takes is rolled back, and nobody else sees it."""
    role, ended = session.identifier(name), set()
    option = " WITH SET TRUE" if session.version >= SET_OPTION_NEEDED else ""
    session.run(f"BEGIN; GRANT {role} TO CURRENT_USER{option}; SET LOCAL ROLE {role}", until)
    for pid in pids:
        try:
            session.run(f"SAVEPOINT one; SELECT pg_terminate_backend({pid})", until)
        except Failed as refused:
            if refused.code != "42501":
                raise
            session.run("ROLLBACK TO one", until)
        else:
            ended.add(pid)
    session.run("ROLLBACK", until)
    return ended
