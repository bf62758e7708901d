"""What destinations that are one file of this machine have in common: where it is, as whose it stands there, and how it is replaced.

A subclass says how keys are set in a text, and how they are found in one.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import ClassVar, TypeVar

from pydantic import field_validator

from rotator.destination import Denied, Destination, Finding, Level, Place, PortError, Refused, Runtime, Secret, Settings
from rotator.files import PRIVATE_FILE, Disk, Folder, answers
from rotator.seam import Seam
from rotator.settings import LocalPath
from rotator.values import refuse_unfit

MOST = 1 << 20
"""Bytes of such a file."""


_OPEN = {stat.S_IROTH: "every user of this machine may read the secret", stat.S_IWGRP: "the group may change the secret"}


def tighter(mode: int) -> str:
    """What to write instead of this mode: nothing for others, and no write for the group."""
    return f'write `mode: "{mode & ~(stat.S_IRWXO | stat.S_IWGRP):04o}"`'


class LocalFileSettings(Settings):
    """What every such file has in rotator.yaml."""

    path: LocalPath
    mode: str | None = None
    """Octal, as chmod takes it; left out: as the file has it, 0600 for a new one."""
    owner: str | None = None
    """A name or a number; left out: as the file has it."""
    group: str | None = None
    follow: bool = False
    """Whether the path may be a symbolic link; the file that it leads to is replaced."""

    @field_validator("mode")
    @classmethod
    def _octal(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"0?[0-7]{3}", value):
            raise ValueError('write the mode as chmod takes it, in quotes: "0640"')
        if value is not None and int(value, 8) & stat.S_IWOTH:
            raise ValueError(f"every user of this machine could change the secret: {tighter(int(value, 8))}")
        return value

    @property
    def openness(self) -> str | None:
        """Who else the `mode` lets read or change the secret, and what to write; a word at load. What lets everybody write is refused."""
        mode = int(self.mode or "0", 8)
        wrong = [text for bit, text in _OPEN.items() if mode & bit]
        return f"{' and '.join(wrong)}: {tighter(mode)}" if wrong else None


S = TypeVar("S", bound=LocalFileSettings)


class LocalFile(Destination[S]):
    """Named keys of one file. What a place's `path` says is not read: the file is the owner's choice."""

    kind: ClassVar[str]
    """What it is called in messages, with its article."""
    name: ClassVar[re.Pattern[str]]
    """What a key may be."""
    fix: ClassVar[str]
    """What to write where a key is something else."""

    def __init__(self, settings: S, runtime: Runtime, *, disk: Disk | None = None, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        self._disk, self._seam = disk or Disk(), seam or Seam()

    @abstractmethod
    def replaced(self, old: str, values: Mapping[str, str], path: str) -> str:
        """The text with these values; all else in it stays. `Foreign` where it cannot be told what is ours."""

    @abstractmethod
    def found(self, old: str, keys: Mapping[str, str], path: str) -> Mapping[str, str]:
        """The values of these keys, as a consumer reads them."""

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:  # noqa: ARG002 - there is no room for them
        """Set all keys in one replacement of the file, under its lock. Does nothing where it is already so."""
        refuse_unfit(values)
        self._names(place.keys)
        path = self._file()
        with self._folder(path, f"write {path}") as (folder, name), folder.lock(f".{name}.lock", self.runtime.timeout * 0.9, self._seam):
            folder.sweep(name)
            old, about = _read(folder, name, path)
            new = self.replaced(old, {key: each.reveal() for key, each in values.items()}, path)
            dress = self._dress(about)
            if about is None or new != old or dress != (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid):
                mode, uid, gid = dress
                folder.replace(name, new.encode("utf-8", "surrogateescape"), mode=mode, uid=uid, gid=gid, like=about is not None)
            else:
                folder.sync(name)

    def published(self, place: Place) -> Mapping[str, Secret]:
        """Read and parsed afresh, without a lock: the file is replaced as a whole."""
        self._names(place.keys)
        path = self._file()
        with self._folder(path, f"read {path}") as (folder, name):
            old, _ = _read(folder, name, path)
        return {key: Secret(value) for key, value in self.found(old, place.keys, path).items()}

    def check(self) -> list[Finding]:
        """Whether the file can be replaced, and who else can read it."""
        try:
            path = self._file()
            with self._folder(path, f"read {path}") as (folder, name):
                _, about = _read(folder, name, path)
                mode, uid, gid = self._dress(about)
                parent = os.fstat(folder.fd)
                writable, shared = os.access(folder.path, os.W_OK | os.X_OK), parent.st_mode & (stat.S_IWOTH | stat.S_ISVTX)
        except PortError as error:
            return [Finding(Level.FAIL, "place.missing", error.what, error.fix)]
        fix = f"chmod o= {quote(path)}" if self.config.mode is None else f"{tighter(mode)} at this destination in rotator.yaml"
        found = _findings(path, folder.path, mode, fix, writable=writable, shared=shared == stat.S_IWOTH)
        return [*_strangers(path, uid, gid, parent), *found]

    # ---- where, and as whose

    def _file(self) -> str:
        """The real path of the file."""
        path = os.path.abspath(self.config.path)  # noqa: PTH100 - Path.resolve would follow the link
        if not os.path.islink(path):  # noqa: PTH114 - plain text
            return path
        if not self.config.follow:
            raise Denied(f"{path} is a symbolic link, and replacing it would make it a file", "name the real file, or set follow: true")
        return os.path.realpath(path)

    @contextmanager
    def _folder(self, path: str, what: str) -> Iterator[tuple[Folder, str]]:
        parent, name = os.path.split(path)
        with answers(what), Folder.open(parent, self._disk) as folder:
            yield folder, name

    def _names(self, names: Mapping[str, str]) -> None:
        if not names:
            fix = "write keys: {NAME: field} beside the destination"
            raise Refused(f"{self.kind} needs `keys`: which name stands for which field", fix)
        for each in names:
            if not self.name.fullmatch(each):
                raise Refused(f"{each!r} cannot be a name in {self.kind}", self.fix)

    def _dress(self, about: os.stat_result | None) -> tuple[int, int, int]:
        """Mode, owner and group that the file shall have."""
        kept = (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid) if about else (PRIVATE_FILE, -1, -1)
        mode = int(self.config.mode, 8) if self.config.mode is not None else kept[0]
        uid = kept[1] if self.config.owner is None else _id("user", self.config.owner, lambda name: pwd.getpwnam(name).pw_uid)
        gid = kept[2] if self.config.group is None else _id("group", self.config.group, lambda name: grp.getgrnam(name).gr_gid)
        return mode, uid, gid


def _read(folder: Folder, name: str, path: str) -> tuple[str, os.stat_result | None]:
    """Its text (bytes that are no UTF-8 survive the way back), and what it is; nothing and None where there is none."""
    found = folder.read(name, MOST)
    if found is None:
        return "", None
    data, about = found
    if about.st_nlink > 1:
        fix = "make it a file of its own: the other names would go on showing the old secret"
        raise Denied(f"{path} has {about.st_nlink} names (hard links)", fix)
    return data.decode("utf-8", "surrogateescape"), about


def _findings(path: str, parent: str, mode: int, fix: str, *, writable: bool, shared: bool) -> Iterator[Finding]:
    if not writable:
        text = f"{parent} is not writable for us: the file cannot be replaced"
        yield Finding(Level.FAIL, "privilege.missing", text, "let the user that runs rotator write in that directory")
    if shared:
        yield Finding(Level.WARN, "fitness", f"every user of this machine can replace {path}", f"chmod o-w {quote(parent)}")
    if mode & stat.S_IRWXO:
        how = "read and changed" if mode & stat.S_IWOTH else "read"
        yield Finding(Level.WARN, "fitness", f"{path} can be {how} by every user of this machine", fix)


def _strangers(path: str, uid: int, gid: int, parent: os.stat_result) -> Iterator[Finding]:
    """Whose the file shall be, where we may not give it to them: only who has CAP_CHOWN may, or owns it and is in the group (chown(2))."""
    if _may_give():
        return
    us, ours = os.geteuid(), {os.getegid(), *os.getgroups()} | ({parent.st_gid} if parent.st_mode & stat.S_ISGID else set())
    if uid not in (-1, us):
        fix = f"`chown {us} {quote(path)}`, without `owner` in rotator.yaml, and let consumers read it by its `group` and `mode`"
        yield Finding(Level.FAIL, "privilege.missing", f"we may not give {path} to the user {uid}: only root could", fix)
    if gid not in (-1, *ours):
        fix = f"let the user that runs rotator be in the group {gid}, and start rotator anew; or name a `group` that it is in"
        yield Finding(Level.FAIL, "privilege.missing", f"we may not give {path} to the group {gid}: we are not in it", fix)


def _may_give() -> bool:
    """Whether this process has CAP_CHOWN (capabilities(7), proc(5)); where that is not told, whether it is root."""
    try:
        told = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        told = None
    return bool(int(told[1], 16) & 1) if told else os.geteuid() == 0


def _id(kind: str, name: str, look_up: Callable[[str], int]) -> int:
    """The number of a user or group."""
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return look_up(name)
    except KeyError:
        raise Denied(f"there is no {kind} {name} on this machine", f"create it, or name another {kind}") from None
