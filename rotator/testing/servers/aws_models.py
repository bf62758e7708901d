"""AWS's descriptions of its services, read once a process: a megabyte that botocore's sessions would each read anew. They never change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import botocore.loaders
import botocore.session

loader_of = cache(botocore.loaders.create_loader)
"""One for all sessions of a process."""


@contextmanager
def read_once() -> Iterator[None]:
    """All sessions that are made meanwhile share what was read."""
    was, botocore.session.create_loader = botocore.session.create_loader, loader_of
    try:
        yield
    finally:
        botocore.session.create_loader = was


def keep(*services: str) -> None:
    """Read those of these services now, and share them for the rest of this process: for one that only proofs run in."""
    botocore.session.create_loader = loader_of
    loader = loader_of(None)
    for service in services:
        for kind in ("service-2", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)
    for data in ("endpoints", "partitions"):
        loader.load_data(data)
