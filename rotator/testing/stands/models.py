"""AWS's descriptions of its services, read once a process: a megabyte that botocore's sessions would each read anew. They never change."""

from __future__ import annotations

from functools import cache

import botocore.loaders
import botocore.session

loader_of = cache(botocore.loaders.create_loader)
"""One for all sessions of a process."""
botocore.session.create_loader = loader_of


def load(*services: str) -> None:
    """Read those of these services now. May be called again."""
    loader = loader_of(None)
    for service in services:
        for kind in ("service-2", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)
    for data in ("endpoints", "partitions"):
        loader.load_data(data)
