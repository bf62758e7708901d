"""Settings of a PostgreSQL connection (the machine owner's) and of a user to rotate (the team's). No driver is needed to read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from rotator.target import SecretRef, ServerSettings, Settings


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


class Admin(Settings):
    """The login that changes the others."""

    username: Name
    password: SecretRef


class PostgresConnection(ServerSettings):
    """One PostgreSQL server. `host` that starts with a slash is a socket directory. `tls: off` only towards loopback or a socket."""

    host: Annotated[str, AfterValidator(_host)]
    port: int = Field(default=5432, ge=1, le=65535)
    admin: Admin
    admin_dbname: Name = "postgres"
    options: Options = Field(default_factory=dict)
    """For the admin's sessions."""

    @property
    def endpoint(self) -> str:
        """As of every server; a socket's directory has its port too."""
        return f"{self.host.rstrip('/') or '/'}:{self.port}" if self.is_socket else super().endpoint


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
