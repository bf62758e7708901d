"""What a disk or SQLite answers, as `LedgerFailed` in our own words: their messages are not passed on."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from rotator.errors import LedgerFailed

_ROOM = "make room there; no side effect happened without its event"
_WRITABLE = "mount it writable, and let the user that runs rotator write the file and its directory"
_READABLE = "read it as the user that runs rotator; who may not be that one reads a copy of his own: `--ledger sqlite:///COPY`"
_HOLDER = "find the process that holds it (fuser, lsof) and end it"
_RESTORE = (
    "keep the file, with its -wal and -shm, as evidence; put a good copy or nothing in its place, then compare with `rotator audit verify`"
)
_DISK = "look at the system's log: this disk is failing, or the file system went away"

_SQLITE: dict[str, tuple[str, str]] = {
    "SQLITE_FULL": ("there is no space left", _ROOM),
    "SQLITE_READONLY": ("it cannot be written", _WRITABLE),
    "SQLITE_PERM": ("access was refused", _WRITABLE),
    "SQLITE_AUTH": ("access was refused", _WRITABLE),
    "SQLITE_CANTOPEN": ("it cannot be opened", _WRITABLE),
    "SQLITE_BUSY": ("another process held it too long", _HOLDER),
    "SQLITE_LOCKED": ("another process held it too long", _HOLDER),
    "SQLITE_PROTOCOL": ("another process held it too long", _HOLDER),
    "SQLITE_NOTADB": ("it is not a SQLite database", _RESTORE),
    "SQLITE_CORRUPT": ("it is damaged", _RESTORE),
    "SQLITE_IOERR_SHMSIZE": ("there is no space left for its -shm file", _ROOM),
    "SQLITE_IOERR": ("the disk answered with an error", _DISK),
}
"""By the primary result code (https://www.sqlite.org/rescode.html): the extended ones have it as their beginning;
one that says more stands before it."""

_SYSTEM: dict[int, tuple[str, str]] = {
    errno.ENOSPC: _SQLITE["SQLITE_FULL"],
    errno.EDQUOT: _SQLITE["SQLITE_FULL"],
    errno.EROFS: _SQLITE["SQLITE_READONLY"],
    errno.EACCES: _SQLITE["SQLITE_PERM"],
    errno.EPERM: _SQLITE["SQLITE_PERM"],
    errno.ENOENT: ("it is not there", "is its file system mounted? `audit.ledger` in rotator.yaml says where it is"),
    errno.ENOTDIR: ("a file stands where its directory is meant", "`audit.ledger` in rotator.yaml says where it is"),
    errno.EIO: _SQLITE["SQLITE_IOERR"],
}


def of_sqlite(error: sqlite3.Error, path: os.PathLike[str]) -> LedgerFailed:
    """What SQLite answered."""
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    primary = next((each for each in _SQLITE if name == each or name.startswith(f"{each}_")), None)
    what, fix = _SQLITE[primary] if primary else ("it cannot be used", "see whether it is a ledger at all, and whether it is still open")
    return LedgerFailed(f"the audit ledger cannot be used: {what} ({name})", where=os.fspath(path), fix=fix)


def of_system(error: OSError, path: os.PathLike[str]) -> LedgerFailed:
    """What the operating system answered."""
    code = errno.errorcode.get(error.errno or 0, type(error).__name__)
    what, fix = _SYSTEM.get(error.errno or 0, ("the operating system refused", _DISK))
    return LedgerFailed(f"the audit ledger cannot be used: {what} ({code})", where=os.fspath(path), fix=fix)


def of_heads(error: OSError, path: os.PathLike[str]) -> LedgerFailed:
    """What the operating system answered as the heads were to be written."""
    code = errno.errorcode.get(error.errno or 0, type(error).__name__)
    what, fix = _SYSTEM.get(error.errno or 0, ("the operating system refused", _DISK))
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        what, fix = "its directory is not there", "make that directory, or name a file in another one"
    return LedgerFailed(f"the file for the heads cannot be written: {what} ({code})", where=os.fspath(path), fix=fix)


@contextmanager
def troubles(path: os.PathLike[str]) -> Iterator[None]:
    """Turn an error of SQLite or of the operating system inside into `LedgerFailed`, without its own message."""
    try:
        yield
    except sqlite3.Error as error:
        raise of_sqlite(error, path) from None
    except OSError as error:
        raise of_system(error, path) from None


@contextmanager
def troubles_of_reading(path: os.PathLike[str]) -> Iterator[None]:
    """The same for who only reads: no way on leads over the right to write, for an auditor shall not have it."""
    try:
        with troubles(path):
            yield
    except LedgerFailed as error:
        if error.fix != _WRITABLE:
            raise
        raise LedgerFailed(error.what, where=error.where, fix=_READABLE) from None
