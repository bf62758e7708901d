"""`type: kubernetes_rollout`: the pods of one Deployment, StatefulSet or DaemonSet are replaced, as `kubectl rollout restart` does it.

    reloads:
      billing-app: {type: kubernetes_rollout, in_cluster: true, namespace: billing, kind: Deployment, name: billing, timeout: 60s}

The annotation `version.rotator/SPEC` of the pod template is set to the id of the version. While it stands there nothing is done again; each
spec has its own, so two specs that share a workload do not undo each other's.
"""

from rotator.reloads.kubernetes_rollout.rollout import KubernetesRollout
from rotator.reloads.kubernetes_rollout.settings import KubernetesRolloutSettings

__all__ = ["KubernetesRollout", "KubernetesRolloutSettings"]
