"""`type: aws_ssm` in rotator.yaml."""

from __future__ import annotations

from typing import ClassVar

from rotator.aws.settings import AccountSettings
from rotator.destinations.slot import Format


class AwsSsmSettings(AccountSettings):
    """Parameter Store of one account and region."""

    type_name: ClassVar[str] = "aws_ssm"
    service: ClassVar[str] = "ssm"

    format: Format = Format.VALUE
    create: bool = False
    """Whether a parameter that is not there is made. If not it is refused: a path may be mistyped."""
