"""What every run on MariaDB or MySQL needs, loaded once by the process that runs are forked from; nothing is connected."""

import contextlib

from rotator_mysql import check, exchange, target

__all__ = ["check", "exchange", "target"]

with contextlib.suppress(ImportError):  # without the driver a run says so itself
    import pymysql.cursors  # noqa: F401 - loaded, that is all

    from rotator_mysql import driver  # noqa: F401 - as above
