"""Two roles that take turns must be able to do the same: how the idle one differs from the one in use, with the mending statements.

What the idle one lacks is a FAIL: consumers would miss it at the next rotation. What it has beyond the other is a WARN.
Not compared: other databases, user mappings of foreign servers, pg_hba.conf.
"""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from typing import Any

from rotator.target import Finding, Level
from rotator_postgres.check import no_database
from rotator_postgres.login import NO_DATABASE, NO_PRIVILEGE, NoLogin, unreachable
from rotator_postgres.roles import quoted
from rotator_postgres.session import Session
from rotator_postgres.traits import OWNED, query


@dataclass(frozen=True)
class Pair:
    """The role in use, the idle one, and where they are compared."""

    used: str
    idle: str
    dbname: str


def findings(session: Session, pair: Pair, until: float) -> list[Finding]:
    """(reads) All differences. A role that is missing has none. `session` is the admin's, in that database. Raises `Failed`."""
    rows = session.rows(query(session.version), [pair.used, pair.idle], until)
    used, idle = ({row["key"]: row for row in rows if row["role"] == name} for name in (pair.used, pair.idle))
    if not (used and idle):
        return []
    lacks = [row for key, row in used.items() if key not in idle]
    slots = {row["slot"] for row in lacks if row["slot"]}
    extra = [row for key, row in idle.items() if key not in used and row["slot"] not in slots]
    found = [_finding(pair, row, "lacks", row["give"], hard=row["hard"]) for row in lacks]
    found += [_finding(pair, row, "has, unlike the one in use,", row["take"], hard=False) for row in extra]
    return found + _owned(session, pair, until)


def _finding(pair: Pair, row: dict[str, Any], verb: str, fix: str | None, *, hard: bool) -> Finding:
    level = Level.FAIL if hard else Level.WARN
    return Finding(
        level, "principal.unequal", f"in database {pair.dbname} role {pair.idle} {verb} {row['key']} ({pair.used} is in use)", fix
    )


def _owned(session: Session, pair: Pair, until: float) -> list[Finding]:
    """What one of the two owns, the other cannot alter: both should be members of a third role that owns it."""
    rows = session.rows(OWNED, [pair.used, pair.idle], until)
    if not rows:
        return []
    shared = os.path.commonprefix([pair.used, pair.idle])  # noqa: RUF071 - of two names, not of paths
    owner = f"{shared.rstrip('_-.') or pair.used}_owner"[:63]
    there = session.rows("SELECT 1 AS one FROM pg_roles WHERE rolname = $1", [owner], until)
    create = "" if there else f"CREATE ROLE {quoted(owner)} NOLOGIN; "
    grant = f"GRANT {quoted(owner)} TO {quoted(pair.used)}, {quoted(pair.idle)}; "
    move = f"REASSIGN OWNED BY {', '.join(quoted(row['name']) for row in rows)} TO {quoted(owner)};"
    owned = "; ".join(f"{row['name']} owns {row['objects']} ({row['one']}, ...)" for row in rows)
    level = Level.FAIL if any(row["name"] == pair.used for row in rows) else Level.WARN
    text = f"in database {pair.dbname} {owned}: only the owner can alter or drop it. To be run in that database"
    return [Finding(level, "principal.unequal", text, create + grant + move)]


def unproven(no: NoLogin, admin: str, pair: Pair) -> Finding:
    """The admin cannot look into the database: nobody knows whether the two are equal there. Only what is refused can be granted."""
    if no.code == NO_DATABASE:
        return no_database(pair.dbname)
    why, fix = unreachable(no).what, unreachable(no).fix
    if no.code == NO_PRIVILEGE:
        why, fix = "it may not connect", f"GRANT CONNECT ON DATABASE {quoted(pair.dbname)} TO {quoted(admin)};"
    text = f"admin {admin} cannot look into database {pair.dbname} to compare {pair.used} and {pair.idle}: {why}"
    return Finding(Level.WARN, "privilege.unproven", text, fix)
