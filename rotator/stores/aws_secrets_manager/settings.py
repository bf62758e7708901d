"""`type: aws_secrets_manager` in rotator.yaml."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from rotator.aws.settings import AccountSettings, Login

_PART = re.compile(r"[A-Za-z0-9._-]+")


def _prefix(value: str) -> str:
    parts = value.strip("/").split("/")
    if not all(_PART.fullmatch(each) and each not in (".", "..") for each in parts):
        raise ValueError("write [A-Za-z0-9._-]+ joined by /, never . or ..")
    return "/".join(parts)


class AwsSecretsManagerSettings(AccountSettings):
    """Secrets Manager of one account and region."""

    type_name: ClassVar[str] = "aws_secrets_manager"
    service: ClassVar[str] = "secretsmanager"

    prefix: Annotated[str, Field(max_length=128), AfterValidator(_prefix)] = "rotator"
    """What is rotator's own begins with it. No store path may."""
    whole: bool = False
    """The visible secret is one field as plain text, no JSON object."""
    replica: bool = False
    """This region holds a replica of a primary that another place writes: nothing is written, it is waited for."""
    consumer: Login | None = None
    """A login with the rights of a consumer: what was published is then read back with it."""
