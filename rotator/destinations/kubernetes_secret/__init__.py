"""The destination `kubernetes_secret`: keys of Secrets in one namespace of a cluster.

    destinations:
      billing-cluster: {type: kubernetes_secret, in_cluster: true, namespace: billing}
      orders-cluster:
        type: kubernetes_secret
        api_server: https://10.0.0.1:6443
        tls: {ca: secrets/cluster-ca.pem}
        token: {file: secrets/cluster-token}
        namespace: orders

and in a schedule `publish: [{destination: billing-cluster, path: billing-db, keys: {DB_PASSWORD: password}}]`: `path` is the name of the
Secret. Only the named keys are patched, in one request that the server refuses where the Secret was changed since we read it; all other
keys, labels and annotations stay. The annotations `rotator/generation`, `rotator/version` and `rotator/fields` say what was written last;
none of them holds a secret. A writer of a lower generation is refused.

Nothing is taken from the environment by itself: no kubeconfig, no variable, no proxy.
"""

from rotator.destinations.kubernetes_secret.place import KubernetesSecret
from rotator.destinations.kubernetes_secret.settings import KubernetesSecretSettings

__all__ = ["KubernetesSecret", "KubernetesSecretSettings"]
