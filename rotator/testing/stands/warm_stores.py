"""What `warm.py` is for the targets, for worlds whose records are at a server: the models of AWS's Secrets Manager, once a process."""

from __future__ import annotations

from rotator.testing.stands import models, warm  # noqa: F401 - warm is only loaded

models.load("secretsmanager")
