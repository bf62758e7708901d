"""An env file as a destination: `KEY=value` lines that a service reads when it starts.

    destinations:
      billing-env: {type: env_file, path: /etc/billing/env, mode: "0640", group: billing}

and in a schedule `publish: [{destination: billing-env, keys: {API_TOKEN: secret}}]`. Only the named keys are set; other lines, comments,
their order, `export`, line ends, owner, group, mode, access control list stay as they are. The file is replaced as a whole: readers see the
old one or the new. A missing file is made (mode 0600 unless `mode` says otherwise), a missing directory is an error.

The runner needs to write in the file's directory, where it also keeps a lock file, `.NAME.lock`. In a container mount the directory, not
the file: a file that is itself a mount point cannot be replaced, and a mounted file would go on showing the old content. Values outside
`[A-Za-z0-9_.~-]` are refused unless `quote: shell` or `quote: dotenv` says who reads the file; a symbolic link is refused unless
`follow: true`. An env file has no room for a generation: a writer that comes late is seen and mended by the next run.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import field_validator

from rotator.destination import Denied, Destination, Finding, Level, Place, PortError, Refused, Runtime, Secret, Settings
from rotator.destinations.dotenv import NAME, EnvText, Quote
from rotator.files import PRIVATE_FILE, Disk, Folder, answers
from rotator.seam import Seam
from rotator.settings import LocalPath
from rotator.values import refuse_unfit

MOST = 1 << 20
"""Bytes of an env file."""


class EnvFileSettings(Settings):
    """`type: env_file` in rotator.yaml."""

    path: LocalPath
    mode: str | None = None
    """Octal, as chmod takes it; left out: as the file has it, 0600 for a new one."""
    owner: str | None = None
    """A name or a number; left out: as the file has it."""
    group: str | None = None
    quote: Quote = Quote.NONE
    follow: bool = False
    """Whether the path may be a symbolic link; the file that it leads to is replaced."""

    @field_validator("mode")
    @classmethod
    def _octal(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"0?[0-7]{3}", value):
            raise ValueError('write the mode as chmod takes it, in quotes: "0640"')
        return value


class EnvFile(Destination[EnvFileSettings]):
    """Named keys of one env file. What a place's `path` says is not read: the file is the owner's choice."""

    settings = EnvFileSettings

    def __init__(self, settings: EnvFileSettings, runtime: Runtime, *, disk: Disk | None = None, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        self._disk, self._seam = disk or Disk(), seam or Seam()

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:  # noqa: ARG002 - there is no room for them
        """Set all keys in one replacement of the file, under its lock. Does nothing where it is already so."""
        refuse_unfit(values)
        _names(place.keys)
        path = self._file()
        with self._folder(path, f"write {path}") as (folder, name), folder.lock(f".{name}.lock", self.runtime.timeout * 0.9, self._seam):
            folder.sweep(name)
            old, about = _read(folder, name, path)
            new = self._text(old, values, path).replaced({key: each.reveal() for key, each in values.items()})
            dress = self._dress(about)
            if about is None or new != old or dress != (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid):
                mode, uid, gid = dress
                folder.replace(name, new.encode("utf-8", "surrogateescape"), mode=mode, uid=uid, gid=gid, like=about is not None)
            else:
                folder.sync(name)

    def published(self, place: Place) -> Mapping[str, Secret]:
        """Read and parsed afresh, without a lock: the file is replaced as a whole."""
        _names(place.keys)
        path = self._file()
        with self._folder(path, f"read {path}") as (folder, name):
            old, _ = _read(folder, name, path)
        return {key: Secret(value) for key, value in self._text(old, place.keys, path).values().items()}

    def check(self) -> list[Finding]:
        """Whether the file can be replaced, and who else can read it."""
        try:
            path = self._file()
            with self._folder(path, f"read {path}") as (folder, name):
                _, about = _read(folder, name, path)
                mode, _, _ = self._dress(about)
                writable, shared = os.access(folder.path, os.W_OK | os.X_OK), os.fstat(folder.fd).st_mode & (stat.S_IWOTH | stat.S_ISVTX)
        except PortError as error:
            return [Finding(Level.FAIL, "place.missing", error.what, error.fix)]
        return list(_findings(path, folder.path, mode, writable=writable, shared=shared == stat.S_IWOTH))

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

    def _text(self, old: str, names: Any, path: str) -> EnvText:
        return EnvText(old, names, self.config.quote, path)

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


def _findings(path: str, parent: str, mode: int, *, writable: bool, shared: bool) -> Iterator[Finding]:
    if not writable:
        text = f"{parent} is not writable for us: the file cannot be replaced"
        yield Finding(Level.FAIL, "privilege.missing", text, "let the user that runs rotator write in that directory")
    if shared:
        yield Finding(Level.WARN, "fitness", f"every user of this machine can replace {path}", f"chmod o-w {parent}")
    if mode & 0o007:
        yield Finding(Level.WARN, "fitness", f"{path} can be read by every user of this machine", f"chmod o= {path}")


def _names(names: Mapping[str, str]) -> None:
    if not names:
        raise Refused("an env file needs `keys`: which name stands for which field", "write keys: {NAME: field} beside the destination")
    for each in names:
        if not NAME.fullmatch(each):
            raise Refused(f"{each!r} cannot be a name in an env file", "use letters, digits and _, beginning with no digit")


def _id(kind: str, name: str, look_up: Callable[[str], int]) -> int:
    """The number of a user or group."""
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return look_up(name)
    except KeyError:
        raise Denied(f"there is no {kind} {name} on this machine", f"create it, or name another {kind}") from None
