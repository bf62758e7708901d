"""Rights: a Role that can be pasted, and what a login may do. What is printed is what the tests prove.

A verb on one named object can be granted by `resourceNames`, but for `create`: there is no name yet when it is asked for (Kubernetes
documentation, "Using RBAC Authorization"). JSON is YAML too, and stands on one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GET, PATCH, CREATE = "get", "patch", "create"


def role(namespace: str, rules: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A Role of these rules; and `get` of the namespace, which tells an object that is missing from a mistyped namespace."""
    about = {"namespace": namespace, "name": "rotator"}
    every = [*rules, rule("", "namespaces", [GET], [namespace])]
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": about, "rules": every}


def rule(group: str, resource: str, verbs: list[str], names: list[str]) -> dict[str, Any]:
    """One rule, on these objects alone; without names on any."""
    return {"apiGroups": [group], "resources": [resource], **({"resourceNames": names} if names else {}), "verbs": verbs}


def way_out(role: Mapping[str, Any]) -> str:
    """What to do where a right is missing: one line, for `kubectl apply -f -`."""
    return f"bind our login to this Role (kubectl apply -f -): {json.dumps(role, separators=(', ', ': '))}"


@dataclass(frozen=True)
class Rights:
    """Rules of RBAC: all that a login may do in a namespace."""

    rules: Sequence[Mapping[str, Any]]

    def allow(self, group: str, resource: str, verb: str, name: str | None) -> bool:
        """Whether one of them lets us do this with this object; None: with any at all."""
        return any(
            _covers(rule, "apiGroups", group) and _covers(rule, "resources", resource) and _covers(rule, "verbs", verb)
            and (name is None or not rule.get("resourceNames") or name in rule["resourceNames"])
            for rule in self.rules
        )  # fmt: skip


def _covers(rule: Mapping[str, Any], member: str, wanted: str) -> bool:
    return bool({wanted, "*"}.intersection(rule.get(member) or ()))
