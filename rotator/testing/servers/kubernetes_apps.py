"""Workloads of the double of a Kubernetes API: their rollouts move on when a test says so.

Derived from the Kubernetes API reference (apps/v1 Deployment, StatefulSet, DaemonSet), and from "Deployments" for what a rollout shows.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

KINDS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}
_TOP, _TEMPLATE = {"apiVersion", "kind", "metadata", "spec", "status"}, {"metadata", "spec"}
_SPEC = {
    "Deployment": {"replicas", "selector", "template", "strategy", "paused", "minReadySeconds", "progressDeadlineSeconds"},
    "StatefulSet": {"replicas", "selector", "template", "updateStrategy", "serviceName", "minReadySeconds"},
    "DaemonSet": {"selector", "template", "updateStrategy", "minReadySeconds"},
}


class Workload:
    """One of them, with its controller. `at_once`: each rollout is complete before anybody looks; else `advance` moves it by one step."""

    def __init__(self, kind: str, namespace: str, name: str, pods: int = 2, **spec: Any) -> None:
        labels = {"app": name}
        template = {"metadata": {"labels": labels, "annotations": {"team": "a"}}, "spec": {"containers": [{"name": name, "image": "i"}]}}
        given = {**({} if kind == "DaemonSet" else {"replicas": pods}), "selector": {"matchLabels": labels}, "template": template, **spec}
        about = {"name": name, "namespace": namespace, "generation": 1, "resourceVersion": "1"}
        self.about: dict[str, Any] = {"apiVersion": "apps/v1", "kind": kind, "metadata": about, "spec": given}
        self.pods, self.at_once, self.updated = pods, True, pods
        self.templates: list[Any] = [copy.deepcopy(template)]
        """Each that was rolled out, in order."""
        self._show(total=pods)

    @property
    def marks(self) -> Mapping[str, str]:
        """The annotations of the pod template."""
        found: Mapping[str, str] = self.about["spec"]["template"]["metadata"]["annotations"]
        return found

    def accept(self, new: dict[str, Any], manager: str, revision: int) -> dict[str, Any]:
        """Keep a changed object. The generation grows with the spec alone; the status stays as it was until the controller has looked."""
        changed = new["spec"] != self.about["spec"]
        if new != self.about:
            more = {"generation": self.about["metadata"]["generation"] + changed, "resourceVersion": str(revision)}
            told = [{"manager": manager, "operation": "Update"}]
            self.about = {**new, "metadata": {**new["metadata"], **more, "managedFields": told}}
        if new["spec"]["template"] != self.templates[-1]:
            self.templates.append(copy.deepcopy(new["spec"]["template"]))
        answer = copy.deepcopy(self.about)
        if changed and self.at_once:
            self.finish()
        return answer

    def advance(self) -> None:
        """One step of the controller: it sees the new generation, then replaces pod after pod; an old one ends last of all."""
        if self.about["status"]["observedGeneration"] < self.about["metadata"]["generation"]:
            self.updated = 0
        elif self.updated < self.pods:
            self.updated += 1
        elif self.total > self.pods:
            return self._show(total=self.pods)
        return self._show(total=self.pods + (self.about["kind"] == "Deployment"))

    def finish(self) -> None:
        """All steps."""
        for _ in range(self.pods + 2):
            self.advance()

    def stall(self) -> None:
        """The new pods do not become available, and the deadline of a Deployment's progress passes."""
        self.advance()
        condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        self.about["status"]["conditions"] = [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}, condition]

    def _show(self, total: int) -> None:
        """The status. Counts of 0 are left out, as the API leaves them out, but for those that a DaemonSet must have."""
        self.total = total
        seen = {"observedGeneration": self.about["metadata"]["generation"]}
        if self.about["kind"] == "DaemonSet":
            must = {"currentNumberScheduled": self.pods, "desiredNumberScheduled": self.pods, "numberMisscheduled": 0}
            self.about["status"] = {**seen, **must, "updatedNumberScheduled": self.updated, "numberAvailable": self.pods}
            return
        counts = {"replicas": total, "updatedReplicas": self.updated, "availableReplicas": self.pods}
        self.about["status"] = {**seen, **{key: each for key, each in counts.items() if each}}


def faults(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What the API would refuse of a change; empty where it would not."""
    kind = old["kind"]
    spec, template = new["spec"], new["spec"]["template"]
    if set(new) - _TOP or set(spec) - _SPEC[kind] or set(template) - _TEMPLATE or set(template["metadata"]) - {"labels", "annotations"}:
        return "strict decoding error: unknown field"
    if (new["apiVersion"], new["kind"], new["metadata"]["name"]) != (old["apiVersion"], kind, old["metadata"]["name"]):
        return "field is immutable"
    if spec["selector"] != old["spec"]["selector"] or template["metadata"]["labels"] != spec["selector"]["matchLabels"]:
        return "`selector` does not match template `labels`"
    if new.get("status") != old.get("status"):
        return "status is another resource"
    return ""
