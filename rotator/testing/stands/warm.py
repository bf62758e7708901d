"""What a proof's forkserver loads beside what the command line's does: it makes runs cheaper, and changes nothing that they do.

The command line never loads a plugin before its run: a broken one must cost its own spec only. These are our own.
"""

from __future__ import annotations

import ssl
from typing import Any

import rotator.destinations.env_file
import rotator.testing.kill.lossy  # noqa: F401 - the workers of proofs
import rotator_postgres.target  # noqa: F401 - all three are only loaded
from rotator.testing.servers import aws_models

_make, _of_the_system = ssl.create_default_context, ssl.create_default_context()


def _context(*purpose: Any, cafile: Any = None, capath: Any = None, cadata: Any = None) -> ssl.SSLContext:
    """The authorities of the system are read once; any that is named is read each time, for it may have been replaced."""
    if purpose or cafile or capath or cadata:
        return _make(*purpose, cafile=cafile, capath=capath, cadata=cadata)
    return _of_the_system


ssl.create_default_context = _context  # type: ignore[assignment]  # it takes what it took: the servers of a proof speak plain HTTP, and every client makes one all the same
aws_models.keep("iam", "sts")
