"""`type: aws_ssm` in rotator.yaml."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from rotator.destinations.slot import Format
from rotator.settings import LocalPath, ServiceUrl, is_loopback
from rotator.stores.aws_secrets_manager.settings import Login


def _proxy(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.path.strip("/") or parts.query:
        raise ValueError("a proxy is http://host:port or https://host:port, without user and password")
    return value


class AwsSsmSettings(Login):
    """Parameter Store of one account and region."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$")]
    account: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = None
    """Where set, a login of another account is refused before anything is read."""
    kms_key: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$")] | None = None
    """The ARN of the key for each value that is written; left out: `aws/ssm`."""
    format: Format = Format.VALUE
    create: bool = False
    """Whether a parameter that is not there is made. If not it is refused: a path may be mistyped."""
    endpoint_url: ServiceUrl | None = None
    sts_endpoint_url: ServiceUrl | None = None
    ca: LocalPath | None = None
    """A file of certificates to trust in place of boto3's own."""
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    """An HTTP proxy. It sees no secret: https goes through it as a tunnel."""

    @model_validator(mode="after")
    def _consistent(self) -> AwsSsmSettings:
        urls = [each for each in (self.endpoint_url, self.sts_endpoint_url) if each is not None]
        if self.proxy is not None and not all(each.startswith("https:") for each in urls):
            raise ValueError("a proxy would see the secrets of an http:// endpoint; use https://")
        if self.account is not None and self.role is not None and self.role.account != self.account:
            raise ValueError("the role belongs to another account than `account`")
        return self

    def url_of(self, service: str) -> str | None:
        """Where a service answers; None: where AWS has it. A server on this machine answers for all of them."""
        local = self.endpoint_url is not None and is_loopback(urlsplit(self.endpoint_url).hostname or "")
        if service == "ssm" or (local and self.sts_endpoint_url is None):
            return self.endpoint_url
        return self.sts_endpoint_url if service == "sts" else None
