"""Rotates the access key of an IAM user.

A spec names the user; the machine's owner gives the connection::

    # rotator.yaml
    connections:
      aws-main:
        type: aws
        region: eu-west-1
        account: "123456789012"       # recommended: the run stops if the admin belongs to another account

    # schedules/*.yaml
    target: {type: aws_iam_key, connection: aws-main, username: orders-uploader}

AWS makes the secret, and a user has at most two keys: while the old key waits out its grace there is no room for a third. AWS keeps
no label on a key, so a key whose secret was lost in a crash is recognised by the core's rules, not for certain. The old key is first
set Inactive (which can be undone), then deleted.

Least privilege: the statement that `rotator_aws_iam_key.policy.policy(account, user)` returns, which the README prints. Nothing else
is called but `sts:GetCallerIdentity`, which needs no permission.
"""

from rotator_aws_iam_key.connection import AwsConnection, IamKeySettings
from rotator_aws_iam_key.iam_key import IamKey

__all__ = ["AwsConnection", "IamKey", "IamKeySettings"]
