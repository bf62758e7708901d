"""The least privilege, as a Role that can be pasted. What is printed is what the tests prove.

A verb on one named object can be granted by `resourceNames`, but for `create`: there is no name yet when it is asked for (Kubernetes
documentation, "Using RBAC Authorization"). JSON is YAML too, and stands on one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

GET, PATCH, CREATE = "get", "patch", "create"


def role(namespace: str, names: Iterable[str], *, create: bool) -> dict[str, Any]:
    """All that is needed to publish in these Secrets. `get` of the namespace tells a Secret that is missing from a mistyped namespace."""
    rules = [_rule("secrets", [GET, PATCH], sorted(names) or ["THE-SECRET"]), _rule("namespaces", [GET], [namespace])]
    rules += [_rule("secrets", [CREATE], [])] if create else []
    about = {"namespace": namespace, "name": "rotator"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": about, "rules": rules}


def _rule(resource: str, verbs: list[str], names: list[str]) -> dict[str, Any]:
    return {"apiGroups": [""], "resources": [resource], **({"resourceNames": names} if names else {}), "verbs": verbs}


def as_text(role: dict[str, Any]) -> str:
    """One line, for `kubectl apply -f -`."""
    return json.dumps(role, separators=(", ", ": "))
