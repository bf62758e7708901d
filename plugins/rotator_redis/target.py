"""The plugin: rotate the password of a Redis user, two side by side or one in place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from rotator.target import Can, Credential, Denied, Finding, Foreign, PortError, Refused, Rejected, SetTarget, Unfit, Unreachable
from rotator_redis import answers
from rotator_redis import user as users
from rotator_redis.check import QUOTES, Around, create, findings, info, look, unreadable
from rotator_redis.connection import RedisConnection, RedisUserSettings
from rotator_redis.rights import Rules, needed, unwritable
from rotator_redis.session import Failed, Session, log_in
from rotator_redis.user import User

T = TypeVar("T")
LOOKS = 4
"""So often a change looks: once, once more after the first mark, and again where the user was changed since."""
Wanted = Callable[[User], tuple[str, ...]]
"""The hashes that a user is to have."""


class RedisUser(SetTarget[RedisConnection, RedisUserSettings]):
    """A user of the ACL. See the package's docstring for settings and for the rights that the admin needs."""

    connection_type = "redis"
    settings = RedisUserSettings
    fields = ("username", "password")

    _admin: Session | None = None

    # ---- what it is

    @property
    def can(self) -> Can:
        """Two passwords side by side. Redis counts no failed logins: dead probes are harmless."""
        config = self.config
        return Can(max_live=config.max_live, sessions_survive=not config.terminate_sessions, fences=config.fence)

    @property
    def endpoint(self) -> str:
        """`host:port`, or the socket."""
        return self.connection.endpoint

    @property
    def principals(self) -> Sequence[str]:
        """The user."""
        return (self.config.username,)

    @property
    def admin(self) -> str:
        """The user that changes the others."""
        return self.connection.admin.username

    # ---- reads

    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:  # noqa: ARG002 - ids of others: a user has none
        """(reads) Rights of the admin, the server, the user, strangers in it. Admin login refused: `Denied`."""
        until = self._until()
        return self._as_admin(
            lambda admin: findings(Around(self.connection, self.config, admin), known, until), until, "a look at the user"
        )

    def verify(self, credential: Credential) -> str:
        """(reads) One fresh login; returns the user that the server took it for.

        A no to a password that the user does hold: the user is off (`Unfit`), or what answers is not what the admin looks at.
        """
        until = self._until()
        try:
            return self._verified(credential, until)
        except Rejected as no:
            refused = no
        user = self._held(credential, until)
        if user is None:
            raise refused
        if not user.on:
            raise Unfit(f"the password is right, but user {user.name} is off", f"ACL SETUSER {users.quoted(user.name)} on", refused.code)
        raise Unreachable("the server refuses a password that the user holds", "Look whether a proxy stands before it", refused.code)

    def clock(self) -> datetime | None:
        """(reads) The server's time, where it tells one (Redis 6.2 and later)."""
        until = self._until()
        told = self._as_admin(lambda admin: info(admin, until).get("server_time_usec", ""), until, "the time")
        return datetime.fromtimestamp(int(told) / 1e6, UTC) if told.isdigit() else None

    # ---- changes

    def apply(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Make this password one of the user's, beside those of `keep`; with nothing to keep the only one. `off` stays `off`."""
        self._is_ours(credential)
        kept = [each for each in keep if each.name == credential.name]
        others = [each for each in kept if not each.same(credential)]
        if others and self.config.max_live == 1:
            raise Refused(f"user {credential.name} has one password (`max_live: 1`), and another one is to go on working")
        until = self._until()
        if not self._change(lambda user: users.with_new(user, credential, kept), until, alone=not others):
            raise Refused(f"there is no user {credential.name}", create(credential.name))

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Take exactly this password out of the user; then end its connections where settings say so.

        In place, where it is to be kept, and where the user or the password is gone: nothing to do. Only the name is known: those of
        `keep` remain.
        """
        self._is_ours(credential)
        kept = [each for each in keep if each.name == credential.name]
        if self.config.max_live == 1 or any(each.same(credential) for each in kept):
            return
        until, ends = self._until(), self.config.terminate_sessions
        if ends:
            self._as_admin(lambda admin: self._may_kill(admin, until), until, "its connections")
        if self._change(lambda user: users.without(user, credential, kept), until) and ends:
            self._as_admin(lambda admin: _kill(admin, credential.name, until), until, "its connections")

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
        if unwritable(self.connection, self.config):
            raise Refused(unwritable(self.connection, self.config), "Give the user another name, or the server an ACL file")

    def _verified(self, credential: Credential, until: float) -> str:
        if credential.secret is None:
            raise Refused(f"the password of {credential.name} is not known")
        trouble: PortError
        try:
            session = log_in(self.connection, credential.name, credential.secret, until)
        except Failed as no:
            trouble = answers.of_login(no)
        else:
            return _who(session, credential.name, until)
        raise trouble

    def _held(self, credential: Credential, until: float) -> User | None:
        """The user, if it holds this password. Nobody can look: `Unreachable`."""
        try:
            user = self._as_admin(lambda admin: look(admin, credential.name, until), until, "a look at the user")
        except PortError as error:
            why = error.what
        else:
            return user if user is not None and user.holds(credential) else None
        raise Unreachable(f"the server refused user and password, and nobody could look whether the user holds it: {why}")

    def _change(self, wanted: Wanted, until: float, *, alone: bool = False) -> bool:
        """Look, decide, change; again from the look where somebody was faster. False: there is no such user.

        `alone`: nothing is kept, so nothing else would tell that a human set another password since the look.
        """
        before: User | None = None
        for _ in range(LOOKS):
            last = before
            before = self._as_admin(lambda admin: look(admin, self.config.username, until), until, "a look at the user")
            if before is None:
                return False
            self._admits(before, last if alone else None)
            if self._done(before, wanted(before), until):
                return True
        raise Unreachable(f"user {self.config.username} is changed by others again and again")

    def _admits(self, user: User, last: User | None) -> None:
        users.no_open_door(user)
        if self.config.fence:
            users.guard(user, self.runtime.fence)
        if last and {*user.hashes} != {*last.hashes} and user.marks in (last.marks, ()):
            raise Foreign(f"somebody else has changed the passwords of {user.name} since we looked", "Find out who, and adopt anew")

    def _done(self, user: User, hashes: tuple[str, ...], until: float) -> bool:
        """Make these its passwords. False: look again."""
        fence = self.runtime.fence if self.config.fence else 0
        first = bool(fence) and not user.marks
        words = users.first_mark(user, fence) if first else users.edit(user, hashes, fence)
        same = {*user.hashes} == {*hashes} and (len(user.marks), user.fence) == (bool(fence), fence)

        def change(admin: Session) -> bool:
            self._may_rewrite(admin, user, until)
            self._save(admin, until)  # the server can, or nothing is changed
            return same or (_set(admin, user.name, words, until) and not first)

        def keep(admin: Session) -> bool:
            self._save(admin, until)
            return True

        if not self._as_admin(change, until, f"a change of user {user.name}"):
            return False
        return same or self._as_admin(keep, until, f"user {user.name} was changed, but not saved", after=True)

    def _save(self, admin: Session, until: float) -> None:
        """Let the server write its users to its file. Raises `Failed`."""
        persist = self.connection.persist
        if persist == "none":
            return
        try:
            admin.run(until, "ACL", "SAVE")
        except Failed as no:
            if persist != "config_file" or no.hint != "no acl file":
                raise
        else:
            return
        admin.run(until, "CONFIG", "REWRITE")

    def _may_rewrite(self, admin: Session, user: User, until: float) -> None:
        """Before anything is saved or changed: `Refused` where the server would not start with it."""
        if self.connection.persist != "config_file":
            return
        me = look(admin, self.admin, until)
        if no := unreadable(admin, user, me.rules if me else Rules(()), until):
            raise Refused(no, QUOTES)

    def _may_kill(self, admin: Session, until: float) -> None:
        """Before anything is changed: `Denied` where the admin may not."""
        me = look(admin, self.admin, until)
        if not (me.rules if me else Rules(())).allow("client|kill"):
            raise Denied(f"{self.admin} may not end connections (client|kill)", answers.grant(self.admin, ["client|kill"]), "NOPERM")

    def _as_admin(self, call: Callable[[Session], T], until: float, what: str, *, after: bool = False) -> T:
        """Call it with the admin's session. `what`: what a refusal is about; `after`: something was changed before it."""
        admin = self._admin or self._open(until)
        try:
            return call(admin)
        except Failed as failed:
            no = failed
            self.close()
        raise answers.unreachable(what, no) if after else answers.of_command(no, what, self.admin, needed(self.connection, self.config))

    def _open(self, until: float) -> Session:
        trouble: PortError
        try:
            self._admin = log_in(self.connection, self.admin, self.runtime.reveal(self.connection.admin.password), until)
        except Failed as no:
            trouble = answers.of_admin(no, self.admin)
        else:
            return self._admin
        raise trouble


def _who(session: Session, name: str, until: float) -> str:
    """Whom the server takes this login for; the user may not be allowed to ask, and AUTH has named it."""
    trouble: PortError
    try:
        who = str(session.run(until, "ACL", "WHOAMI"))
    except Failed as no:
        if no.code == "NOPERM":
            return name
        trouble = answers.unreachable("the login was taken, and then", no)
    else:
        if who == name:
            return who
        trouble = Unfit(f"logged in, but as {who}, not as {name}", "Look whether a proxy stands before the server")
    finally:
        session.close()
    raise trouble


def _set(admin: Session, name: str, words: list[str], until: float) -> bool:
    """ACL SETUSER: all of it or nothing. False: something that it takes out is no longer there. Raises `Failed`."""
    try:
        admin.run(until, "ACL", "SETUSER", name, *words)
    except Failed as no:
        if no.hint != "not there":
            raise
        return False
    return True


def _kill(admin: Session, name: str, until: float) -> None:
    """End all connections of the user. Raises `Failed`."""
    try:
        admin.run(until, "CLIENT", "KILL", "USER", name)
    except Failed as no:
        if no.hint != "no user":
            raise
