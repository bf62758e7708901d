"""What MariaDB and MySQL do differently, in one class each; which one it is, the server says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from rotator.target import Finding
from rotator_mysql.account import Account
from rotator_mysql.hashes import Entry
from rotator_mysql.session import Session


class Server(ABC):
    """One server's way to keep two passwords of one account. Without state; statements that change end before `until` (monotonic)."""

    title: ClassVar[str]
    default_plugin: ClassVar[str]
    """Of an account that has no way in."""
    plugins: ClassVar[tuple[str, ...]]
    """Whose stored form can be set."""
    table: ClassVar[str]
    """Where accounts are kept."""

    @abstractmethod
    def look(self, session: Session, user: str, host: str, until: float) -> Account | None:
        """(reads) The account, or None where there is none. Raises `Failed`."""

    @abstractmethod
    def change(self, session: Session, account: Account, entries: Sequence[Entry], fence: int, until: float) -> bool:
        """Give the account these ways in, and this fence (0: none). Its lock and all else stays. Raises `Failed`.

        False: it is no longer as it was when it was read, and nothing was done; only where the server can tell.
        """

    @abstractmethod
    def unfit(self, session: Session, plugin: str | None, until: float) -> list[Finding]:
        """(reads) What of the server's settings is in the way. Raises `Failed`."""

    @abstractmethod
    def without(self, session: Session, account: Account, gone: Sequence[Entry]) -> str:
        """How an operator takes these ways in out of an account that keeps others. No hash is in it: the server shows them itself."""

    @abstractmethod
    def closed(self, account: str) -> str:
        """Authentication that lets nobody in, as a statement's end. `account`: quoted."""

    @abstractmethod
    def without_fence(self, account: Account) -> str:
        """How an operator clears the fence. No hash is in it."""

    def rights(self, admin: str, *, ends_sessions: bool) -> dict[str, str]:
        """The least rights of the admin, each with the statement that gives it. `admin`: quoted."""
        found = {
            "CREATE USER": f"GRANT CREATE USER ON *.* TO {admin};",
            f"SELECT ON {self.table}": f"GRANT SELECT ON {self.table} TO {admin};",
        }
        if ends_sessions:
            found["PROCESS"] = f"GRANT PROCESS ON *.* TO {admin};"
            found[self.kill_right] = f"GRANT {self.kill_right} ON *.* TO {admin};"
        return found

    kill_right: ClassVar[str]
    """The right to end others' sessions."""

    def create(self, account: str) -> str:
        """The statement that makes an account which nobody gets into yet. `account`: quoted."""
        return f"CREATE USER {account} {self.closed(account)};"


def namesakes(session: Session, table: str, user: str, until: float) -> int:
    """(reads) How many accounts have this user name, at whatever host. Raises `Failed`."""
    counted = session.run(f"SELECT COUNT(*) AS n FROM {table} WHERE User = {session.literal(user)} AND Host <> ''", until)  # noqa: S608 - quoted
    return int(counted[0]["n"])


def newest(session: Session, until: float) -> int:
    """(reads) The highest number of an open connection: later ones have higher ones. Needs PROCESS. Raises `Failed`."""
    return int(session.run("SELECT MAX(ID) AS id FROM information_schema.PROCESSLIST", until)[0]["id"])


def sessions(session: Session, user: str, last: int, until: float) -> list[int]:
    """(reads) The open sessions of a user up to this number. Without PROCESS: none are seen. Raises `Failed`."""
    his = f"CAST(USER AS BINARY) = {session.literal(user)}"  # accounts differ by case and accents, which its collation does not see
    which = f"{his} AND ID <= {last} AND ID <> CONNECTION_ID()"
    found = session.run(f"SELECT ID AS id FROM information_schema.PROCESSLIST WHERE {which}", until)  # noqa: S608 - quoted
    return [int(each["id"]) for each in found]


def granted(session: Session, until: float) -> list[tuple[set[str], str]]:
    """(reads) What the admin may, its roles' rights too: rights, and on what. Raises `Failed`."""
    found = []
    for row in session.run("SHOW GRANTS", until):
        words, _, rest = str(next(iter(row.values()))).removeprefix("GRANT ").partition(" ON ")
        if rest:
            found.append(({each.strip() for each in words.upper().split(",")}, rest.partition(" TO ")[0].replace("`", "")))
    return found
