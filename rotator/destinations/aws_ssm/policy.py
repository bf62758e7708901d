"""The least privilege, as statements that can be pasted. What is printed is what the tests prove.

Actions and resources: Service Authorization Reference, "AWS Systems Manager". The ARN of a parameter `/a/b` ends in `parameter/a/b`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rotator.aws.policy import partition
from rotator.destinations.aws_ssm.settings import AwsSsmSettings

GET, PUT = "ssm:GetParameter", "ssm:PutParameter"


class Policy:
    """All statements for one configured destination."""

    def __init__(self, settings: AwsSsmSettings) -> None:
        self._settings = settings

    def arn(self, name: str) -> str:
        """The ARN of a parameter."""
        region = self._settings.region
        return f"arn:{partition(region)}:ssm:{region}:{self._settings.known_account}:parameter{name}"

    def parameters(self, names: Iterable[str], actions: Sequence[str] = (GET, PUT)) -> dict[str, Any]:
        """What is needed to publish in these."""
        return {"Effect": "Allow", "Action": list(actions), "Resource": [self.arn(each) for each in names]}

    def key(self) -> dict[str, Any]:
        """Use of `kms_key`, through Parameter Store alone. `aws/ssm` needs none: its own policy lets the account in."""
        assert self._settings.kms_key is not None
        via = {"StringEquals": {"kms:ViaService": f"ssm.{self._settings.region}.amazonaws.com"}}
        return {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:Encrypt"], "Resource": self._settings.kms_key, "Condition": via}

    def document(self, names: Iterable[str]) -> dict[str, Any]:
        """The whole policy, for these parameters."""
        keys = [self.key()] if self._settings.kms_key else []
        return {"Version": "2012-10-17", "Statement": [self.parameters(names), *keys]}
