"""MariaDB: one account with several ways in, replaced in one statement that looks once more.

`ALTER USER … IDENTIFIED VIA a USING '…' OR b USING '…'` replaces the whole set. It stands in a block that compares the account with what
was read before: a run that was paused in between, and a human who was faster, are both seen by the server itself. The fence is a way in
that no password opens, in the tradition of `*THISISNOTAVALIDPASSWORDTHATCANBEUSEDHERE`: a stored hash with letters that are no digits.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from typing import Any

from rotator.target import Finding, Level
from rotator_mysql.account import Account, identifier, tls_of
from rotator_mysql.hashes import ED25519, NATIVE, Entry
from rotator_mysql.server import Server
from rotator_mysql.session import Session, document

_FENCE = re.compile(r"\*ROTATOR\.FENCE\.([0-9]{25})\.")
_LIVE = re.compile(r"\*[0-9A-F]{40}|")
"""What a password can open: a hash, or nothing at all, which is the empty password."""
_NOBODY = Entry(NATIVE, "invalid")
_TLS = {1: "ANY", 2: "X509", 3: "SPECIFIED"}
_SUPER = 1 << 15
_ACTIVE = "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_STATUS = 'ACTIVE' AND"


def fence_entry(fence: int) -> Entry:
    """41 characters, as a hash has."""
    return Entry(NATIVE, f"*ROTATOR.FENCE.{fence:025}.")


class MariaDb(Server):
    """10.4 and later."""

    title, default_plugin, plugins, table, kill_right = "MariaDB", NATIVE, (NATIVE, ED25519), "mysql.global_priv", "CONNECTION ADMIN"

    def look(self, session: Session, user: str, host: str, until: float) -> Account | None:
        """(reads) The account, as `mysql.global_priv` has it."""
        where = f"User = {session.literal(user)} AND LOWER(Host) = {session.literal(host)}"
        found = session.run(f"SELECT Host, Priv, SHA2(Priv, 256) AS stamp FROM mysql.global_priv WHERE {where}", until)  # noqa: S608 - quoted
        if not found or document(found[0]["Priv"]).get("is_role"):
            return None
        row = found[0]
        return account_of(user, str(row["Host"]), document(row["Priv"]), str(row["stamp"]))

    def change(self, session: Session, account: Account, entries: Sequence[Entry], fence: int, until: float) -> bool:
        """Replace the set, if it is still the one that was read."""
        where = f"User = {session.literal(account.user)} AND Host = {session.literal(account.host)}"
        lock = session.literal(f"rotator {hashlib.sha256(account.name.encode()).hexdigest()[:40]}")
        wait = max(0, int((until - time.monotonic()) / 2))
        same = f"(SELECT SHA2(Priv, 256) FROM mysql.global_priv WHERE {where}) <=> {session.literal(account.stamp)}"  # noqa: S608 - quoted
        block = (
            f"BEGIN NOT ATOMIC IF GET_LOCK({lock}, {wait}) AND {same}"
            f" THEN {altered(session, account, entries, fence)}; SELECT 1 AS done; ELSE SELECT 0 AS done; END IF;"
            f" DO RELEASE_LOCK({lock}); END"
        )
        return bool(session.run(block, until)[0]["done"])

    def unfit(self, session: Session, plugin: str | None, until: float) -> list[Finding]:
        """(reads) A version that is too old, a replica, and what refuses hashes."""
        numbers = tuple(int(each) for each in re.findall(r"\d+", session.version)[:2])
        if numbers < (10, 4):
            return [
                Finding(Level.FAIL, "fitness", f"MariaDB {session.version} keeps one way in for an account", "Use MariaDB 10.4 or later")
            ]
        values = session.run(
            "SELECT @@read_only AS r, @@strict_password_validation AS s, @@max_password_errors AS m,"
            f" ({_ACTIVE} PLUGIN_TYPE = 'PASSWORD VALIDATION') AS v, ({_ACTIVE} PLUGIN_NAME = 'ed25519') AS e",
            until,
        )[0]
        return _in_the_way(values, plugin)

    def closed(self, account: str) -> str:  # noqa: ARG002 - the same for every account
        """No password opens it."""
        return f"IDENTIFIED VIA {_NOBODY.plugin} USING '{_NOBODY.stored}'"

    def without(self, session: Session, account: Account, gone: Sequence[Entry]) -> str:  # noqa: ARG002 - nothing to quote
        """The set is replaced whole, so its hashes are needed: SHOW CREATE USER has them."""
        return _sent_again(account, gone)

    def without_fence(self, account: Account) -> str:
        """As above; an account with no other way in gets one that no password opens."""
        marks = [each for each in account.ways if _FENCE.fullmatch(each.stored)]
        if len(marks) == len(account.ways):
            return f"ALTER USER {account.quoted} {self.closed(account.quoted)};"
        return _sent_again(account, marks)


def _sent_again(account: Account, gone: Sequence[Entry]) -> str:
    numbers = [str(number) for number, each in enumerate(account.ways, 1) if each in gone]
    return (
        f"SHOW CREATE USER {account.quoted}; -- send what it shows again as ALTER USER, without number {' and '.join(numbers)}"
        f" of its {len(account.ways)} ways in (OR stands between them)"
    )


def altered(session: Session, account: Account, entries: Sequence[Entry], fence: int) -> str:
    """The statement that makes these the account's ways in, and the fence the last one."""
    every = [*entries, *([fence_entry(fence)] if fence else [])] or [_NOBODY]
    return f"ALTER USER {account.quoted} IDENTIFIED VIA {' OR '.join(_way(session, each) for each in every)}"


def _way(session: Session, entry: Entry) -> str:
    using = f" USING {session.literal(entry.stored)}" if entry.stored or entry.plugin == NATIVE else ""
    return f"{identifier(entry.plugin)}{using}"


def account_of(user: str, host: str, priv: dict[str, Any], stamp: str) -> Account:
    """What the server keeps of an account. `auth_or` lists its ways in; `{}` stands for the one above it.

    One that says nothing of its string has the empty one: an empty password.
    """
    ways = [each or priv for each in priv.get("auth_or") or [{}]]
    every = [_entry(each) for each in ways]
    fences = [int(match[1]) for each in every if (match := _FENCE.fullmatch(each.stored))]
    return Account(
        user=user,
        host=host,
        entries=tuple(each for each in every if each.plugin != NATIVE or _LIVE.fullmatch(each.stored)),
        ways=tuple(every),
        fence=max(fences, default=0),
        stamp=stamp,
        locked=bool(priv.get("account_locked")),
        expired=priv.get("password_last_changed") == 0,
        lifetime=None if (days := int(priv.get("password_lifetime", -1))) < 0 else days,
        tls=tls_of(_TLS.get(int(priv.get("ssl_type") or 0), ""), priv.get("x509_issuer") or priv.get("x509_subject")),
        cipher=str(priv.get("ssl_cipher") or ""),
        super=bool(int(priv.get("access") or 0) & _SUPER),
    )


def _entry(way: dict[str, Any]) -> Entry:
    plugin = str(way.get("plugin") or NATIVE).lower()  # it is kept as it was typed
    stored = str(way.get("authentication_string") or "")
    return Entry(plugin, stored.upper() if plugin == NATIVE else stored)


FEW = 10
"""Wrong passwords in a row after which an account that is blocked looks like a wrong password."""


def _in_the_way(values: dict[str, Any], plugin: str | None) -> list[Finding]:
    found = []
    if values["r"]:
        text = "this server is read-only, a replica perhaps: no account can be changed here"
        found.append(Finding(Level.FAIL, "fitness", text, "Name the primary as `host`"))
    if values["s"] and values["v"]:
        text = "a plugin that validates passwords is active, and strict_password_validation refuses hashes"
        found.append(Finding(Level.FAIL, "fitness", text, "SET GLOBAL strict_password_validation = OFF;"))
    if plugin == ED25519 and not values["e"]:
        found.append(Finding(Level.FAIL, "fitness", "the server has no plugin ed25519", "INSTALL SONAME 'auth_ed25519';"))
    if int(values["m"]) < FEW:
        level = Level.FAIL if int(values["m"]) == 1 else Level.WARN  # one wrong password is what CONFIRM tries
        text = f"{values['m']} wrong passwords in a row block an account (max_password_errors), and then the right one is called wrong too"
        found.append(Finding(level, "lockout", text, "SET GLOBAL max_password_errors = 4294967295;"))
    return found
