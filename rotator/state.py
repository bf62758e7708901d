"""The state directory: who we are (`home`), and a lock per spec that a run's process holds until it ends.

It holds no secret, and may be lost: then a dead runner's lease is waited out instead of being taken over at once.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from rotator.errors import BadInput, RotatorError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
HELD = Path("/proc/locks")
"""Linux: every file lock of this machine, a line each (proc(5))."""
LONGEST_NAME = 200
PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
"""What a machine is in for a while: nothing is wrong with what was asked."""

OURS = "see its disk, and whose it is: where root ran rotator by hand, chown it to the user that runs it"
"""What to do about a file of the state directory that cannot be opened."""


class StateTrouble(RotatorError):
    """The state directory cannot be used now; the same command may go through later, as it is."""


def unusable(what: str, where: Path, error: Exception, *, fix: str) -> RotatorError:
    """`BadInput` where the place itself is wrong, `StateTrouble` where that may pass: a full disk, a lock."""
    number = getattr(error, "errno", None)
    about = {"where": str(where), "fix": fix}
    text = f"{what} cannot be used ({os.strerror(number) if number else error})"
    return BadInput(text, **about) if number and number not in PASSING else StateTrouble(text, **about)


class StateDir:
    """`STATE/`: `id`, `locks/`, a daemon's wake index. Made with mode 0700 at first use of `prepare`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Make it, if it is not there. `BadInput` where that cannot be done, `StateTrouble` where it cannot now.

        May be called twice, and by several processes at once.
        """
        try:
            for each in (self.path, self.path / "locks"):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._id_file.exists():
                self._new_id()
        except OSError as error:
            raise unusable("the state directory", self.path, error, fix="see its disk and its mode, or give another with --state") from None

    @property
    def _id_file(self) -> Path:
        return self.path / "id"

    def _new_id(self) -> None:
        """Two processes may meet here: the first link wins."""
        mine = self.path / f".id.{secrets.token_hex(8)}"
        mine.write_text(secrets.token_hex(16))
        try:
            os.link(mine, self._id_file)
        except FileExistsError:
            pass  # another process was faster, and its id is as good
        finally:
            mine.unlink()

    def lock_file(self, chain: str) -> Path:
        """The lock of the spec with this audit chain."""
        name = quote(chain, safe="")
        if len(name) > LONGEST_NAME:
            name = hashlib.sha256(chain.encode()).hexdigest()
        return self.path / "locks" / f"{name}.lock"

    def take(self, chain: str) -> Lock | None:
        """The spec's lock, or None while another process holds it.

        `BadInput` where it cannot be had, `StateTrouble` where that may pass.
        """
        path = self.lock_file(chain)
        try:
            while True:
                lock = Lock(path)
                if not lock.taken:
                    return None
                if lock.same_as(path):
                    lock.home = self._home(lock.inode)
                    return lock
                lock.release()  # it was unlinked and made anew meanwhile
        except OSError as error:
            raise unusable("the lock of this spec", Path(error.filename or path), error, fix=OURS) from None

    def free(self, chain: str) -> str | None:
        """(reads) The home that `take` would give, if the lock is there and nobody holds it: for dry-run, which takes none.

        None where that cannot be told (no Linux): a dead runner's lease then looks like a living one's.
        """
        try:
            seen, held = self.lock_file(chain).stat(), HELD.read_text()
            home = self._home(f"{seen.st_dev}:{seen.st_ino}")
        except OSError:
            return None
        taken = any(" FLOCK " in line and f":{seen.st_ino} " in line for line in held.splitlines())
        return None if taken else home

    def _home(self, inode: str) -> str:
        return f"{self._id_file.read_text()}:{BOOT_ID.read_text().strip()}:{inode}"


def open_lock(path: Path) -> int:
    """A descriptor of this file, made where it is missing. `OSError`.

    What root makes belongs to the folder's owner, as SQLite has it: a command that root gave by hand, and was refused, would lock out
    whoever runs rotator. Only a file that is new is given away: another may be a link.
    """
    how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        made = os.open(path, how | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, how, 0o600)
    folder = path.parent.stat()
    if os.geteuid() == 0 and folder.st_uid != 0:
        with suppress(PermissionError):  # a root without that capability: all of its files are its own
            os.fchown(made, folder.st_uid, folder.st_gid)
    return made


class Lock:
    """An flock: it goes with its process, however that ends. A forked child lets go of it, or it would outlive us."""

    def __init__(self, path: Path) -> None:
        self.home = ""
        self.fd = open_lock(path)
        os.register_at_fork(after_in_child=self._close)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.taken = True
        except BlockingIOError:
            self.taken = False
            self._close()
            return
        seen = os.fstat(self.fd)
        self.inode = f"{seen.st_dev}:{seen.st_ino}"

    def same_as(self, path: Path) -> bool:
        """Whether the file at this path is still the one that we locked."""
        try:
            there = path.stat()
        except FileNotFoundError:
            return False
        return self.inode == f"{there.st_dev}:{there.st_ino}"

    def release(self) -> None:
        """Let go; may be called twice."""
        self._close()

    def _close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
