"""`type: vault` in rotator.yaml."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from rotator.settings import LocalPath, SecretRef, ServiceUrl, Settings

KUBERNETES_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
_PART = re.compile(r"[A-Za-z0-9._-]+")


def _path(value: str) -> str:
    parts = value.strip("/").split("/")
    if not all(_PART.fullmatch(each) and each not in (".", "..") for each in parts):
        raise ValueError("write [A-Za-z0-9._-]+ joined by /, never . or ..")
    return "/".join(parts)


VaultPath = Annotated[str, Field(max_length=256), AfterValidator(_path)]
"""A mount, a namespace or a prefix; slashes at its ends do not count."""
Word = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")]


class AppRole(Settings):
    """`secret_id` is used at each login, so its `secret_id_num_uses` must be 0."""

    role_id: Word
    secret_id: SecretRef
    mount: VaultPath = "approle"


class Kubernetes(Settings):
    """`token`: the file of the pod's service account token."""

    role: Word
    token: LocalPath = KUBERNETES_TOKEN
    mount: VaultPath = "kubernetes"


class Jwt(Settings):
    """`jwt`: a token that somebody else signed, such as a CI job's OIDC token."""

    jwt: SecretRef
    role: Word | None = None
    mount: VaultPath = "jwt"


class Auth(Settings):
    """How to log in: exactly one of these."""

    token: SecretRef | None = None
    approle: AppRole | None = None
    kubernetes: Kubernetes | None = None
    jwt: Jwt | None = None

    @model_validator(mode="after")
    def _one(self) -> Auth:
        if len([each for each in (self.token, self.approle, self.kubernetes, self.jwt) if each is not None]) != 1:
            raise ValueError("give exactly one of token, approle, kubernetes, jwt")
        return self


class Tls(Settings):
    """`ca`: a file of certificates to trust in place of the system's own. `cert`, `key`: ours, where the server asks for one."""

    ca: LocalPath | None = None
    cert: LocalPath | None = None
    key: LocalPath | None = None

    @model_validator(mode="after")
    def _pair(self) -> Tls:
        if (self.cert is None) != (self.key is None):
            raise ValueError("`cert` and `key` go together")
        return self


def _proxy(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.path.strip("/") or parts.query:
        raise ValueError("a proxy is http://host:port or https://host:port, without user and password")
    return value


class VaultSettings(Settings):
    """A KV version 2 mount of a Vault or OpenBao."""

    address: ServiceUrl
    mount: VaultPath = "secret"
    prefix: VaultPath = "rotator"
    """What is rotator's own in the mount. No store path may begin with it."""
    namespace: VaultPath | None = None
    auth: Auth
    consumer: Auth | None = None
    """A login with the rights of a consumer: what was published is then read back with it."""
    tls: Tls = Tls()
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    """An HTTP proxy. It sees no secret: `address` must be https, which goes through it as a tunnel."""

    @model_validator(mode="after")
    def _tunnel(self) -> VaultSettings:
        if self.proxy is not None and not self.address.startswith("https://"):
            raise ValueError("a proxy would see the secrets of an http:// address; use https://")
        return self

    def where(self, path: str) -> str:
        """A document for messages: `secret/orders/db`, with its namespace."""
        return f"{self.namespace}/{self.mount}/{path}" if self.namespace else f"{self.mount}/{path}"
