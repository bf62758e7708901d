"""`type: aws_secrets_manager` in rotator.yaml."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from rotator.settings import LocalPath, SecretRef, ServiceUrl, Settings, is_loopback

_PART = re.compile(r"[A-Za-z0-9._-]+")


def _prefix(value: str) -> str:
    parts = value.strip("/").split("/")
    if not all(_PART.fullmatch(each) and each not in (".", "..") for each in parts):
        raise ValueError("write [A-Za-z0-9._-]+ joined by /, never . or ..")
    return "/".join(parts)


def _proxy(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.path.strip("/") or parts.query:
        raise ValueError("a proxy is http://host:port or https://host:port, without user and password")
    return value


class AccessKey(Settings):
    """A key of its own. `session_token` only with one that STS made."""

    access_key_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{16,128}$")]
    secret_access_key: SecretRef
    session_token: SecretRef | None = None


class Role(Settings):
    """A role to assume. `token`: an OIDC token, such as a CI job's; the role is then assumed with it alone, and no key is needed."""

    arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\x21-\x7e]+$", max_length=2048)]
    external_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9+=,.@:/_-]{2,1224}$")] | None = None
    token: SecretRef | None = None

    @model_validator(mode="after")
    def _one(self) -> Role:
        if self.token is not None and self.external_id is not None:
            raise ValueError("an external id is not asked for where the role is assumed with a token")
        return self

    @property
    def account(self) -> str:
        """The account that the role belongs to."""
        return self.arn.split(":")[4]


class Login(Settings):
    """How to log in. Without `profile`, `credentials` and a role's token boto3's own chain finds the credential."""

    profile: Annotated[str, Field(min_length=1)] | None = None
    credentials: AccessKey | None = None
    role: Role | None = None

    @model_validator(mode="after")
    def _one_login(self) -> Login:
        given = [self.profile is not None, self.credentials is not None, self.role is not None and self.role.token is not None]
        if sum(given) > 1:
            raise ValueError("give at most one of `profile`, `credentials` and a role's `token`")
        return self


class AwsSecretsManagerSettings(Login):
    """Secrets Manager of one account and region."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$")]
    account: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = None
    """Where set, a login of another account is refused before anything is read."""
    prefix: Annotated[str, Field(max_length=128), AfterValidator(_prefix)] = "rotator"
    """What is rotator's own begins with it. No store path may."""
    kms_key: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$")] | None = None
    """The ARN of the key for secrets that are made here; left out: `aws/secretsmanager`."""
    whole: bool = False
    """The visible secret is one field as plain text, no JSON object."""
    replica: bool = False
    """This region holds a replica of a primary that another place writes: nothing is written, it is waited for."""
    consumer: Login | None = None
    """A login with the rights of a consumer: what was published is then read back with it."""
    endpoint_url: ServiceUrl | None = None
    """Of Secrets Manager, such as a VPC endpoint's. What environment or config file say about endpoints is ignored."""
    sts_endpoint_url: ServiceUrl | None = None
    ca: LocalPath | None = None
    """A file of certificates to trust in place of boto3's own."""
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    """An HTTP proxy. It sees no secret: https goes through it as a tunnel."""

    @model_validator(mode="after")
    def _consistent(self) -> AwsSecretsManagerSettings:
        if self.proxy is not None and not all(
            (each or "https:").startswith("https:") for each in (self.endpoint_url, self.sts_endpoint_url)
        ):
            raise ValueError("a proxy would see the secrets of an http:// endpoint; use https://")
        if self.account is not None and self.role is not None and self.role.account != self.account:
            raise ValueError("the role belongs to another account than `account`")
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether the endpoint is this machine."""
        return self.endpoint_url is not None and is_loopback(urlsplit(self.endpoint_url).hostname or "")

    def url_of(self, service: str) -> str | None:
        """Where a service answers; None: where AWS has it. A server on this machine answers for all of them."""
        if service == "secretsmanager" or (self.on_loopback and self.sts_endpoint_url is None):
            return self.endpoint_url
        return self.sts_endpoint_url if service == "sts" else None
