"""A Kubernetes API, as the destination `kubernetes_secret` and the reload `kubernetes_rollout` talk to it: login, calls, rights."""
