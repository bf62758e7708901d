"""The ledger's file: where it is, that it is ours alone, how it is made, and whether it is still the same one."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from shlex import quote

from rotator.errors import BadInput, LedgerFailed
from rotator.files import PRIVATE_FILE, PRIVATE_FOLDER, file_system, is_remote, looseness, refuse_writable

APPLICATION = 0x726F_7461
"""`application_id` of a ledger: "rota"."""
SCHEMA = 1
"""`user_version` of a ledger."""
_SCHEME = "sqlite:///"
PARTS = ("", "-wal", "-shm")
"""What SQLite adds to the name: the file, its log, the log's index."""

_MAKE = f"""
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE event (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    chain TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL, ts TEXT NOT NULL, event TEXT NOT NULL,
    spec TEXT, rotation TEXT, run TEXT,
    line TEXT NOT NULL
);
CREATE INDEX event_chain ON event (chain);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA};
COMMIT;
"""

Identity = Mapping[str, tuple[int, int]]
"""Device and inode of each part that is there."""


def path_of(url: str) -> Path:
    """The file that `sqlite:///relative` or `sqlite:////absolute` names. `BadInput` for anything else."""
    path = url.removeprefix(_SCHEME)
    if not url.startswith(_SCHEME) or "?" in path or "\0" in path or path in ("", "/", ":memory:"):
        raise BadInput("the ledger's URL names no file", where="audit.ledger", fix="write sqlite:///var/ledger.db, without options")
    return Path(path)


def is_there(url: str) -> bool:
    """Whether a file is where the URL says; also where that cannot be told: who opens it hears why. `BadInput` for no such URL."""
    try:
        path_of(url).stat()
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ENOTDIR)
    return True


def uri(path: Path, options: str) -> str:
    """The file as SQLite's own URI, whatever characters it has."""
    return f"{path.absolute().as_uri()}?{options}"


def part(path: Path, suffix: str) -> Path:
    """The file itself, its log or the log's index."""
    return path.with_name(path.name + suffix)


def identity(path: Path) -> Identity:
    """Which files these are. No descriptor is opened: closing one would drop SQLite's own locks (https://www.sqlite.org/howtocorrupt.html)."""
    seen, plain = {}, str(path)
    for each in PARTS:
        with suppress(FileNotFoundError):
            found = os.lstat(plain + each)
            seen[each] = (found.st_dev, found.st_ino)
    return seen


def settle(path: Path, *, create: bool) -> None:
    """See that the file is there, ours alone and on a disk of this machine; make it and its directory where `create` says so.

    Raises `LedgerFailed`, or `OSError` for `troubles` to put into words. May be called twice, and by several processes at once.
    """
    if create:
        _make_folder(path.parent)
    _refuse_folder(path)
    if create and not os.path.lexists(path):
        _make(path)
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise LedgerFailed("the audit ledger is no regular file", where=str(path), fix="name the file itself, not a symbolic link to it")
    wrong = looseness(found)
    if wrong:
        raise LedgerFailed(
            f"the audit ledger {wrong}", where=str(path), fix=f"chown it to the user that runs rotator; chmod 600 {quote(str(path))}"
        )


def _make_folder(folder: Path) -> None:
    """The directory, for us alone; those above it as the umask says."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    _sync(folder.parent)


def _refuse_folder(path: Path) -> None:
    try:
        refuse_writable(str(path.parent), "the directory of the audit ledger")
    except BadInput as error:
        raise LedgerFailed(error.what, where=str(path), fix=error.fix or "`audit.ledger` in rotator.yaml says where it is") from None
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        kind = file_system(folder)
    finally:
        os.close(folder)
    if is_remote(kind):
        raise LedgerFailed(
            f"the audit ledger is on a network file system ({kind}), where its locks do not hold",
            where=str(path),
            fix="put it on a disk of this machine",
        )


def _make(path: Path) -> None:
    """A whole ledger under another name, then linked to its own: nobody ever meets a half-made one, and the first of several wins."""
    temp = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    os.close(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_FILE))
    try:
        database = sqlite3.connect(uri(temp, "mode=rw"), uri=True, isolation_level=None)
        try:
            database.executescript(_MAKE)
        finally:
            database.close()
        _sync(temp)
        with suppress(FileExistsError):  # another process was faster, and its ledger is as good
            os.link(temp, path)
        _sync(path.parent)
    finally:
        for each in PARTS:
            part(temp, each).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
