"""What a proof's forkserver loads beside what the command line's does: it makes runs cheaper, and changes nothing that they do.

The command line never loads a plugin before its run: a broken one must cost its own spec only. These are our own.
"""

from __future__ import annotations

import ssl
from functools import cache

import botocore.loaders
import botocore.session

import rotator.destinations.env_file
import rotator.testing.kill.lossy  # noqa: F401 - the workers of proofs
import rotator_postgres.target  # noqa: F401 - all three are only loaded

ssl.create_default_context = cache(ssl.create_default_context)  # type: ignore[assignment]  # it takes what it took
"""One for all clients of a process: the authorities of the web are read once, and the servers of a proof speak plain HTTP."""
ssl.create_default_context(cafile=None)
loader_of = cache(botocore.loaders.create_loader)
"""One for all sessions of a process: it keeps the models of the services, a megabyte that each session would read anew."""
botocore.session.create_loader = loader_of
for _service in ("iam", "sts"):
    for _kind in ("service-2", "endpoint-rule-set-1"):
        loader_of(None).load_service_model(_service, _kind)
for _data in ("endpoints", "partitions"):
    loader_of(None).load_data(_data)
