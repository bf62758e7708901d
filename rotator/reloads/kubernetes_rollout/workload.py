"""What a workload says about its rollout. Pure.

The fields and their meaning: Kubernetes API reference, apps/v1; the conditions are those of `kubectl rollout status` ("Deployments",
Kubernetes documentation, "Complete deployment" and "Failed deployment"). A count that is 0 is left out by the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rotator.reloads.kubernetes_rollout.settings import Kind

COUNTS = {
    "Deployment": ("replicas", "updatedReplicas", "availableReplicas"),
    "StatefulSet": ("replicas", "updatedReplicas", "availableReplicas"),
    "DaemonSet": ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable"),
}
"""Of the status: all pods, those of the new template, those that are available. For a DaemonSet the first is how many there should be."""


def at(found: Any, *names: str) -> Any:
    """What stands at these names, one within the other; None where it is not there."""
    for each in names:
        found = found.get(each) if isinstance(found, Mapping) else None
    return found


def marks_of(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The annotations of the pod template."""
    return at(workload, "spec", "template", "metadata", "annotations") or {}


def is_seen(workload: Mapping[str, Any]) -> bool:
    """Whether the status is about the workload as it is now: before that it tells of an earlier rollout."""
    generation, observed = at(workload, "metadata", "generation"), at(workload, "status", "observedGeneration")
    return isinstance(generation, int) and isinstance(observed, int) and observed >= generation


def is_complete(kind: Kind, workload: Mapping[str, Any]) -> bool:
    """Whether every pod is of the new template, and available. Only of a status that is seen."""
    total, *done = (_count(at(workload, "status", each)) for each in COUNTS[kind])
    wanted = total if kind == "DaemonSet" else _count(at(workload, "spec", "replicas"), 1)
    return [total, *done] == [wanted] * len(COUNTS[kind])


def is_stuck(workload: Mapping[str, Any]) -> bool:
    """Whether it made no progress for its `progressDeadlineSeconds`: only a Deployment tells that. Only of a status that is seen."""
    conditions = at(workload, "status", "conditions")
    return any(
        (at(each, "type"), at(each, "status"), at(each, "reason")) == ("Progressing", "False", "ProgressDeadlineExceeded")
        for each in (conditions if isinstance(conditions, list) else ())
    )


def has_pods(kind: Kind, workload: Mapping[str, Any]) -> bool:
    """Whether anybody is there who could use a version: a workload that was scaled to nothing is complete at once."""
    return _count(at(workload, "status", COUNTS[kind][0])) > 0


def held_back(kind: Kind, namespace: str, workload: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why a new template would leave old pods running, and the way out; None where it would not."""
    if at(workload, "spec", "paused") is True:
        return "it is paused", f"`kubectl -n {namespace} rollout resume {kind.lower()}/{at(workload, 'metadata', 'name')}`"
    if at(workload, "spec", "updateStrategy", "type") == "OnDelete":
        return "its updateStrategy is OnDelete: nobody replaces its pods", "let it be RollingUpdate"
    if _count(at(workload, "spec", "updateStrategy", "rollingUpdate", "partition")):
        return "its `partition` keeps some pods as they are", "set `partition` to 0"
    return None


def _count(value: Any, otherwise: int = 0) -> int:
    return value if isinstance(value, int) else otherwise
