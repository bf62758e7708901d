"""How to log in at AWS, and where: what the settings of every type have in common."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from rotator.settings import LocalPath, SecretRef, ServiceUrl, Settings, is_loopback


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


class AccountSettings(Login):
    """One service in one account and region. A subclass says which, and what its `type` is in rotator.yaml."""

    type_name: ClassVar[str]
    service: ClassVar[str]
    """As boto3 names it."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$")]
    account: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = None
    """Where set, a login of another account is refused before anything is read."""
    kms_key: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$")] | None = None
    """The ARN of the key for what is made here; left out: the service's own."""
    endpoint_url: ServiceUrl | None = None
    """Of the service, such as a VPC endpoint's. What environment or config file say about endpoints is ignored."""
    sts_endpoint_url: ServiceUrl | None = None
    ca: LocalPath | None = None
    """A file of certificates to trust in place of boto3's own."""
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    """An HTTP proxy. It sees no secret: https goes through it as a tunnel."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        urls = [each for each in (self.endpoint_url, self.sts_endpoint_url) if each is not None]
        if self.proxy is not None and not all(each.startswith("https:") for each in urls):
            raise ValueError("a proxy would see the secrets of an http:// endpoint; use https://")
        if self.account is not None and self.role is not None and self.role.account != self.account:
            raise ValueError("the role belongs to another account than `account`")
        return self

    @property
    def known_account(self) -> str:
        """The account, for an ARN; `*` where nothing says which it is."""
        return self.account or (self.role.account if self.role else "*")

    def url_of(self, service: str) -> str | None:
        """Where a service answers; None: where AWS has it. A server on this machine answers for all of them."""
        local = self.endpoint_url is not None and is_loopback(urlsplit(self.endpoint_url).hostname or "")
        if service == self.service or (local and self.sts_endpoint_url is None):
            return self.endpoint_url
        return self.sts_endpoint_url if service == "sts" else None
