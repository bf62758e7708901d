"""Settings: the connection (the machine owner's) and the target (a team's)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from rotator.target import SecretRef, ServiceUrl, Settings, Settle, SettleSettings, is_loopback

AT_AWS = (Settle(timedelta(minutes=2), 3, timedelta(seconds=2)), Settle(timedelta(minutes=10), 3, timedelta(seconds=5)))
"""IAM is eventually consistent (IAM User Guide, "Changes that I make are not always immediately visible"): three equal answers in a row."""
AT_LOOPBACK = (Settle(timedelta(seconds=5), 1, timedelta(milliseconds=100)),) * 2
"""A server on this machine answers for itself."""


class AccessKey(Settings):
    """The admin's own key."""

    access_key_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{16,128}$")]
    secret_access_key: SecretRef


class AwsConnection(Settings):
    """An AWS account. Without `credentials` and `profile` boto3's own chain finds the admin (environment, config file, instance role)."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$")]
    account: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = None
    """Where set, an admin of another account is refused, and principals of two accounts are told apart at load."""
    endpoint_url: ServiceUrl | None = None
    """For both IAM and STS; `http://` only towards loopback. What environment or config file say about endpoints is ignored."""
    profile: Annotated[str, Field(min_length=1)] | None = None
    credentials: AccessKey | None = None
    settle: SettleSettings = SettleSettings()

    @model_validator(mode="after")
    def _one_admin(self) -> AwsConnection:
        if self.profile is not None and self.credentials is not None:
            raise ValueError("give either `profile` or `credentials`, not both")
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether the endpoint is this machine."""
        return self.endpoint_url is not None and is_loopback(urlsplit(self.endpoint_url).hostname or "")

    @property
    def settles(self) -> tuple[Settle, Settle]:
        """`appears` and `disappears`."""
        return self.settle.over(*(AT_LOOPBACK if self.on_loopback else AT_AWS))


class IamKeySettings(Settings):
    """The user whose key is rotated. `path` only where the user has one: the printed policy needs it."""

    username: Annotated[str, Field(pattern=r"^[A-Za-z0-9+=,.@_-]{1,64}$")]
    path: Annotated[str, Field(pattern=r"^/([\x21-\x7e]*/)?$", max_length=512)] = "/"
