"""Disks that fail at a call that a test chooses, for everything that writes through `rotator.files.Disk`."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from rotator.files import Disk


class BrokenDisk(Disk):
    """Fails once, at its `at`-th call; a write fails after half of the data, as on a full disk. `failed` says which call it was.

    `stays`: it fails at each call from then on.
    """

    stays = False

    def __init__(self, at: int, code: int = errno.ENOSPC) -> None:
        self.at, self.code, self.calls, self.failed = at, code, 0, ""

    def _count(self, name: str) -> None:
        self.calls += 1
        if self.calls == self.at or (self.stays and self.calls > self.at):
            self.failed = name
            raise OSError(self.code, os.strerror(self.code))

    def create(self, name: str, folder: int) -> int:
        """See `Disk`."""
        self._count("create")
        return super().create(name, folder)

    def mkdir(self, name: str, folder: int) -> None:
        """See `Disk`."""
        self._count("mkdir")
        super().mkdir(name, folder)

    def write(self, file: int, data: memoryview) -> int:
        """See `Disk`."""
        if self.calls + 1 == self.at:
            super().write(file, data[: len(data) // 2])
        self._count("write")
        return super().write(file, data)

    def fsync(self, file: int) -> None:
        """See `Disk`."""
        self._count("fsync")
        super().fsync(file)

    def rename(self, old: str, new: str, folder: int) -> None:
        """See `Disk`."""
        self._count("rename")
        super().rename(old, new, folder)


def each_fault(code: int) -> Iterator[tuple[int, BrokenDisk]]:
    """Disks that fail at call 1, 2, 3, … up to the first that was not asked so often; with their number."""
    n, disk = 0, None
    while disk is None or disk.failed:
        n += 1
        disk = BrokenDisk(n, code)
        yield n, disk


class ShortDisk(Disk):
    """Takes seven bytes at a time."""

    def write(self, file: int, data: memoryview) -> int:
        """See `Disk`."""
        return super().write(file, data[:7])
