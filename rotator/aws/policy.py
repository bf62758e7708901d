"""What all policies have in common: names of things at AWS, and statements to paste."""

from __future__ import annotations

import json
from typing import Any

SIMULATE = "iam:SimulatePrincipalPolicy"
"""Lets `check` prove other rights without using them. Optional: without it `check` says `privilege.unproven`."""
_PARTS = 6


def partition(region: str) -> str:
    """The partition that a region belongs to (AWS General Reference, "Amazon Resource Names")."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def grantee(who: str) -> str:
    """The ARN that a simulation wants: of a session its role (without the role's path, which it does not tell)."""
    parts = who.split(":", _PARTS - 1)
    if len(parts) == _PARTS and parts[2] == "sts" and parts[5].startswith("assumed-role/"):
        return f"arn:{parts[1]}:iam::{parts[4]}:role/{parts[5].split('/')[1]}"
    return who


def allow_simulation(who: str) -> str:
    """The statement that lets this login ask what it may do."""
    return as_text({"Effect": "Allow", "Action": SIMULATE, "Resource": grantee(who)})


def as_text(statement: dict[str, Any]) -> str:
    """One line of JSON, to paste."""
    return json.dumps(statement, separators=(", ", ": "))
