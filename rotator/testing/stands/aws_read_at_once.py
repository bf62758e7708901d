"""AWS Secrets Manager whose consumers cache nothing: a drop-in of `stores.py`, for graces of a second."""

from __future__ import annotations

from rotator.stores.aws_secrets_manager import AwsSecretsManager


class AwsReadAtOnce(AwsSecretsManager):
    """The store as it is, without the hour that consumers' caches may take."""

    staleness = 0.0
