"""Where the canary looks: files and directories, SQLite databases, processes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path

from rotator.testing.canary import Canary, Hit

_SQLITE = b"SQLite format 3\0"
LARGEST = 512 << 20
"""Bytes of one file; a larger one is an error, not a clean one."""


def scan(canary: Canary, *paths: Path, but: tuple[str, ...] = ()) -> list[Hit]:
    """Every secret in these files and in all files below these directories, and in their names. Symbolic links are not followed.

    `but`: patterns of paths (as `fnmatch` knows them) where secrets belong. `OSError` where something cannot be read: not looked at
    is not clean. A file that vanishes meanwhile is left out.
    """
    hits = []
    for path in paths:
        path.lstat()
        for each in sorted(_files(path)):
            if not any(fnmatch(str(each), pattern) for pattern in but):
                hits += _scan_file(canary, each)
    return hits


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for folder, _, names in os.walk(path, onerror=_refuse):
        yield Path(folder)
        yield from (Path(folder, name) for name in names)


def _refuse(error: OSError) -> None:
    raise error


def _scan_file(canary: Canary, path: Path) -> list[Hit]:
    hits = canary.search(path.name, f"name of {path}")
    if path.is_symlink():
        return hits + canary.search(str(path.readlink()), f"link {path}")
    if not path.is_file():
        return hits
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path} is larger than {LARGEST} bytes: it was not looked at")
        data = path.read_bytes()
    except FileNotFoundError:  # a temporary file, renamed or removed since its directory was listed
        return hits
    hits += canary.search(data, str(path))
    return hits + (_scan_database(canary, path) if data.startswith(_SQLITE) else [])


def _scan_database(canary: Canary, path: Path) -> list[Hit]:
    """Each value of each table, its log included: a long one is spread over pages that the bytes alone do not join. On a copy."""
    hits = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("-wal", ""):
            if (beside := path.with_name(path.name + suffix)).exists():
                shutil.copyfile(beside, Path(folder, f"copy{suffix}"))
        with closing(sqlite3.connect(Path(folder, "copy"))) as database:
            database.text_factory = bytes
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                table = name.decode().replace('"', '""')
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    hits += canary.search(
                        b"\n".join(each if isinstance(each, bytes) else str(each).encode() for each in row), f"{path} ({table})"
                    )
    return hits


def scan_process(canary: Canary, pid: int) -> list[Hit]:
    """Every secret in the arguments and the environment of a process, as its user can read them. `OSError` where they cannot be read."""
    hits = []
    for name in ("cmdline", "environ"):
        hits += canary.search(Path(f"/proc/{pid}/{name}").read_bytes(), f"{name} of process {pid}")
    return hits
