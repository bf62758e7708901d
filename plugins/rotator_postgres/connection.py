"""Settings of a PostgreSQL connection (the machine owner's) and of a user to rotate (the team's). No driver is needed to read them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from rotator.settings import is_loopback
from rotator.target import SecretRef, Settings


def _name(value: str) -> str:
    if not value or re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("a name is not empty and has no control character")
    if len(value.encode()) > 63:  # noqa: PLR2004 - NAMEDATALEN - 1; the server would cut it off and mean another
        raise ValueError("a name has at most 63 bytes")
    return value


Name = Annotated[str, AfterValidator(_name)]
"""A role or a database, as it is stored: case counts, no quotes around it."""


def _host(value: str) -> str:
    if not re.fullmatch(r"/[^\x00-\x1f\x7f,]*|[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", value):
        raise ValueError("a host is one name, one address, or a socket directory that starts with a slash")
    return value


def _option(value: Mapping[str, str]) -> Mapping[str, str]:
    for key, each in value.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", key) or re.search(r"[\x00-\x1f\x7f]", each):
            raise ValueError("options are server settings by name, with values of one line: {search_path: orders}")
    return value


Options = Annotated[Mapping[str, str], AfterValidator(_option)]
"""Server settings that a session begins with, like `-c name=value` in PGOPTIONS."""


class Tls(Settings):
    """How the server's certificate is checked: always with its name, against `ca`, or against the CAs of this system."""

    ca: str | None = None


def _tls(value: Any) -> Any:
    if value is None:
        raise ValueError("give `{ca: path}`, or `off` towards loopback; leave it out for the CAs of this system")
    return None if value is False or value == "off" else value


class Admin(Settings):
    """The login that changes the others."""

    username: Name
    password: SecretRef


class PostgresConnection(Settings):
    """One PostgreSQL server. `host` that starts with a slash is a socket directory. `tls: off` only towards loopback or a socket."""

    host: Annotated[str, AfterValidator(_host)]
    port: int = Field(default=5432, ge=1, le=65535)
    admin: Admin
    admin_dbname: Name = "postgres"
    tls: Annotated[Tls | None, BeforeValidator(_tls), PlainSerializer(lambda tls: tls or "off")] = Tls()
    options: Options = Field(default_factory=dict)
    """For the admin's sessions."""

    @model_validator(mode="after")
    def _no_plain_text(self) -> PostgresConnection:
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
    def endpoint(self) -> str:
        """`host:port`, the name in lower case and without its last dot, an address in its shortest form."""
        if self.is_socket:
            return f"{self.host.rstrip('/') or '/'}:{self.port}"
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return f"{self.host.lower().rstrip('.')}:{self.port}"
        return f"[{address}]:{self.port}" if address.version == 6 else f"{address}:{self.port}"  # noqa: PLR2004 - IPv6


class PostgresUserSettings(Settings):
    """The user to rotate: `username` (one, in place) or `usernames` (two that take turns), and how its consumers log in.

    `terminate_sessions`: REVOKE also ends the open sessions of the old user; two users only, and the default there.
    """

    dbname: Name
    username: Name | None = None
    usernames: tuple[Name, Name] | None = None
    terminate_sessions: bool | None = None
    options: Options = Field(default_factory=dict)
    """For the login that proves a credential: what consumers set."""

    @model_validator(mode="after")
    def _one_shape(self) -> PostgresUserSettings:
        if (self.username is None) == (self.usernames is None):
            raise ValueError("give either `username` (one, in place) or `usernames` (two that take turns)")
        if self.usernames and self.usernames[0] == self.usernames[1]:
            raise ValueError("`usernames` are two different ones")
        if self.username and self.terminate_sessions:
            raise ValueError("`terminate_sessions` needs `usernames`: the sessions of one user are its consumers'")
        return self

    @property
    def principals(self) -> tuple[str, ...]:
        """One user in place, two alternating."""
        return self.usernames or (self.username or "",)

    @property
    def ends_sessions(self) -> bool:
        """Whether REVOKE ends open sessions."""
        return self.usernames is not None and self.terminate_sessions is not False
