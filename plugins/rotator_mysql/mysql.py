"""MySQL 8.0.14 and later: a primary and a secondary password (`RETAIN CURRENT PASSWORD`, `DISCARD OLD PASSWORD`).

Never run on a real server: written after the manual and the server's grammar (which takes RETAIN after AS, though the manual does not
say so). https://dev.mysql.com/doc/refman/8.4/en/password-management.html#dual-passwords
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rotator.target import Finding, Level
from rotator_mysql.account import Account, tls_of
from rotator_mysql.hashes import NATIVE, SHA2, Entry
from rotator_mysql.server import Server
from rotator_mysql.session import Session, document

_COLUMNS = (
    "Host, plugin, HEX(authentication_string) AS stored, User_attributes AS attributes, account_locked, password_expired AS expired,"
    " password_lifetime, ssl_type, CONVERT(ssl_cipher USING utf8mb4) AS cipher, LENGTH(x509_issuer) + LENGTH(x509_subject) AS names,"
    " Super_priv"
)
_NOBODY = Entry(SHA2, "$A$005$THISISACOMBINATIONOFINVALIDSALTANDPASSWORDTHATMUSTNEVERBRBEUSED")
"""What MySQL gives its own locked accounts."""


class MySql(Server):
    """Also what is made of it, as Percona Server."""

    title, default_plugin, plugins, table, kill_right = "MySQL", SHA2, (SHA2, NATIVE), "mysql.user", "CONNECTION_ADMIN"

    def look(self, session: Session, user: str, host: str, until: float) -> Account | None:
        """(reads) The account, as `mysql.user` has it; the primary password first."""
        where = f"User = {session.literal(user)} AND LOWER(Host) = {session.literal(host)}"
        found = session.run(f"SELECT {_COLUMNS} FROM mysql.user WHERE {where}", until)  # noqa: S608 - quoted
        return account_of(user, found[0]) if found else None

    def change(self, session: Session, account: Account, entries: Sequence[Entry], fence: int, until: float) -> bool:
        """At most two statements, and each alone leaves what must go on working."""
        for each in statements(account, entries, fence):
            session.run(each, until)
        return True

    def unfit(self, session: Session, plugin: str | None, until: float) -> list[Finding]:  # noqa: ARG002 - its plugins are always there
        """(reads) A version that is too old, a replica."""
        numbers, found = tuple(int(each) for each in re.findall(r"\d+", session.version)[:3]), []
        if numbers < (8, 0, 21):
            found.append(
                Finding(
                    Level.FAIL, "fitness", f"MySQL {session.version} cannot keep two passwords and a fence", "Use MySQL 8.0.21 or later"
                )
            )
        if int(session.run("SELECT @@read_only AS r", until)[0]["r"]):
            found.append(
                Finding(Level.FAIL, "fitness", "this server is read-only: no account can be changed here", "Name the primary as `host`")
            )
        return found

    def closed(self, account: str) -> str:  # noqa: ARG002 - the same for every account
        """No password opens it."""
        return f"IDENTIFIED WITH {_NOBODY.plugin} AS '{_NOBODY.stored}'"

    def without(self, session: Session, account: Account, gone: Sequence[Entry]) -> str:
        """The second password goes by one statement. Before the first one goes, the second takes its place: the server prints that."""
        discard = f"ALTER USER {account.quoted} DISCARD OLD PASSWORD;"
        first = account.entries[0]
        if first not in gone:
            return discard
        alter = session.literal(f"ALTER USER {account.quoted} IDENTIFIED WITH {first.plugin} AS 0x")
        where = f"User = {session.literal(account.user)} AND Host = {session.literal(account.host)}"
        shows = f"SELECT CONCAT({alter}, HEX(User_attributes->>'$.additional_password')) AS fix FROM mysql.user WHERE {where}"  # noqa: S608 - quoted
        return f"{shows}; -- send what it shows, then: {discard}"

    def without_fence(self, account: Account) -> str:
        """A null in a patch of JSON removes the key."""
        return f"ALTER USER {account.quoted} ATTRIBUTE '{{\"rotator_fence\": null}}';"


def statements(account: Account, entries: Sequence[Entry], fence: int) -> list[str]:
    """From the passwords that it has to those that it shall have.

    A password is retained only when there is no other yet: RETAIN a second time would lose the first one.
    """
    alter, mark = f"ALTER USER {account.quoted}", f" ATTRIBUTE '{{\"rotator_fence\": {fence}}}'" if fence else ""
    has, wanted = list(account.entries), list(entries) or [_NOBODY]
    if len(has) == len(wanted) and set(wanted) == set(has):
        return [f"{alter}{mark}"] if mark and account.fence != fence else []
    if len(wanted) > 1:
        new = next(each for each in wanted if each not in has)
        return [f"{alter} {_as(new)} RETAIN CURRENT PASSWORD{mark}"]
    discard = [f"{alter} DISCARD OLD PASSWORD{mark}"] if len(has) > 1 else []
    if not entries:
        return [*discard, f"{alter} {_as(_NOBODY)}{mark}"]
    first = [] if has[:1] == wanted else [f"{alter} {_as(wanted[0])}{mark}"]
    return first + discard


def _as(entry: Entry) -> str:
    return f"IDENTIFIED WITH {entry.plugin} AS 0x{entry.stored.encode().hex()}"


def account_of(user: str, row: dict[str, Any]) -> Account:
    """What the server keeps of an account."""
    attributes, plugin = document(row["attributes"]), str(row["plugin"]).lower()
    stored = [bytes.fromhex(str(row["stored"] or "")).decode("utf-8", "replace"), attributes.get("additional_password")]
    every = [Entry(plugin, each) for each in stored if each is not None]
    return Account(
        user=user,
        host=str(row["Host"]),
        entries=tuple(each for each in every if each != _NOBODY),
        fence=int((attributes.get("metadata") or {}).get("rotator_fence") or 0),
        locked=row["account_locked"] == "Y",
        expired=row["expired"] == "Y",
        lifetime=None if row["password_lifetime"] is None else int(row["password_lifetime"]),
        tls=tls_of(str(row["ssl_type"]), int(row["names"] or 0)),
        cipher=str(row["cipher"] or ""),
        super=row["Super_priv"] == "Y",
    )
