"""What every run on PostgreSQL needs, loaded once by the process that runs are forked from; nothing is connected."""

import contextlib

from rotator_postgres import check, entry, login, target, verbosity

__all__ = ["check", "entry", "login", "target"]

with contextlib.suppress(ImportError):  # without the driver a run says so itself
    import psycopg.pq  # noqa: F401 - loaded, that is all

    verbosity.find()
