"""Settings: the connection (the machine owner's: all that the admin's secret can be made to do) and the target (a team's)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from rotator.target import Duration, LocalPath, SecretRef, ServiceUrl, Settings, Settle, SettleSettings
from rotator_http_token.presets import PRESETS
from rotator_http_token.shapes import Auth, Tokens, only
from rotator_http_token.template import CONTROL, folds

APPEARS = Settle(timedelta(seconds=30), 1, timedelta(seconds=1))
DISAPPEARS = Settle(timedelta(minutes=2), 2, timedelta(seconds=2))
"""A server may cache a token's death: one known API lets a deleted token in for a minute."""


def _preset(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        raise ValueError(f"there is no preset of this name, only {', '.join(sorted(PRESETS))}; else write out create, list, verify, revoke")
    return PRESETS[value]


def _proxy(value: str) -> str:
    if origin(value) is None or urlsplit(value).path.strip("/") or urlsplit(value).query:
        raise ValueError("a proxy is http://host:port or https://host:port, without user and password")
    return value


class Tls(Settings):
    """`ca`: a file of certificates to trust in place of the system's own."""

    ca: LocalPath | None = None


class HttpConnection(Settings):
    """A token API over HTTP."""

    base_url: ServiceUrl
    secrets: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], SecretRef] = Field(default_factory=dict)
    auth: Auth | None = None
    """Of every call but `verify`. `value` and `basic` may use `{secrets.x}` alone."""
    tls: Tls = Tls()
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    """An HTTP proxy, never taken from the environment. It sees no secret: `base_url` must be https, which goes through it as a tunnel."""
    tokens: Annotated[Tokens, BeforeValidator(_preset)]
    max_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    """The largest answer that is read."""
    settle: SettleSettings = SettleSettings()

    @field_validator("auth")
    @classmethod
    def _admin_auth(cls, value: Auth | None) -> Auth | None:
        only(value.used if value else [], frozenset({"secrets"}))
        return value

    @model_validator(mode="after")
    def _tunnel(self) -> HttpConnection:
        if self.proxy is not None and not self.base_url.startswith("https://"):
            raise ValueError("a proxy would see the secrets of an http:// service; use https://")
        return self

    @model_validator(mode="after")
    def _secrets(self) -> HttpConnection:
        used = [*(self.auth.used if self.auth else []), *(self.tokens.verify.auth.used if self.tokens.verify.auth else [])]
        used += [name for call in self.tokens.calls.values() for name in call.used]
        wanted = {name.partition(".")[2] for name in used if name.startswith("secrets.")}
        if "secret" in self.secrets:
            raise ValueError("`secret` is the rotated one; give the secrets of the connection other names")
        if missing := wanted - set(self.secrets):
            raise ValueError(f"a call uses {{secrets.{min(missing)}}}, and `secrets` does not hold it")
        if unused := set(self.secrets) - wanted:
            raise ValueError(f"nothing uses the secret {min(unused)}")
        return self

    @property
    def settles(self) -> tuple[Settle, Settle]:
        """`appears` and `disappears`."""
        return self.settle.over(APPEARS, DISAPPEARS)

    @property
    def origin(self) -> str:
        """`scheme://host:port`, normalised."""
        return origin(self.base_url) or ""


def origin(url: str) -> str | None:
    """`scheme://host:port` of a URL (RFC 6454, section 4); None where it has user info or is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.username is not None or parts.password is not None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.rstrip(".")
    return f"{parts.scheme}://{host}:{port}"


def _scalar(value: Any) -> str | int | bool:
    if not isinstance(value, str | int) or value == "":
        raise ValueError("a parameter is a text, a whole number, or true or false")
    if isinstance(value, str) and (CONTROL.search(value) or folds(value)):
        raise ValueError("a parameter holds no control character and no part that is `.` or `..`")
    return value


class HttpTokenSettings(Settings):
    """Whose token is rotated. What `params` there are, and which values they may have, the connection says."""

    principal: Annotated[str, Field(min_length=1, max_length=256)]
    params: dict[str, Any] = Field(default_factory=dict)
    lifetime: Duration | None = None
    """Where the provider can be told how long a token lives (`{expires.date}` and its kin in `create`)."""

    @field_validator("principal")
    @classmethod
    def _principal(cls, value: str) -> str:
        if CONTROL.search(value) or folds(value) or value != value.strip():
            raise ValueError("a principal holds no control character, no blank at its ends, and no part that is `.` or `..`")
        return value

    @field_validator("params")
    @classmethod
    def _params(cls, value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _scalar(each) for name, each in value.items()}
