"""Make libpq tell the SQLSTATE of a failed login: psycopg cannot, and the server's words are in the server's language.

`PQsetErrorVerbosity(conn, PQERRORS_SQLSTATE)` is called in the very library that psycopg has loaded. Where that one cannot be told
for certain, nothing is called, and the caller falls back to the server's English words.
"""

from __future__ import annotations

import ctypes
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

PQERRORS_SQLSTATE = 3


def loaded_libpq(maps: str) -> list[str]:
    """The libpq files among the files that this process has mapped."""
    paths = (line.split(maxsplit=5)[5] for line in maps.splitlines() if len(line.split(maxsplit=5)) > 5)  # noqa: PLR2004 - the sixth column
    return sorted({path for path in paths if re.match(r"libpq[-.]", path.rpartition("/")[2])})


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The one libpq in this process, if it is one, and of the version that psycopg says. A connection must not meet another libpq."""
    from psycopg import pq

    try:
        paths = loaded_libpq(Path("/proc/self/maps").read_text())
        if len(paths) != 1:
            return None
        library = ctypes.CDLL(paths[0])
        if library.PQlibVersion() != pq.version():
            return None
        library.PQsetErrorVerbosity.argtypes = [ctypes.c_void_p, ctypes.c_int]
    except (OSError, AttributeError):
        return None
    return library


def find() -> bool:
    """Look for the library now, so that a process forked from this one need not. Whether there is one to use."""
    return _library() is not None


def codes_only(pgconn: PGconn) -> bool:
    """Whether errors of this connection are SQLSTATEs from now on."""
    library = _library()
    pointer: int | None = getattr(pgconn, "pgconn_ptr", None)
    if library is None or pointer is None:
        return False
    library.PQsetErrorVerbosity(pointer, PQERRORS_SQLSTATE)
    return True
