"""The plugin: rotate the password of a MariaDB or MySQL account, two side by side or one in place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from rotator.target import Can, Credential, Denied, Finding, PortError, Refused, Rejected, SetTarget, Unfit, Unreachable
from rotator_mysql import account as accounts
from rotator_mysql import answers
from rotator_mysql.account import Account
from rotator_mysql.check import Around, findings, missing_rights, rights, shared
from rotator_mysql.connection import MysqlConnection, MysqlUserSettings
from rotator_mysql.hashes import Entry
from rotator_mysql.mariadb import MariaDb
from rotator_mysql.mysql import MySql
from rotator_mysql.server import Server, namesakes, newest, sessions
from rotator_mysql.session import Failed, Login, NoLogin, Session, log_in

T = TypeVar("T")
LOOKS = 3
"""So often a change begins again where the account was changed between our look and our statement."""
GONE = 1094
"""No such session."""


class MysqlUser(SetTarget[MysqlConnection, MysqlUserSettings]):
    """A database account. See the package's docstring for settings and for the rights that the admin needs."""

    connection_type = "mysql"
    settings = MysqlUserSettings
    fields = ("username", "password")

    _admin: Session | None = None

    # ---- what it is

    @property
    def can(self) -> Can:
        """Two passwords side by side. A dead probe counts where the server blocks accounts after wrong passwords."""
        config = self.config
        return Can(max_live=config.max_live, sessions_survive=not config.terminate_sessions, dead_probes=1, fences=config.fence)

    @property
    def endpoint(self) -> str:
        """`host:port`, or the socket."""
        return self.connection.endpoint

    @property
    def principals(self) -> Sequence[str]:
        """The user's name: what consumers log in by. One spec for each name of a server."""
        return (self.config.username,)

    @property
    def admin(self) -> str:
        """The user that changes the others."""
        return self.connection.admin.username

    @property
    def account(self) -> str:
        """As the server says it."""
        return f"{self.config.username}@{self.config.host}"

    @property
    def _quoted(self) -> str:
        """For a statement."""
        return accounts.quoted(self.config.username, self.config.host)

    # ---- reads

    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:  # noqa: ARG002 - ids of others: an account has none
        """(reads) Rights of the admin, the server's settings, the account, strangers in it. Admin login refused: `Denied`."""
        until = self._until()
        return self._as_admin(lambda admin: findings(self._around(admin), known, until), until, "a look at the account")

    def verify(self, credential: Credential) -> str:
        """(reads) One fresh login; returns the account that the server took it for.

        A no to a password that the account does hold is none: the account is blocked, wants TLS, or another one of that name is nearer.
        """
        until = self._until()
        try:
            return self._verified(credential, until)
        except Rejected as no:
            refused = no
        if refused.code == str(answers.WRONG) and self._held(credential, until):
            raise Unreachable(
                "the server refuses a password that the account holds",
                "The account is blocked (max_password_errors), wants TLS, or another account of that name is nearer to this machine",
                refused.code,
            )
        raise refused

    def clock(self) -> datetime | None:
        """(reads) The server's time."""
        until = self._until()
        rows = self._as_admin(lambda admin: admin.run("SELECT UTC_TIMESTAMP(6) AS now", until), until, "the time")
        now: datetime = rows[0]["now"]
        return now.replace(tzinfo=UTC)

    # ---- changes

    def apply(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Make this password one of the account's, beside those of `keep`; with nothing to keep the only one. A lock is left as it is."""
        self._is_ours(credential)
        kept = [each for each in keep if each.name == credential.name]
        if kept and self.config.max_live == 1 and not all(each.same(credential) for each in kept):
            raise Refused(f"account {self.account} has one password (`max_live: 1`), and another one is to go on working")

        def wanted(server: Server, account: Account) -> tuple[Entry, ...]:
            plugin = accounts.plugin_for(account, self.config.plugin, server.default_plugin)
            return accounts.with_new(account, credential, kept, plugin)

        until = self._until()
        if not self._change(wanted, until):
            raise Refused(f"there is no account {self.account}", self._create(until))

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Take exactly this password out of the account; then end its sessions where settings say so.

        In place, where it is to be kept, and where the account or the password is gone: nothing to do. Only the name is known: those of
        `keep` remain.
        """
        self._is_ours(credential)
        kept = [each for each in keep if each.name == credential.name]
        if self.config.max_live == 1 or any(each.same(credential) for each in kept):
            return
        until, ends = self._until(), self.config.terminate_sessions
        if ends:
            self._as_admin(lambda admin: self._may_end_sessions(admin, until), until, "its sessions")
        there = self._change(lambda _, account: accounts.without(account, credential, kept), until)
        if there and ends:
            self._as_admin(lambda admin: _end_sessions(admin, self.config.username, until), until, "its sessions")

    def close(self) -> None:
        """Drop the admin's connection; may be called twice."""
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    # ---- within

    def _until(self) -> float:
        """When a call that begins now has to end, by the monotonic clock: a little before the core would interrupt it."""
        return time.monotonic() + 0.95 * self.runtime.timeout

    def _is_ours(self, credential: Credential) -> None:
        if credential.name != self.config.username:
            raise Refused(f"{credential.name} is none of this target's: {self.config.username}")

    def _verified(self, credential: Credential, until: float) -> str:
        if credential.secret is None:
            raise Refused(f"the password of {credential.name} is not known")
        login = Login(self.connection, credential.name, credential.secret, self.config.dbname)
        session = log_in(login, until)
        if isinstance(session, NoLogin):
            raise answers.of_login(session, login, self._quoted)
        code: int | None = 0
        try:
            who = str(session.run("SELECT CURRENT_USER() AS who", until)[0]["who"])
        except Failed as failed:
            code = failed.code
        finally:
            session.close()
        if code != 0:
            raise answers.of_login(NoLogin(code, "the connection broke"), login, self._quoted)
        if who.lower() != f"{credential.name}@{self.config.host}".lower():
            raise Unfit(f"logged in, but as {who}, not as {self.account}", "Correct `host` of the target, or drop the nearer account")
        return who

    def _held(self, credential: Credential, until: float) -> bool:
        """Whether the account holds this password. Nobody can look: `Unreachable`."""
        try:
            account = self._as_admin(lambda admin: self._looked(admin, until)[1], until, "a look at the account")
        except PortError as error:
            why = error.what
        else:
            return account is not None and account.holder(credential) is not None
        raise Unreachable(f"the server refused user and password, and nobody could look whether the account holds it: {why}")

    def _looked(self, admin: Session, until: float) -> tuple[Server, Account | None]:
        server = _server(admin)
        return server, server.look(admin, self.config.username, self.config.host, until)

    def _change(self, wanted: Callable[[Server, Account], tuple[Entry, ...]], until: float) -> bool:
        """Look, decide, change; again from the look where somebody was faster. False: there is no such account."""
        fence = self.runtime.fence if self.config.fence else 0

        def once(admin: Session) -> bool | None:
            server, account = self._looked(admin, until)
            if account is None:
                return False
            if fence:
                accounts.guard(account, fence, server.without_fence(account))
            entries = wanted(server, account)
            if set(entries) == set(account.entries) and len(entries) == len(account.entries) and account.fence == fence:
                return True
            return server.change(admin, account, entries, fence, until) or None

        for _ in range(LOOKS):
            done = self._as_admin(once, until, f"a change of account {self.account}")
            if done is not None:
                return done
        raise Unreachable(f"account {self.account} is changed by others again and again, or somebody holds its lock")

    def _create(self, until: float) -> str:
        return self._as_admin(lambda admin: _server(admin).create(self._quoted), until, "a new account")

    def _around(self, admin: Session) -> Around:
        return Around(self.config, _server(admin), admin, self.connection.encrypted)

    def _may_end_sessions(self, admin: Session, until: float) -> None:
        """Before anything is changed: `Denied`, `Refused` where that could not be done."""
        around = self._around(admin)
        missing = missing_rights(around, until)
        if missing:
            raise Denied(f"{self.admin} lacks {', '.join(missing)}", " ".join(missing.values()), "1227")
        server, account = self._looked(admin, until)
        if account is not None and namesakes(admin, server.table, self.config.username, until) > 1:
            raise Refused(shared(account), "Leave `terminate_sessions` out, or give each account its own name")

    def _as_admin(self, call: Callable[[Session], T], until: float, what: str) -> T:
        """Call it with the admin's session. `what`: what a refusal is about."""
        admin = self._admin or self._open(until)
        try:
            return call(admin)
        except Failed as failed:
            code, grants = failed.code, " ".join(rights(self._around(admin)).values())
            self.close()
        raise answers.of_statement(code, what, self.admin, grants)

    def _open(self, until: float) -> Session:
        login = Login(self.connection, self.admin, self.runtime.reveal(self.connection.admin.password))
        session = log_in(login, until)
        if isinstance(session, NoLogin):
            raise answers.of_admin(session, self.admin, login)
        try:
            session.prepare(until)
        except Failed as failed:
            code = failed.code
        else:
            self._admin = session
            return session
        session.close()
        raise answers.of_admin(NoLogin(code, "the admin's session did not begin"), self.admin, login)


def _server(admin: Session) -> Server:
    return MariaDb() if admin.is_mariadb else MySql()


def _end_sessions(admin: Session, user: str, until: float) -> None:
    """End the sessions of the user that are open or begin right now, and wait until they are gone. Raises `Failed` (also where time is up).

    Whoever connects later is let in by what is left alone, and would never stop coming.
    """
    last = newest(admin, until)
    while open_ones := sessions(admin, user, last, until):
        for each in open_ones:
            try:
                admin.run(f"KILL CONNECTION {each}", until)
            except Failed as failed:
                if failed.code != GONE:
                    raise
        admin.run("DO SLEEP(0.02)", until)
