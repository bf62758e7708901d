"""The least privilege, as statements that can be pasted. What is printed is what the tests prove.

Actions, resources and condition keys: Service Authorization Reference, "AWS Secrets Manager". The ARN of a secret ends in a hyphen and six
random characters; one that does not exist yet has no such end, so both are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rotator.aws.policy import partition
from rotator.stores.aws_secrets_manager.settings import AwsSecretsManagerSettings

READ, DESCRIBE, CREATE = "GetSecretValue", "DescribeSecret", "CreateSecret"
PUT, MOVE, VERSIONS, LIST = "PutSecretValue", "UpdateSecretVersionStage", "ListSecretVersionIds", "ListSecrets"
OWN = (CREATE, DESCRIBE, READ, VERSIONS, PUT, MOVE)
"""On records, and on what we know of places."""
PLACE = (CREATE, DESCRIBE, READ, PUT, MOVE)
"""On each secret that consumers see. CreateSecret only where it is to be made."""
SUFFIX = "-??????"


class Policy:
    """All statements for one configured store."""

    def __init__(self, settings: AwsSecretsManagerSettings) -> None:
        self._settings = settings

    def arn(self, name: str) -> str:
        """The ARN of a secret, less its random end."""
        region = self._settings.region
        return f"arn:{partition(region)}:secretsmanager:{region}:{self._settings.known_account}:secret:{name}"

    def own(self, actions: Sequence[str] = OWN) -> dict[str, Any]:
        """Records and notes of places."""
        return _statement(actions, self.arn(f"{self._settings.prefix}/*"))

    def place(self, path: str, actions: Sequence[str] = PLACE) -> dict[str, Any]:
        """What consumers of a path see."""
        return _statement(actions, [self.arn(path), self.arn(path) + SUFFIX])

    def listing(self) -> dict[str, Any]:
        """The names of all secrets of the region: AWS knows no narrower right."""
        return {**_statement([LIST], "*"), "Condition": {"StringEquals": {"aws:RequestedRegion": self._settings.region}}}

    def key(self) -> dict[str, Any]:
        """Use of `kms_key`, through Secrets Manager alone."""
        assert self._settings.kms_key is not None
        via = {"StringEquals": {"kms:ViaService": f"secretsmanager.{self._settings.region}.amazonaws.com"}}
        statement = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": self._settings.kms_key}
        return {**statement, "Condition": via}

    def consumer(self, path: str) -> dict[str, Any]:
        """All that a consumer needs."""
        only = {"ForAnyValue:StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}
        return {**_statement([READ], self.arn(path) + SUFFIX), "Condition": only}

    def statements(self, places: Iterable[str]) -> list[dict[str, Any]]:
        """The whole policy's statements, for these places."""
        kms = [self.key()] if self._settings.kms_key else []
        return [self.own(), self.listing(), *(self.place(each) for each in places), *kms]


def document(statements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _statement(actions: Sequence[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [f"secretsmanager:{each}" for each in actions], "Resource": resource}
