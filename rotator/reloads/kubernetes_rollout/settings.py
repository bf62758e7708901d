"""`type: kubernetes_rollout` in rotator.yaml."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from rotator.kubernetes.settings import ClusterSettings
from rotator.settings import Duration

Kind = Literal["Deployment", "StatefulSet", "DaemonSet"]


class KubernetesRolloutSettings(ClusterSettings):
    """One workload of one namespace, and how to log in at its cluster."""

    kind: Kind
    name: Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")]
    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(seconds=60))] | None = None
    """How long a rollout is watched at most. Left out: `limits.call_timeout`."""

    @property
    def title(self) -> str:
        """As kubectl calls it: `deployment/NAME`."""
        return f"{self.kind.lower()}/{self.name}"
