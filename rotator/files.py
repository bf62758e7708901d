"""Files, as every part of this project touches them: who may read them, how they are replaced, how they are locked.

Names inside a `Folder` are opened relative to its descriptor and never through a symbolic link, so nobody can swap a directory under
us between a check and its use. Everything in here raises `OSError`, but for the `refuse_*` functions; `answers` turns that into words.
"""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import pwd
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rotator.errors import BadInput, Denied, PortError, Refused, Unreachable
from rotator.model import Secret
from rotator.seam import Seam

SECRET_MOST = 1 << 20
"""Bytes of a secret file."""
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
_KEPT_ATTRIBUTES = re.compile(r"user\..*|system\.posix_acl_access|security\.selinux")


# ---- who may read and write


def looseness(found: os.stat_result, bits: int = 0o077) -> str | None:
    """Why a file is not ours alone: another owner than us or root, or one of the mode `bits`; None where all is well."""
    if found.st_uid not in (os.geteuid(), 0):
        return f"belongs to user {found.st_uid}, neither to root nor to us"
    if found.st_mode & bits:
        return f"has mode {stat.S_IMODE(found.st_mode):04o}: others could read or change it"
    return None


def refuse_loose(path: str, what: str) -> None:
    """For files that hold a secret: ours or root's, and no one else may read or write. Raises `BadInput`; follows no symbolic link."""
    found = _stat(path, what, follow=False)
    if not stat.S_ISREG(found.st_mode):
        raise BadInput(f"{what} {path} is not a regular file", fix="name the file itself, not a symbolic link to it")
    _refuse(looseness(found), path, what, "chmod 600")


def refuse_writable(path: str, what: str) -> None:
    """For configuration and code: ours or root's, and no one else may write; a group that is the owner's private one may.

    Raises `BadInput`.
    """
    found = _stat(path, what, follow=True)
    _refuse(looseness(found, 0o002 if _private_group(found) else 0o022), path, what, "chmod go-w")


def _stat(path: str, what: str, *, follow: bool) -> os.stat_result:
    try:
        return Path(path).stat(follow_symlinks=follow)
    except OSError as error:
        fix = "put it there, or correct its path" if isinstance(error, FileNotFoundError) else None
        raise BadInput(f"{what} {path}: {error.strerror}", fix=fix) from error


def _refuse(wrong: str | None, path: str, what: str, command: str) -> None:
    if wrong:
        raise BadInput(f"{what} {path} {wrong}", fix=f"chown it to the user that runs rotator, or to root; {command} {path}")


def _private_group(found: os.stat_result) -> bool:
    """Whether the file's group is its owner's own: named as he is, his primary one, with nobody else in it."""
    try:
        user, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    return group.gr_gid == user.pw_gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def read_secret_file(path: str, what: str) -> Secret:
    """The content of a file that holds one secret, one line break at its end left out. Raises `BadInput`, without the content."""
    try:
        data, found = _read(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), SECRET_MOST)
    except OSError as error:
        link = "it is a symbolic link: name the file itself" if error.errno == errno.ELOOP else None
        raise BadInput(f"{what} {path}: {error.strerror}", fix=link) from error
    _refuse(looseness(found), path, what, "chmod 600")
    text = data.decode("utf-8", "surrogateescape")
    if any("\udc80" <= each <= "\udcff" for each in text):
        raise BadInput(f"{what} {path} is no UTF-8 text", fix="write it as text, for instance base64")
    return Secret(text.removesuffix("\n").removesuffix("\r"))


# ---- the calls that can fail


class Disk:
    """The calls that a full or broken disk makes fail; tests derive faults from it."""

    def create(self, name: str, folder: int) -> int:
        """A new file, for us alone."""
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_FILE, dir_fd=folder)

    def mkdir(self, name: str, folder: int) -> None:
        """A new directory, for us alone."""
        os.mkdir(name, PRIVATE_FOLDER, dir_fd=folder)

    def write(self, file: int, data: memoryview) -> int:
        """Write some of it; returns how many bytes."""
        return os.write(file, data)

    def fsync(self, file: int) -> None:
        """Return when it is on the disk."""
        os.fsync(file)

    def rename(self, old: str, new: str, folder: int) -> None:
        """Put one name in the place of another, at once."""
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)


def _read(file: int, most: int) -> tuple[bytes, os.stat_result]:
    """All of a regular file; closes it."""
    with open(file, "rb", buffering=0) as opened:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "not a regular file")
        if found.st_size > most:
            raise OSError(errno.EFBIG, f"larger than {most} bytes")
        data = b""
        while chunk := opened.read(most + 1 - len(data)):
            data += chunk
        return data, found


class Folder:
    """An open directory. Use it in a `with`."""

    def __init__(self, fd: int, path: str, disk: Disk) -> None:
        self.fd, self.path, self.disk = fd, path, disk

    @classmethod
    def open(cls, path: str, disk: Disk | None = None) -> Folder:
        """The directory at a path of the operator's: symbolic links on the way are his."""
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY), path, disk or Disk())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self.fd)

    def sub(self, name: str, *, make: bool = False) -> Folder:
        """A directory in it, made where it is missing and `make` says so; durable when this returns."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            file = os.open(name, flags, dir_fd=self.fd)
        except FileNotFoundError:
            if not make:
                raise
            self._make(name)
            file = os.open(name, flags, dir_fd=self.fd)
        return Folder(file, os.path.join(self.path, name), self.disk)  # noqa: PTH118 - plain text

    def _make(self, name: str) -> None:
        """A directory that is not durable is removed again: the next call would not sync what it finds."""
        try:
            self.disk.mkdir(name, self.fd)
            self.disk.fsync(self.fd)
        except FileExistsError:  # another writer was faster
            return
        except OSError:
            with suppress(OSError):
                os.rmdir(name, dir_fd=self.fd)
            raise

    def looseness(self) -> str | None:
        """Why others could get into it, or None."""
        return looseness(os.fstat(self.fd))

    def read(self, name: str, most: int) -> tuple[bytes, os.stat_result] | None:
        """A file's content and what it is; None where there is none. Never waits, as for a pipe."""
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        return _read(file, most)

    def replace(self, name: str, data: bytes, *, mode: int = PRIVATE_FILE, uid: int = -1, gid: int = -1, like: bool = False) -> None:
        """Readers see the old content or the new, never a part; durable when this returns. The temporary file is removed on any error.

        `like`: the new file takes over the old one's access control list, security label and user attributes.
        """
        temp = f".{name}.{secrets.token_hex(4)}.tmp"
        file = self.disk.create(temp, self.fd)
        try:
            try:
                self._fill(file, data)
                self._dress(file, mode, uid, gid, name if like else None)
                self.disk.fsync(file)
            finally:
                os.close(file)
            self.disk.rename(temp, name, self.fd)
        except BaseException:
            with suppress(OSError):  # already renamed, or the disk is broken: the error under way says so, the next writer sweeps
                os.unlink(temp, dir_fd=self.fd)
            raise
        self.disk.fsync(self.fd)

    def _fill(self, file: int, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self.disk.write(file, left) :]

    def _dress(self, file: int, mode: int, uid: int, gid: int, like: str | None) -> None:
        """Owner first: a change of owner may clear mode bits."""
        now = os.fstat(file)
        if uid not in (-1, now.st_uid) or gid not in (-1, now.st_gid):
            os.fchown(file, uid, gid)
        if like is not None:
            self._copy_attributes(like, file)
        os.fchmod(file, mode)

    def _copy_attributes(self, name: str, file: int) -> None:
        try:
            old = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.fd)
        except FileNotFoundError:
            return
        try:
            for each in filter(_KEPT_ATTRIBUTES.fullmatch, os.listxattr(old)):
                os.setxattr(file, each, os.getxattr(old, each))
        except OSError as error:
            if error.errno != errno.ENOTSUP:  # a file system without attributes has none to keep
                raise
        finally:
            os.close(old)

    def sync(self, name: str) -> None:
        """Make durable what an earlier call wrote and did not see through."""
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self.fd)
        try:
            self.disk.fsync(file)
        finally:
            os.close(file)
        self.disk.fsync(self.fd)

    @contextmanager
    def lock(self, name: str, seconds: float, seam: Seam) -> Iterator[None]:
        """Hold the lock file `name` alone. It is never removed: a removed one can be locked by two. `TimeoutError` after `seconds`."""
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE, dir_fd=self.fd)
        try:
            end = seam.ticks() + seconds
            while not _locked(file):
                if seam.ticks() >= end:
                    raise TimeoutError(errno.ETIMEDOUT, f"another process held {name} for {seconds:g} s")
                seam.sleep(0.001 + seam.jitter(0.01))
            yield
        finally:
            os.close(file)

    def sweep(self, name: str) -> None:
        """Remove what killed writers of `name` left. Only under the lock of `name`."""
        ours = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{8}}\.tmp")
        for each in os.listdir(self.fd):  # noqa: PTH208 - a descriptor, no path
            if ours.fullmatch(each):
                os.unlink(each, dir_fd=self.fd)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replace_atomically(path: str, data: bytes, *, mode: int = PRIVATE_FILE, uid: int = -1, gid: int = -1, disk: Disk | None = None) -> None:
    """Put `data` at `path`: old content or new, never a part, and durable when this returns. A symbolic link there is replaced."""
    parent, name = os.path.split(path)
    with Folder.open(parent or ".", disk) as folder:
        folder.replace(name, data, mode=mode, uid=uid, gid=gid)


# ---- network file systems

_REMOTE = re.compile(r"nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|gpfs|coda|ncpfs|orangefs|glusterfs|virtiofs|fuse(\..*)?")


def file_system(folder: int) -> str | None:
    """The type of the file system that an open file or directory is on; None where /proc does not tell (proc_pid_mountinfo(5))."""
    try:
        with open(f"/proc/self/fdinfo/{folder}", encoding="ascii") as info:  # noqa: PTH123 - no Path needed for /proc
            mount = next(line.split()[1] for line in info if line.startswith("mnt_id:"))
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:  # noqa: PTH123 - as above
            return next(line.partition(" - ")[2].split()[0] for line in mounts if line.split()[0] == mount)
    except (OSError, StopIteration):
        return None


def is_remote(type: str | None) -> bool:
    """Whether locks and renames on such a file system may be another machine's business (FUSE counts: nobody knows what is behind it)."""
    return type is not None and _REMOTE.fullmatch(type) is not None


# ---- in words

_NO_SPACE = "make room; nothing old was lost"
_ANSWERS: dict[int, tuple[type[PortError], str | None]] = {
    errno.EACCES: (Denied, "let the user that runs rotator read and write there"),
    errno.EPERM: (Denied, "let the user that runs rotator do this, or leave owner and group as they are"),
    errno.ELOOP: (Denied, "a symbolic link stands there: name the real file or directory"),
    errno.ENOTDIR: (Denied, "a symbolic link or a file stands where a directory is meant"),
    errno.EISDIR: (Denied, "something that is no regular file stands there"),
    errno.ENOENT: (Denied, "the directory is not there: is it mounted?"),
    errno.EBUSY: (Denied, "the file itself is a mount point: mount its directory instead"),
    errno.ENAMETOOLONG: (Refused, "choose a shorter path"),
    errno.EFBIG: (Refused, "this is not a file that rotator wrote"),
    errno.ENOSPC: (Unreachable, _NO_SPACE),
    errno.EDQUOT: (Unreachable, _NO_SPACE),
    errno.EROFS: (Unreachable, "mount it writable"),
    errno.ETIMEDOUT: (Unreachable, "try again; if it stays so, find the process that holds it"),
}


def port_error(error: OSError, what: str) -> PortError:
    """What a file operation answered, in the words of the contracts. What is not known may have happened: `Unreachable`."""
    kind, fix = _ANSWERS.get(error.errno or 0, (Unreachable, None))
    return kind(f"{what}: {error.strerror or type(error).__name__}", fix, errno.errorcode.get(error.errno or 0))


@contextmanager
def answers(what: str) -> Iterator[None]:
    """Turn an `OSError` inside into a `PortError` that says `what` was being done."""
    try:
        yield
    except OSError as error:
        raise port_error(error, what) from error
