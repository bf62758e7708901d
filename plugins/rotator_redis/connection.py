"""Settings of a Redis connection (the machine owner's) and of a user to rotate (the team's). They need no driver."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rotator.target import SecretRef, ServerSettings, Settings


def _name(value: str) -> str:
    if not value or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError("the name of a Redis user is not empty, and has no blank and no control character")
    if len(value) > 256:  # noqa: PLR2004 - Redis knows no limit; nobody means a longer one
        raise ValueError("a name has at most 256 characters")
    return value


Name = Annotated[str, AfterValidator(_name)]
"""A user of the ACL. Case counts."""


class Admin(Settings):
    """The user that changes the others."""

    username: Name
    password: SecretRef


Persist = Literal["acl_file", "config_file", "none"]
"""What keeps users over a restart of the server: its ACL file (ACL SAVE), its configuration file (CONFIG REWRITE), or nothing of ours."""


class RedisConnection(ServerSettings):
    """One Redis server. `host` that starts with a slash is a socket. `tls: off` only towards loopback or a socket."""

    port: int = Field(default=6379, ge=1, le=65535)
    admin: Admin
    persist: Persist = "acl_file"


class RedisUserSettings(Settings):
    """The user of the ACL to rotate.

    `max_live`: 2 passwords side by side through the grace, or 1 in place. `terminate_sessions`: REVOKE also ends the user's open
    connections, those of consumers that have the new password too. `fence`: the highest run is kept at the user.
    """

    username: Name
    max_live: int = Field(default=2, ge=1, le=2)
    terminate_sessions: bool = False
    fence: bool = True

    @model_validator(mode="after")
    def _sessions(self) -> RedisUserSettings:
        if self.max_live == 1 and self.terminate_sessions:
            raise ValueError("`terminate_sessions` needs `max_live: 2`: in place there is no REVOKE")
        return self
