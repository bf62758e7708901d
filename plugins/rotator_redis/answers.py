"""What an error of the server's means: by its first word, and for ERR by a few of its words. Tried on Redis 7.0.

https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
"""

from __future__ import annotations

from rotator.target import Denied, PortError, Refused, Rejected, Unreachable
from rotator_redis.session import FULL, PROTECTED, Failed
from rotator_redis.user import quoted

WRONG = "WRONGPASS"
IN_THE_WAY = {
    FULL: "the server has no free connection (maxclients)",
    PROTECTED: "the server is in protected mode, and admits its own machine alone",
    "LOADING": "the server is loading its data",
    "BUSY": "a script keeps the server busy",
    "MASTERDOWN": "the server is a replica that has lost its primary",
    "READONLY": "the server is a replica, and read-only",
    "MISCONF": "the server cannot write its data to disk, and refuses writes",
    "OOM": "the server has no memory left",
    "CLUSTERDOWN": "the server's cluster is down",
}
"""Neither yes nor no."""
NO_USERS = "the server knows no users: it is older than Redis 6"


def of_login(no: Failed) -> PortError:
    """What a failed login says of the credential."""
    if no.code == WRONG:
        return Rejected("the server refused user and password", "Wrong password, no such user, or the user is switched off", no.code)
    return unreachable("no login", no)


def unreachable(what: str, no: Failed) -> Unreachable:
    """Neither yes nor no."""
    text = NO_USERS if no.hint == "arguments" else IN_THE_WAY.get(no.code or "", no.text)
    return Unreachable(f"{what}: {text}", code=no.code)


def of_admin(no: Failed, admin: str) -> PortError:
    """A refused admin is `Denied`: nothing happened, and trying again will not help."""
    if no.code == WRONG:
        return Denied(f"the admin {admin} was refused: wrong password, no such user, or switched off", "Correct `admin`", no.code)
    if no.hint == "arguments":
        return Refused(NO_USERS, "Use Redis 6 or later", no.code)
    return unreachable("no login of the admin", no)


def of_command(no: Failed, what: str, admin: str, rights: list[str]) -> PortError:
    """What a refused command of the admin's means. `rights`: all that it needs."""
    if no.code == "NOPERM":
        return Denied(f"{admin} lacks a right for {what}", grant(admin, rights), no.code)
    if no.code == "NOAUTH":
        return Denied(f"{what}: the server no longer knows the admin's login", "Correct `admin`", no.code)
    if no.hint == "no acl file":
        return Refused(f"{what}: the server keeps no ACL file, so a restart would bring old passwords back", NO_FILE, no.code)
    if no.hint == "no config file":
        return Refused(f"{what}: the server runs without a configuration file", NO_FILE, no.code)
    if no.hint == "not saved":
        return Unreachable(f"{what}: the server cannot write its file of users; its log says why", code=no.code)
    if no.hint == "unknown":
        return Refused(f"{what}: the server does not know such a command, or its name was changed", "Use Redis 6 or later", no.code)
    return unreachable(what, no)


NO_FILE = "Start the server with `aclfile`; or say `persist: config_file`, or `persist: none` where something else keeps its users"


def grant(admin: str, rights: list[str]) -> str:
    """The command that gives them."""
    return f"ACL SETUSER {quoted(admin)} {' '.join(f'+{each}' for each in rights)}"
