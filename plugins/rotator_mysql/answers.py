"""What a number of the server's means. Tried on MariaDB 10.11 (those of MySQL alone: from its manual).

https://mariadb.com/kb/en/mariadb-error-code-reference/, https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
"""

from __future__ import annotations

from rotator.target import Denied, PortError, Refused, Rejected, Unfit, Unreachable
from rotator_mysql.account import identifier
from rotator_mysql.session import Login, NoLogin

WRONG, NO_PASSWORD_ASKED, LOCKED, LOCKED_MYSQL = 1045, 1698, 4151, 3118
NO_RIGHT_ON_DATABASE, NO_DATABASE = 1044, 1049
EXPIRED = (1820, 1862)
NOT_ADMITTED = (WRONG, NO_PASSWORD_ASKED, LOCKED, LOCKED_MYSQL, *EXPIRED)
"""An admin with one of these is refused."""
NO_RIGHT = (NO_RIGHT_ON_DATABASE, 1142, 1143, 1227)
READ_ONLY = (1290, 1792, 1836)
NOT_TAKEN = {
    1396: "the account is gone, or the server refuses a hash (strict_password_validation with a plugin that validates passwords)",
    1524: "the server has not loaded that plugin",
    1064: "the server does not know such statements",
    1819: "its password policy says no",
    3878: "an empty password cannot be kept beside a new one",
    3894: "the account is proven by another plugin",
    3895: "the present password cannot be kept",
}
"""Nothing happened."""
IN_THE_WAY = {
    1040: "the server has no free connection",
    1129: "the server has blocked this machine after too many broken connections (max_connect_errors); FLUSH HOSTS ends that",
    1130: "no account of the server admits this machine",
    1203: "the account has no free connection (max_user_connections)",
    1226: "the account has used up one of its limits",
    3159: "the server wants TLS (require_secure_transport)",
    3955: "the account is blocked for a time after too many wrong passwords",
    4150: "the account is blocked after too many wrong passwords (max_password_errors)",
}
"""Neither yes nor no."""


def of_login(no: NoLogin, login: Login, account: str) -> PortError:
    """What a failed login says of the credential. `account`: quoted."""
    code = str(no.code) if no.code else None
    if no.code in (WRONG, NO_PASSWORD_ASKED):
        return Rejected("the server refused user and password", "Wrong password, or no account for this user and machine", code)
    if no.code == LOCKED:  # MariaDB looks at the password first: a wrong one is WRONG
        return Unfit("the password is right, but the account is locked", f"ALTER USER {account} ACCOUNT UNLOCK;", code)
    if no.code == LOCKED_MYSQL:
        return Rejected("the account is locked", code=code)
    if no.code in EXPIRED:
        return Unfit("the password is right, but it has expired", _renewed(account), code)
    if no.code in (NO_RIGHT_ON_DATABASE, NO_DATABASE) and login.dbname:
        fix = f"GRANT the rights that {login.user} needs on {identifier(login.dbname)}.*"
        return Unfit(f"the password is right, but {login.user} may not use database {login.dbname}, or there is none", fix, code)
    return unreachable(no)


def _renewed(account: str) -> str:
    return f"Where its age is why: ALTER USER {account} PASSWORD EXPIRE NEVER; where somebody has expired it by hand, set a new password"


def unreachable(no: NoLogin) -> Unreachable:
    """Neither yes nor no."""
    return Unreachable(f"no login: {IN_THE_WAY.get(no.code or 0, no.text)}", code=str(no.code) if no.code else None)


def of_admin(no: NoLogin, admin: str, login: Login) -> PortError:
    """A refused admin is `Denied`: nothing happened, and trying again will not help."""
    if no.code in NOT_ADMITTED:
        return Denied(
            f"the admin {admin} was refused: {of_login(no, login, identifier(admin)).what}",
            "Correct `admin` of the connection",
            str(no.code),
        )
    return unreachable(no)


def of_statement(code: int | None, what: str, admin: str, rights: str) -> PortError:
    """What a failed statement of the admin's means. `rights`: the statements that give all that it needs."""
    number = str(code) if code else None
    if code in EXPIRED:
        return Denied(f"the password of {admin} has expired", "Set a new one", number)
    if code in NO_RIGHT:
        return Denied(f"{admin} lacks a right for {what}", rights, number)
    if code in READ_ONLY:
        return Unreachable(f"{what}: the server is read-only, or being switched over", "Name the primary as `host`", number)
    if code in NOT_TAKEN:
        return Refused(f"{what}: {NOT_TAKEN[code]}", code=number)
    return Unreachable(f"{what}: the server answered {number or 'nothing'}", code=number)
