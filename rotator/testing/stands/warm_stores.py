"""What `warm.py` is for the targets, for worlds whose records are at a server: the models of AWS's Secrets Manager, once a process."""

from __future__ import annotations

from rotator.testing.stands.warm import loader_of

for _kind in ("service-2", "endpoint-rule-set-1"):
    loader_of(None).load_service_model("secretsmanager", _kind)
