"""`type: kubernetes_secret` in rotator.yaml."""

from __future__ import annotations

from rotator.kubernetes.settings import ClusterSettings


class KubernetesSecretSettings(ClusterSettings):
    """One namespace of one cluster, and how to log in."""

    create: bool = False
    """Whether a Secret that is not there is made. If not it is refused: a name may be mistyped."""
