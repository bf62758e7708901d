"""Whether somebody else could change what a path leads to: the file, a link on the way, or a directory in which one could be exchanged."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from rotator.errors import BadInput
from rotator.files import looseness, refuse_writable

HOPS = 40
"""Symbolic links on one way, as the kernel follows them (path_resolution(7))."""


def refuse_changeable(path: str, what: str) -> None:
    """Every step of the way belongs to us or to root, and nobody else may write there. Raises `BadInput`.

    In a directory with the sticky bit others may add names, and exchange none of ours (inode(7)).
    """
    try:
        for step, found in _steps(path):
            kind = stat.S_IFMT(found.st_mode)
            if kind == stat.S_IFLNK or (kind == stat.S_IFDIR and found.st_mode & stat.S_ISVTX):
                _refuse_strange(step, found, path, what)
            elif kind == stat.S_IFDIR:
                refuse_writable(step, f"on the way to {what} {path}, the directory")
    except OSError as error:
        raise BadInput(f"{what} {path}: {error.strerror}", fix="put it there, or correct its path") from error
    refuse_writable(path, what)


def _refuse_strange(step: str, found: os.stat_result, path: str, what: str) -> None:
    wrong = looseness(found, 0)
    if wrong:
        raise BadInput(f"on the way to {what} {path}, {step} {wrong}", fix=f"chown -h it to the user that runs rotator, or to root: {step}")


def _steps(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Each directory and link that the kernel passes, and at last the file, as path_resolution(7) says."""
    at, hops, names = "/", 0, path.split("/")[::-1]
    yield at, os.lstat(at)
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            at = os.path.dirname(at)  # noqa: PTH120 - plain text; links are resolved already
            continue
        step = f"{at.rstrip('/')}/{name}"
        found = os.lstat(step)
        yield step, found
        if not stat.S_ISLNK(found.st_mode):
            at = step
            continue
        hops += 1
        if hops > HOPS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink(step)  # noqa: PTH115 - plain text
        at = "/" if target.startswith("/") else at
        names += target.split("/")[::-1]
