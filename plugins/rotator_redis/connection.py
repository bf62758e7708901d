"""Settings of a Redis connection (the machine owner's) and of a user to rotate (the team's). They need no driver."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from rotator.settings import is_loopback
from rotator.target import SecretRef, Settings


def _name(value: str) -> str:
    if not value or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError("the name of a Redis user is not empty, and has no blank and no control character")
    if len(value) > 256:  # noqa: PLR2004 - Redis knows no limit; nobody means a longer one
        raise ValueError("a name has at most 256 characters")
    return value


Name = Annotated[str, AfterValidator(_name)]
"""A user of the ACL. Case counts."""


def _host(value: str) -> str:
    if not re.fullmatch(r"/[^\x00-\x1f\x7f]*|[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", value):
        raise ValueError("a host is one name, one address, or a socket that starts with a slash")
    return value


class Tls(Settings):
    """How the server's certificate is checked: always with its name, against `ca`, or against the CAs of this system."""

    ca: str | None = None


def _tls(value: Any) -> Any:
    if value is None:
        raise ValueError("give `{ca: path}`, or `off` towards loopback; leave it out for the CAs of this system")
    return None if value is False or value == "off" else value


class Admin(Settings):
    """The user that changes the others."""

    username: Name
    password: SecretRef


Persist = Literal["acl_file", "config_file", "none"]
"""What keeps users over a restart of the server: its ACL file (ACL SAVE), its configuration file (CONFIG REWRITE), or nothing of ours."""


class RedisConnection(Settings):
    """One Redis server. `host` that starts with a slash is a socket. `tls: off` only towards loopback or a socket."""

    host: Annotated[str, AfterValidator(_host)]
    port: int = Field(default=6379, ge=1, le=65535)
    admin: Admin
    tls: Annotated[Tls | None, BeforeValidator(_tls), PlainSerializer(lambda tls: tls or "off")] = Tls()
    persist: Persist = "acl_file"

    @model_validator(mode="after")
    def _no_plain_text(self) -> RedisConnection:
        if self.tls is None and not self.is_socket and not is_loopback(self.host):
            raise ValueError("`tls: off` only towards loopback or a socket; else `tls: {ca: path}`, or leave it out")
        if self.is_socket and self.tls is not None and self.tls.ca is not None:
            raise ValueError("nothing reads `tls` of a socket; leave it out")
        return self

    @property
    def is_socket(self) -> bool:
        """Whether it is a Unix socket: it needs no TLS."""
        return self.host.startswith("/")

    @property
    def encrypted(self) -> bool:
        """Whether logins go through TLS."""
        return self.tls is not None and not self.is_socket

    @property
    def endpoint(self) -> str:
        """`host:port`, the name in lower case and without its last dot, an address in its shortest form; or the socket."""
        if self.is_socket:
            return self.host
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return f"{self.host.lower().rstrip('.')}:{self.port}"
        return f"[{address}]:{self.port}" if address.version == 6 else f"{address}:{self.port}"  # noqa: PLR2004 - IPv6


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
