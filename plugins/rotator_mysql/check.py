"""CHECK: what an operator should know before a run begins, each with the statement that mends it. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rotator.target import Credential, Finding, Level
from rotator_mysql.account import Account, plugin_for, quoted
from rotator_mysql.connection import MysqlUserSettings
from rotator_mysql.hashes import ED25519
from rotator_mysql.server import Server, granted, namesakes
from rotator_mysql.session import Session

FIRST = "-- first find out who logs in with it: after a restore it may be what consumers have, and is to be adopted"
"""Before a statement that takes a password away which is none of ours."""


@dataclass(frozen=True)
class Around:
    """Whom the findings are about, and by whom they are made."""

    config: MysqlUserSettings
    server: Server
    session: Session
    encrypted: bool

    @property
    def account(self) -> str:
        """Quoted."""
        return quoted(self.config.username, self.config.host)


def findings(around: Around, known: Sequence[Credential], until: float) -> list[Finding]:
    """(reads) All findings. Where accounts cannot be read, those about the account are missing. Raises `Failed`."""
    config, server, session = around.config, around.server, around.session
    found = [Finding(Level.OK, "login", f"admin {session.account} is in, {server.title} {session.version.partition('-')[0]}")]
    missing = missing_rights(around, until)
    found += [Finding(Level.FAIL, "privilege.missing", f"admin {session.account} lacks {right}", fix) for right, fix in missing.items()]
    if config.plugin is not None and config.plugin not in server.plugins:
        found.append(Finding(Level.FAIL, "fitness", f"{server.title} has no plugin {config.plugin}", "Leave `plugin` out"))
    found += server.unfit(session, config.plugin, until)
    if any(each.startswith("SELECT") for each in missing):
        return found
    account = server.look(session, config.username, config.host, until)
    if account is None:
        text = f"there is no account {config.username}@{config.host}"
        return [*found, Finding(Level.FAIL, "principal.missing", text, server.create(around.account))]
    found += [
        *_of_the_account(around, account),
        *_of_two_switches(around, account),
        *_of_its_age(around, account, until),
        *_strays(around, account, known),
    ]
    if config.terminate_sessions and namesakes(session, server.table, config.username, until) > 1:
        found.append(Finding(Level.FAIL, "sessions", shared(account), "Leave `terminate_sessions` out, or give each account its own name"))
    return found


def shared(account: Account) -> str:
    """Why the sessions of an account cannot be told from others'."""
    return f"other accounts are called {account.user} too: their sessions cannot be told from those of {account.name}"


def rights(around: Around) -> dict[str, str]:
    """All rights that the admin needs, with the statements that give them to the very account that it is in as: a GRANT to a name without
    its host may make a new account, which every host gets into without a password.
    """
    user, _, host = around.session.account.rpartition("@")
    return around.server.rights(quoted(user, host), ends_sessions=around.config.terminate_sessions)


def missing_rights(around: Around, until: float) -> dict[str, str]:
    """(reads) Those that it lacks. Raises `Failed`."""
    needed, has = rights(around), granted(around.session, until)
    return {right: fix for right, fix in needed.items() if not _has(has, right)}


def _has(has: list[tuple[set[str], str]], right: str) -> bool:
    word, _, table = right.partition(" ON ")
    places = ("*.*", f"{table.partition('.')[0]}.*", table) if table else ("*.*",)
    return any(on in places and words & {word, "ALL PRIVILEGES"} for words, on in has)


def _of_the_account(around: Around, account: Account) -> Iterator[Finding]:
    alter = f"ALTER USER {account.quoted}"
    if account.locked:
        text = f"account {account.name} is locked; a new password would not unlock it"
        yield Finding(Level.FAIL, "lockout", text, f"{alter} ACCOUNT UNLOCK;")
    if account.tls == "any" and not around.encrypted:
        text = f"account {account.name} wants TLS, which is off here: the server calls every password of it wrong"
        yield Finding(Level.FAIL, "fitness", text, "Switch `tls` of the connection on")
    if account.tls == "certificate":
        text = f"account {account.name} wants a client's certificate, which no login of ours has"
        asks = f"CIPHER {around.session.literal(account.cipher)}" if account.cipher else "SSL"
        yield Finding(Level.FAIL, "fitness", text, f"{alter} REQUIRE {asks};")
    if account.super:
        text = f"account {account.name} has SUPER: who has its password has the server"
        yield Finding(Level.WARN, "principal.superuser", text, f"REVOKE SUPER ON *.* FROM {account.quoted};")


def _of_two_switches(around: Around, account: Account) -> Iterator[Finding]:
    """The server greets with mysql_native_password: the second of two others is the second switch of a login."""
    config = around.config
    if config.max_live == 1 or plugin_for(account, config.plugin, around.server.default_plugin) != ED25519:
        return
    text = (
        f"two ed25519 passwords of {account.name} side by side: a consumer whose driver follows one switch of the plugin and no second"
        " (PyMySQL 1.2) cannot log in by the new one before the old one is gone"
    )
    yield Finding(Level.WARN, "fitness", text, "`plugin: mysql_native_password`, or `max_live: 1`, or see that your driver can")


def _of_its_age(around: Around, account: Account, until: float) -> Iterator[Finding]:
    fix = f"ALTER USER {account.quoted} PASSWORD EXPIRE NEVER;"
    if account.expired:
        yield Finding(Level.WARN, "principal.expired", f"the password of account {account.name} has expired; a new one ends that", None)
    days, by = account.lifetime, ""
    if days is None:
        days = int(around.session.run("SELECT @@default_password_lifetime AS days", until)[0]["days"])
        by = ", by the server's default_password_lifetime"
    if days:
        text = f"every password of account {account.name} expires {days} days after the last one was set{by}"
        yield Finding(Level.WARN, "principal.expired", text, fix)


def _strays(around: Around, account: Account, known: Sequence[Credential]) -> Iterator[Finding]:
    """A second way in that is none of ours. A single one is nobody's but the operator's, before adoption."""
    ours = [each for each in account.entries if any(one.secret and each.holds(one.secret) for one in known)]
    strange = [each for each in account.entries if each not in ours]
    if not strange or len(account.entries) == 1:
        return
    kinds = ", ".join(f"{each.plugin}{'' if each.stored else ', empty'}" for each in strange)
    fix = around.server.without(around.session, account, strange) if ours else None
    if around.config.max_live == 1:
        text = f"account {account.name} has further passwords ({kinds}): the next rotation removes them"
        yield Finding(Level.WARN, "stray", text, fix)
    else:
        fix = f"{FIRST}\n{fix}" if fix else None
        yield Finding(Level.FAIL, "stray", f"account {account.name} has a password that is none of ours ({kinds})", fix)
