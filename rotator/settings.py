"""Shapes of what stands in YAML: the base of every settings model, and references to secrets (never the secrets themselves)."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    ValidationInfo,
    model_validator,
)

from rotator.model import Settle


class Settings(BaseModel):
    """The base of a connection's, target's, store's or destination's settings: strict, frozen, and silent about values in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=False)


class EnvRef(Settings):
    """The secret stands in an environment variable."""

    env: str


class FileRef(Settings):
    """The secret is the content of a file, one newline at its end left out."""

    file: str


class StoreRef(Settings):
    """The secret is a field of what a store shows consumers at a path."""

    store: str
    path: str
    field: str


def _kind(value: Any) -> str | None:
    """Which reference this is meant to be, by its key: so that an error names one shape, not three."""
    for kind in ("env", "file", "store"):
        if isinstance(value, Mapping) and kind in value:
            return kind
    kinds: dict[type, str] = {EnvRef: "env", FileRef: "file", StoreRef: "store"}
    return kinds.get(type(value))


SecretRef = Annotated[
    Annotated[EnvRef, Tag("env")] | Annotated[FileRef, Tag("file")] | Annotated[StoreRef, Tag("store")],
    Discriminator(
        _kind,
        custom_error_type="secret_reference",
        custom_error_message="a secret is a reference: {env: NAME}, {file: path} or {store: name, path: p, field: f}",
    ),
]
"""Where a secret is to be found. The field never holds a value."""


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a number and a unit: 30d, 12h, 15m or 45s")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


Duration = Annotated[timedelta, BeforeValidator(_duration)]
"""A span of time as it is written in YAML: `30d`, `12h`, `15m`, `45s`."""


class SettleSettings(Settings):
    """How late a system's truth may be, as YAML: what is left out stays as the plugin knows it."""

    appears: Duration | None = None
    disappears: Duration | None = None
    streak: Annotated[int, Field(ge=1, le=20)] | None = None
    every: Duration | None = None

    def over(self, appears: Settle, disappears: Settle) -> tuple[Settle, Settle]:
        """The plugin's own two, with what is written here in their place."""
        return self._one(appears, self.appears), self._one(disappears, self.disappears)

    def _one(self, given: Settle, within: timedelta | None) -> Settle:
        return Settle(within or given.within, self.streak or given.streak, self.every or given.every)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine: `localhost`, 127.0.0.0/8, `::1`. Pure: nothing is resolved."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _service_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("give a URL with its host: https://...")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL holds no user and no password here; give them as references")
    if parts.query or parts.fragment or re.search(r"[\x00-\x20\x7f]", value):
        raise ValueError("a URL holds no query, no fragment and no blank here")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("http:// sends secrets in clear; only towards loopback, else https://")
    _ = parts.port
    return value


ServiceUrl = Annotated[str, AfterValidator(_service_url)]
"""Where a service answers: https, or http towards loopback only; without user info, query or fragment."""


class ServerTls(Settings):
    """How a server's certificate is checked: always with its name, against `ca`, or against the CAs of this system."""

    ca: str | None = None


def _tls(value: Any) -> Any:
    if value is None:
        raise ValueError("give `{ca: path}`, or `off` towards loopback; leave it out for the CAs of this system")
    return None if value is False or value == "off" else value


def _host(value: str) -> str:
    if not re.fullmatch(r"/[^\x00-\x1f\x7f]*|[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", value):
        raise ValueError("a host is one name, one address, or a socket that starts with a slash")
    return value


class ServerSettings(Settings):
    """A server with a protocol of its own. `host` that starts with a slash is a socket; a subclass gives `port` its default.

    `tls: off` only towards loopback or a socket: a login never goes over a network in clear.
    """

    host: Annotated[str, AfterValidator(_host)]
    port: int = Field(ge=1, le=65535)
    tls: Annotated[ServerTls | None, BeforeValidator(_tls), PlainSerializer(lambda tls: tls or "off")] = ServerTls()

    @model_validator(mode="after")
    def _no_plain_text(self) -> Self:
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


def _under_root(value: str, info: ValidationInfo) -> str:
    if not value or "\0" in value:
        raise ValueError("give the path of a file or directory")
    root = info.context.get("root") if isinstance(info.context, Mapping) else None
    return os.path.join(root, value) if root else value  # noqa: PTH118 - plain text, as YAML has it


LocalPath = Annotated[str, AfterValidator(_under_root)]
"""A path on this machine. Relative: to the directory of rotator.yaml, which the loader hands in as validation context `{"root": ...}`."""
