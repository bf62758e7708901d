"""What `warm.py` is for the targets, for worlds whose records are at a server: the models of AWS's Secrets Manager, once a process."""

from __future__ import annotations

from rotator.testing.servers import aws_models
from rotator.testing.stands import warm  # noqa: F401 - only loaded

aws_models.keep("secretsmanager")
