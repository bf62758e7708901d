"""The least privilege of the admin, as a policy document that can be pasted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ACTIONS = (
    "iam:CreateAccessKey",
    "iam:DeleteAccessKey",
    "iam:GetAccessKeyLastUsed",
    "iam:ListAccessKeys",
    "iam:UpdateAccessKey",
)
"""All that the plugin does to the user. `sts:GetCallerIdentity` needs no permission (STS API Reference)."""
SIMULATE = "iam:SimulatePrincipalPolicy"
"""Lets CHECK prove the five without using them. Optional: without it CHECK says `privilege.unproven`."""


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN (`arn:partition:service:region:account:resource`)."""

    partition: str
    service: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn | None:
        """None where it is no ARN."""
        match text.split(":", 5):
            case ["arn", partition, service, _, account, resource]:
                return cls(partition, service, account, resource)
        return None

    @property
    def user(self) -> str | None:
        """The name of the IAM user, without its path; None for a role, a session or the root."""
        return self.resource.rpartition("/")[2] if self.resource.startswith("user/") else None

    @property
    def grantee(self) -> str:
        """The ARN that a policy and a simulation want: of a session its role (without the role's path, which it does not tell)."""
        if self.service == "sts" and self.resource.startswith("assumed-role/"):
            return f"arn:{self.partition}:iam::{self.account}:role/{self.resource.split('/')[1]}"
        return f"arn:{self.partition}:{self.service}::{self.account}:{self.resource}"


def user_arn(account: str, user: str, path: str = "/", partition: str = "aws") -> str:
    """The ARN of an IAM user."""
    return f"arn:{partition}:iam::{account}:user{path}{user}"


def statement(actions: Sequence[str], resource: str) -> dict[str, Any]:
    """One statement that allows these actions on this ARN."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def policy(account: str, user: str, admin_arn: str | None = None, *, path: str = "/", partition: str = "aws") -> dict[str, Any]:
    """The whole policy of an admin that rotates `user`; with `admin_arn` it may also ask what itself is allowed. Pure."""
    statements = [statement(ACTIONS, user_arn(account, user, path, partition))]
    if admin_arn is not None:
        statements.append(statement([SIMULATE], admin_arn))
    return {"Version": "2012-10-17", "Statement": statements}


def as_text(part: dict[str, Any]) -> str:
    """One line of JSON, to paste."""
    return json.dumps(part, separators=(", ", ": "))
