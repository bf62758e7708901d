"""The plugin: rotate the password of a PostgreSQL role, in place or with two roles that take turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from rotator.target import (
    Can,
    Credential,
    Denied,
    Finding,
    Foreign,
    PortError,
    Refused,
    Rejected,
    SetTarget,
    Unfit,
    Unreachable,
)
from rotator_postgres import roles
from rotator_postgres.connection import PostgresConnection, PostgresUserSettings
from rotator_postgres.login import NO_DATABASE, NO_PRIVILEGE, NOT_ALLOWED, WRONG, Login, NoLogin, log_in, meaning, of_the_old, unreachable
from rotator_postgres.scram import Scram, sendable
from rotator_postgres.session import Failed, Session, takes_keys

T = TypeVar("T")


class PostgresUser(SetTarget[PostgresConnection, PostgresUserSettings]):
    """A database user. See the package's docstring for settings and for the rights that the admin needs."""

    connection_type = "postgres"
    settings = PostgresUserSettings
    fields = ("username", "password")

    _admin: Session | None = None
    _derived: tuple[Credential, Scram] | None = None
    """The credential that this instance has set last, and its keys."""

    # ---- what it is

    @property
    def can(self) -> Can:
        """Two roles: the idle one can be locked, and its open sessions are seen."""
        two = self.config.usernames is not None
        return Can(disables=two, tells_use=two, sessions_survive=not self.config.ends_sessions, fences=True)

    @property
    def endpoint(self) -> str:
        """`host:port`. Roles belong to the whole cluster, so the database is no part of it."""
        return self.connection.endpoint

    @property
    def principals(self) -> Sequence[str]:
        """One role in place, two alternating."""
        return self.config.principals

    @property
    def admin(self) -> str:
        """The role that changes the others."""
        return self.connection.admin.username

    # ---- reads

    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:  # noqa: ARG002 - ids of others: a role has none
        """(reads) Rights of the admin, state of the roles, the database, and how two roles differ. Admin login refused: `Denied`."""
        from rotator_postgres.check import findings

        until = self._until()
        found = self._as_admin(lambda admin: findings(self.config, admin, known, until), until)
        found += self._entry(until)
        differences = self._differences(known, until) if self.config.usernames else []
        return found + [each for each in differences if each not in found]

    def verify(self, credential: Credential) -> str:
        """(reads) One fresh login to `dbname`, by SCRAM only; returns the session's user."""
        until = self._until()
        return self._verified(credential, until)

    def control(self, credential: Credential) -> str:
        """(reads) As `verify`; what this instance has set is asked by the keys that it derived then. A no is asked once more."""
        until, derived = self._until(), self._derived
        if derived is None or not derived[0].same(credential) or not takes_keys():
            return self.verify(credential)
        try:
            return self._verified(credential, until, derived[1])
        except Rejected:
            return self._verified(credential, until)

    def confirm_dead(self, credential: Credential) -> str:
        """(reads) Evidence of the server's no, or `Unfit`: the password is right, even where nothing is free for a session."""
        why = self._against(credential, self._until())
        if isinstance(why, Rejected):
            return f"{why.code}: {why.what}"
        raise why or Unfit(f"still works, as {credential.name}")

    def last_used(self, credential: Credential) -> datetime | None:
        """(reads) Now, while the role has an open session; else None: PostgreSQL keeps no time of the last login."""
        until = self._until()
        now = self._as_admin(lambda admin: roles.in_session(admin, credential.name, until), until)
        return datetime.fromisoformat(now) if now else None

    def clock(self) -> datetime | None:
        """(reads) The server's time."""
        until = self._until()
        return datetime.fromisoformat(
            self._as_admin(lambda admin: admin.rows("SELECT clock_timestamp() AS now", [], until), until)[0]["now"]
        )

    # ---- changes

    def apply(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Set the password, as a SCRAM verifier. Two roles: unlock in the same statement. In place a lock is left as it is."""
        self._is_ours(credential)
        two = self.config.usernames is not None
        if two and any(each.name == credential.name and not each.same(credential) for each in keep):
            raise Refused(f"role {credential.name} has one password, and another one of it is to go on working")
        secret = credential.secret
        if secret is None:
            raise Refused(f"there is no password to set for {credential.name}")
        if not sendable(secret.reveal()):
            raise Refused(f"the password to set for {credential.name} is no UTF-8 text")
        until = self._until()

        def change(admin: Session) -> None:
            verifier, keys = admin.derived(credential.name, secret.reveal())
            roles.alter(admin, credential.name, f"{'LOGIN ' if two else ''}PASSWORD {admin.literal(verifier)}", self.runtime.fence, until)
            self._derived = (credential, keys) if keys else None

        self._as_admin(change, until, credential.name)

    def disable(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Lock the role; its password stays. Its sessions go on. A role that is gone, or one of `keep`: nothing to do."""
        until = self._until()
        if self._untouchable(credential, keep) or self._looked(credential, until) is None:
            return
        self._as_admin(lambda admin: roles.alter(admin, credential.name, "NOLOGIN", self.runtime.fence, until), until, credential.name)

    def enable(self, credential: Credential) -> None:
        """Unlock the role."""
        self._is_ours(credential)
        until = self._until()
        self._as_admin(lambda admin: roles.alter(admin, credential.name, "LOGIN", self.runtime.fence, until), until, credential.name)

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Lock the role and remove its password, then end its sessions where settings say so.

        In place, one of `keep`, or a role that is gone: nothing to do. Enabled, and it refuses this password: `Foreign`. Gone, and a
        session that may be its goes on: `Denied`.
        """
        until = self._until()
        if self._untouchable(credential, keep):
            return
        state = self._looked(credential, until)
        if state is None:
            self._unless_sessions_are_left(credential, until)
            return
        if self.config.ends_sessions and not state.may_signal:
            raise Denied(
                f"{self.admin} may not end sessions of {credential.name}",
                roles.signal_grant(roles.quoted(self.admin), state.version),
                "42501",
            )

        def lock(admin: Session) -> None:
            if self.config.ends_sessions:
                roles.end_changes(admin, credential.name, self.runtime.fence, until)
            roles.alter(admin, credential.name, roles.LOCKED, self.runtime.fence, until)
            if self.config.ends_sessions:
                roles.end_sessions(admin, credential.name, until)

        self._as_admin(lock, until, credential.name)

    def close(self) -> None:
        """Drop the admin's connection, and what was derived; may be called twice."""
        admin, self._admin, self._derived = self._admin, None, None
        if admin is not None:
            admin.close()

    # ---- within

    def _until(self) -> float:
        """When a call that begins now has to end, by the monotonic clock: a little before the core would interrupt it."""
        return time.monotonic() + 0.95 * self.runtime.timeout

    def _is_ours(self, credential: Credential) -> None:
        if credential.name not in self.principals:
            raise Refused(f"role {credential.name} is none of this target's: {', '.join(self.principals)}")

    def _untouchable(self, credential: Credential, keep: Sequence[Credential]) -> bool:
        """Whether locking this role would hurt what must go on working."""
        self._is_ours(credential)
        return self.config.usernames is None or any(each.name == credential.name for each in keep)

    def _looked(self, credential: Credential, until: float) -> roles.State | None:
        """The role before it is locked; None: gone. Raises `Foreign` where somebody else's password stands there."""
        state = self._as_admin(lambda admin: roles.look(admin, credential.name, until), until)
        if state is None or state.lets_nobody_in or credential.secret is None:
            return state
        why = self._against(credential, until)
        if why is None or isinstance(why, Unfit):
            return state
        if not isinstance(why, Rejected):
            raise why
        fix = "Find out who set it; then lock the role, or adopt its password"
        raise Foreign(f"role {credential.name} may log in, and refuses the password that we hold: somebody else changed it", fix, why.code)

    def _against(self, credential: Credential, until: float) -> PortError | None:
        """What the server has against a password that is to die; None: it lets it in."""
        login = self._login(credential)
        answer = log_in(login, until)
        if isinstance(answer, Session):
            answer.close()
            return None
        return of_the_old(answer, login, two=self.config.usernames is not None)

    def _unless_sessions_are_left(self, credential: Credential, until: float) -> None:
        """Of a role that is gone: raises `Denied` where settings end sessions, and one goes on that may be its."""
        if self.config.ends_sessions:
            dbname = self.config.dbname
            left = self._as_admin(lambda admin: roles.left_behind(admin, credential.name, dbname, until), until)
            if left is not None:
                raise left

    def _login(self, credential: Credential, keys: Scram | None = None) -> Login:
        if credential.secret is None:
            raise Refused(f"the password of {credential.name} is not known")
        if not sendable(credential.secret.reveal()):
            raise Refused(f"the password of {credential.name} is no UTF-8 text")
        return Login(self.connection, credential.name, credential.secret, self.config.dbname, self.config.options, keys)

    def _verified(self, credential: Credential, until: float, keys: Scram | None = None) -> str:
        login = self._login(credential, keys)
        session = log_in(login, until)
        if isinstance(session, NoLogin):
            raise meaning(session, login)
        try:
            who = session.run("SELECT session_user", until)[0][0]
        except Failed as failed:
            raise Unreachable(f"logged in, and then the server answered {failed.code or 'nothing'}", code=failed.code) from None
        finally:
            session.close()
        if who != credential.name:
            raise Unfit(f"logged in, but as {who}")
        return who

    def _entry(self, until: float) -> list[Finding]:
        """What no login of consumers can pass."""
        from rotator_postgres import entry

        door = self._as_admin(lambda admin: entry.look(self.config, admin, until), until)
        return entry.findings(self.config, door, self._admin_login(self.config.dbname), until) if door else []

    def _differences(self, known: Sequence[Credential], until: float) -> list[Finding]:
        """How the idle role differs from the one in use, inside `dbname`."""
        from rotator_postgres import unequal
        from rotator_postgres.check import in_use

        used = in_use(self.config, known)
        idle = next(each for each in self.principals if each != used)
        pair = unequal.Pair(used, idle, self.config.dbname)
        session = log_in(self._admin_login(self.config.dbname), until)
        if isinstance(session, NoLogin):
            return [unequal.unproven(session, self.admin, pair)]
        try:
            session.prepare(self.runtime.timeout, until)
            return unequal.findings(session, pair, until)
        except Failed as failed:
            raise Unreachable(f"comparing {used} and {idle}: the server answered {failed.code or 'nothing'}", code=failed.code) from None
        finally:
            session.close()

    def _admin_login(self, dbname: str) -> Login:
        where = self.connection
        password = self.runtime.reveal(where.admin.password)
        if not sendable(password.reveal()):
            raise Denied(f"the password of the admin {self.admin} is no UTF-8 text", "Correct `admin` of the connection")
        return Login(where, self.admin, password, dbname, where.options)

    def _as_admin(self, call: Callable[[Session], T], until: float, changing: str | None = None) -> T:
        """Call it with the admin's session. `changing`: the role whose change a refusal is about."""
        admin = self._admin or self._open(until)
        try:
            return call(admin)
        except Failed as failed:
            version, code = admin.version, failed.code
            self.close()
            if changing is not None:
                raise roles.translated(failed, self.admin, changing, version, two=self.config.usernames is not None) from None
        raise Unreachable(f"the server answered {code or 'nothing'} to a question about roles", code=code)

    def _open(self, until: float) -> Session:
        login = self._admin_login(self.connection.admin_dbname)
        session = log_in(login, until)
        if isinstance(session, NoLogin):
            raise self._admin_refused(session, login)
        self._admin = session
        try:
            session.prepare(self.runtime.timeout, until)
        except Failed as failed:
            self.close()
            raise Unreachable(f"the admin's session did not begin: {failed.code or 'no answer'}", code=failed.code) from None
        return session

    def _admin_refused(self, no: NoLogin, login: Login) -> Exception:
        """A refused admin is `Denied`: nothing happened, and trying again will not help."""
        if no.code in (WRONG, NOT_ALLOWED, NO_PRIVILEGE, NO_DATABASE):
            why = meaning(no, login)
            fix = why.fix if isinstance(why, Unfit) and why.fix else "Correct `admin` of the connection"
            fix = "Correct `admin_dbname` of the connection" if no.code == NO_DATABASE else fix
            return Denied(f"the admin {self.admin} was refused: {why.what}", fix, no.code)
        return unreachable(no)
