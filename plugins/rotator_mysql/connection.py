"""Settings of a MariaDB or MySQL connection (the machine owner's) and of an account to rotate (the team's). They need no driver."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rotator.target import SecretRef, ServerSettings, Settings

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
Plugin = Literal["mysql_native_password", "ed25519", "caching_sha2_password"]
"""How an account proves its password."""


def _name(value: str) -> str:
    if not value or _CONTROL.search(value):
        raise ValueError("a name is not empty and has no control character")
    if len(value) > 80:  # noqa: PLR2004 - MariaDB's longest user name; MySQL's has 32
        raise ValueError("a name has at most 80 characters")
    return value


Name = Annotated[str, AfterValidator(_name)]
"""A user or a database, as it is stored: no quotes around it."""


def _account_host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:%/-]{1,255}", value):
        raise ValueError("the host part of an account is a name, an address or a pattern: %, 10.1.%, db1.internal, 10.0.0.0/255.0.0.0")
    return value.lower()


class Admin(Settings):
    """The login that changes the others."""

    username: Name
    password: SecretRef


class MysqlConnection(ServerSettings):
    """One MariaDB or MySQL server. `host` that starts with a slash is a socket. `tls: off` only towards loopback or a socket."""

    port: int = Field(default=3306, ge=1, le=65535)
    admin: Admin


class MysqlUserSettings(Settings):
    """The account to rotate, 'username'@'host', and how its consumers log in.

    `max_live`: 2 passwords side by side through the grace, or 1 in place. `plugin`: how new passwords are proven; left out: as the
    account's present one is. `terminate_sessions`: REVOKE also ends the account's open sessions, those of consumers that have the new
    password too. `fence`: the highest run is kept at the account.
    """

    username: Name
    host: Annotated[str, AfterValidator(_account_host)] = "%"
    max_live: int = Field(default=2, ge=1, le=2)
    dbname: Name | None = None
    plugin: Plugin | None = None
    terminate_sessions: bool = False
    fence: bool = True

    @model_validator(mode="after")
    def _sessions(self) -> MysqlUserSettings:
        if self.max_live == 1 and self.terminate_sessions:
            raise ValueError("`terminate_sessions` needs `max_live: 2`: in place there is no REVOKE")
        return self
