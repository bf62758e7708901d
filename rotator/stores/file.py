"""The file store: encrypted records and values on a local disk.

    stores:
      local: {type: file, path: var/store, key: {file: var/store.key}}

`path` is a directory of the runner's own (mode 0700) that holds `records/` and `values/`; `prepare` makes it. A directory without these
two is taken for a mount that is not there, never for an empty store. `key` refers to the base64 of 32 random bytes
(`(umask 077; openssl rand -base64 32 > var/store.key)`). To change the key, write `keys:` in its place, the new one first:
`keys: [{id: k2, file: var/new.key}, {id: k1, file: var/store.key}]`; a single `key` is called k1. The first seals, each of them opens;
`rotator store rekey` seals all that is there with the first, and then the others can go.

The record of path `orders/db` is the file `records/orders/db.rec`, what consumers see is `values/orders/db.rec`; `orders/db.lock` beside
each of them serialises its writers and is never removed. No part of a path but its last may therefore end in `.rec` or `.lock`.
Network file systems are refused, since locks there may be another machine's business, unless `allow_network_fs: true`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import model_validator

from rotator.errors import Conflict, Corrupt, Denied, PortError, Refused
from rotator.files import Disk, Folder, answers, file_system, is_remote, looseness
from rotator.model import Finding, Level, Place, Secret, same_values
from rotator.record import Record, from_document, to_document
from rotator.seam import Seam
from rotator.settings import LocalPath, SecretRef, Settings
from rotator.store import Runtime, Store
from rotator.stores.envelope import Keyring, Opened, head_of, kid_of
from rotator.values import LATER, refuse_unfit

RECORDS, VALUES = "records", "values"
COMPONENT_MOST = 200
"""Characters of one part of a path: with our suffixes it stays a file name."""
ENVELOPE_MOST = 1 << 20
_COMPONENT = re.compile(rf"[A-Za-z0-9._-]{{1,{COMPONENT_MOST}}}")
_CLASH = (".rec", ".lock")


class StoreKey(Settings):
    """One of several keys: its id, and the reference to it."""

    id: str
    ref: SecretRef

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """`{id: k2, file: var/new.key}` as it is written."""
        if isinstance(value, Mapping) and "ref" not in value:
            return {"id": value.get("id"), "ref": {key: each for key, each in value.items() if key != "id"}}
        return value


class FileStoreSettings(Settings):
    """`type: file` in rotator.yaml."""

    path: LocalPath
    key: SecretRef | None = None
    keys: tuple[StoreKey, ...] = ()
    allow_network_fs: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> FileStoreSettings:
        if (self.key is None) == (not self.keys):
            raise ValueError("give either `key`, or `keys` with the one that encrypts first")
        if len({each.id for each in self.keys}) < len(self.keys):
            raise ValueError("two of `keys` have the same id")
        return self

    @property
    def ring(self) -> list[tuple[str, SecretRef]]:
        """Ids and references, the one that encrypts first."""
        return [("k1", self.key)] if self.key is not None else [(each.id, each.ref) for each in self.keys]


@dataclass(frozen=True, eq=False)
class Values:
    """What consumers of a path are shown, and of which version."""

    version: str
    generation: int
    fields: Mapping[str, Secret]


def prepare(path: str) -> None:
    """Make the directories of a new store, mode 0700; what is there already stays. Raises `PortError`."""
    with answers(f"make the store {path}"):
        for each in (path, os.path.join(path, RECORDS), os.path.join(path, VALUES)):  # noqa: PTH118 - plain text, as YAML has it
            os.makedirs(each, mode=0o700, exist_ok=True)  # noqa: PTH103 - as above


class FileStore(Store[FileStoreSettings]):
    """Records and values under one directory, each replaced as a whole under its lock."""

    settings = FileStoreSettings

    def __init__(self, settings: FileStoreSettings, runtime: Runtime, *, disk: Disk | None = None, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        self._disk, self._seam = disk or Disk(), seam or Seam()
        self._ring = Keyring(settings.ring, runtime.reveal)
        self._swept: set[tuple[str, str]] = set()
        self._local: set[int] = set()

    # ---- records

    def read(self, path: str) -> Record:
        """See `Store.read`."""
        found = self._read(RECORDS, path)
        return from_document(found.document, found.revision) if found else Record()

    def write(self, path: str, record: Record) -> Record:
        """See `Store.write`. Written with the first key, so reading and writing a record is how it moves to a new key."""
        plain = self._encode(f"record {path}", to_document(record))
        with self._locked(RECORDS, path) as (folder, name):
            data = self._sealed(folder, name)
            rev, held = head_of(path, data) if data is not None else (0, None)
            if held != record.revision:
                return self._settle(path, record, self._ring.open(RECORDS, path, data) if data is not None else None, folder, name)
            sealed, revision = self._ring.seal(RECORDS, path, rev + 1, plain)
            folder.replace(name, sealed)
        return record.but(revision=revision)

    def _settle(self, path: str, record: Record, found: Opened | None, folder: Folder, name: str) -> Record:
        """The head is not the one this write replaces: either this very write landed earlier and its answer was lost, or we are late.

        Where another wrote after us, the revision stays the old one, so that our next write is a conflict.
        """
        head = from_document(found.document, found.revision) if found else Record()
        if not record.writes or record.writes[-1] not in head.writes:
            raise Conflict(f"record {path} was changed by another runner")
        folder.sync(name)
        return record.but(revision=head.revision if head.writes[-1] == record.writes[-1] else record.revision)

    def paths(self) -> list[str]:
        """All records; what is none of ours is passed over."""
        with answers("list records"), ExitStack() as opened:
            return sorted(_walk(self._kind(opened, RECORDS), ""))

    # ---- what consumers see

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """The whole document of the path is ours: there are no siblings. A lower generation than the one held is `Refused`."""
        refuse_unfit(values)
        document = {"version": version, "generation": generation, "fields": {key: each.reveal() for key, each in values.items()}}
        plain = self._encode(f"values {place.path}", document)
        with self._locked(VALUES, place.path) as (folder, name):
            found = self._open(VALUES, place.path, folder, name)
            held = _values(place.path, found) if found else None
            if held and held.generation > generation:
                raise Refused(f"values {place.path} are of generation {held.generation}, later than {generation}", LATER)
            if held and (held.version, held.generation) == (version, generation) and same_values(held.fields, values):
                return folder.sync(name)
            sealed, _ = self._ring.seal(VALUES, place.path, found.rev + 1 if found else 1, plain)
            folder.replace(name, sealed)
        return None

    def published(self, place: Place) -> Mapping[str, Secret]:
        """Opened and decrypted afresh. Takes no lock."""
        shown = self.values_of(place.path)
        if shown is None:
            return {}
        return {key: each for key, each in shown.fields.items() if not place.keys or key in place.keys}

    def values_of(self, path: str) -> Values | None:
        """(reads) What consumers of `path` are shown, None where nothing is: all that `rotator get` opens. Takes no lock."""
        found = self._read(VALUES, path)
        return _values(path, found) if found else None

    # ---- both

    @property
    def key_id(self) -> str:
        """The id of the key that seals."""
        return self._ring.first

    def documents(self) -> list[tuple[str, str]]:
        """Every file of records and of values, as kind and path."""
        with answers("list the store"), ExitStack() as opened:
            return [(kind, path) for kind in (RECORDS, VALUES) for path in sorted(_walk(self._kind(opened, kind), ""))]

    def rekey(self, kind: str, path: str, now: float) -> bool | None:
        """(changes) Seal a file with the first key: True where it was not, False where it was, None while a run holds its lease.

        May be called twice. What stands in it stays; a record's revision is another afterwards, so a run that read it before and has not
        claimed yet ends with a conflict. Raises `PortError`, and `Corrupt` where no key of ours opens it.
        """
        with self._locked(kind, path) as (folder, name):
            data = self._sealed(folder, name)
            if data is None or kid_of(path, data) == self._ring.first:
                return False
            found = self._ring.open(kind, path, data)
            lease = from_document(found.document, found.revision).lease if kind == RECORDS else None
            if lease and lease.until > now:
                return None
            sealed, _ = self._ring.seal(kind, path, found.rev + 1, self._encode(f"{kind} {path}", found.document))
            folder.replace(name, sealed)
        return True

    def check(self) -> list[Finding]:
        """Both directories are there and ours alone, and the first record that is found opens. A key that cannot be read is `BadInput`."""
        self._ring.check()
        findings = []
        for probe in (self._probe_records, self._probe_values):
            try:
                probe()
            except (PortError, Corrupt) as error:
                findings.append(Finding(Level.FAIL, "store", error.what, error.fix))
        return findings[:1] if len({each.text for each in findings}) == 1 else findings

    def _probe_records(self) -> None:
        with answers("list records"), ExitStack() as opened:
            first = next(_walk(self._kind(opened, RECORDS), ""), None)
        if first is not None:
            self.read(first)

    def _probe_values(self) -> None:
        with ExitStack() as opened:
            self._kind(opened, VALUES)

    def close(self) -> None:
        """Forget the keys; no file stays open between two calls."""
        self._ring.forget()

    # ---- files

    def _encode(self, what: str, document: Mapping[str, Any]) -> bytes:
        plain = json.dumps(document, separators=(",", ":")).encode()
        if len(plain) > self.limits.max_bytes:
            raise Refused(f"{what} would have {len(plain)} bytes, more than {self.limits.max_bytes}", "shorten the fields")
        return plain

    def _read(self, kind: str, path: str) -> Opened | None:
        """Open and decrypt afresh. Readers take no lock: a file is replaced as a whole."""
        with answers(f"read {kind} {path}"), ExitStack() as opened:
            try:
                folder, name = self._folder(opened, kind, path, make=False)
            except FileNotFoundError:
                return None
            return self._open(kind, path, folder, name)

    def _open(self, kind: str, path: str, folder: Folder, name: str) -> Opened | None:
        data = self._sealed(folder, name)
        return self._ring.open(kind, path, data) if data is not None else None

    def _sealed(self, folder: Folder, name: str) -> bytes | None:
        """A file as it stands, if only we could write it; None where there is none."""
        found = folder.read(name, ENVELOPE_MOST)
        if found is None:
            return None
        data, about = found
        _refuse_loose(looseness(about), os.path.join(folder.path, name), "600")  # noqa: PTH118 - plain text
        return data

    @contextmanager
    def _locked(self, kind: str, path: str) -> Iterator[tuple[Folder, str]]:
        """The folder and the file's name, under the lock of that path; what killed writers left is swept once."""
        with answers(f"write {kind} {path}"), ExitStack() as opened:
            folder, name = self._folder(opened, kind, path, make=True)
            wait = self.runtime.timeout * 0.9  # ends before the call's own deadline does, so that the message says why
            opened.enter_context(folder.lock(name.removesuffix(".rec") + ".lock", wait, self._seam))
            if (kind, path) not in self._swept:
                folder.sweep(name)
                self._swept.add((kind, path))
            yield folder, name

    def _folder(self, opened: ExitStack, kind: str, path: str, *, make: bool) -> tuple[Folder, str]:
        """The directory of a path's file, and the file's name. `FileNotFoundError`: the directory was not made yet."""
        *parents, last = _components(path)
        folder = self._kind(opened, kind)
        for each in parents:
            folder = opened.enter_context(folder.sub(each, make=make))
            _refuse_loose(folder.looseness(), folder.path, "700")
        return folder, f"{last}.rec"

    def _kind(self, opened: ExitStack, kind: str) -> Folder:
        """`records/` or `values/`. Missing is a mount that is not there, and no empty store."""
        root = self.config.path
        try:
            with answers(f"open the store {root}"):
                top = opened.enter_context(Folder.open(root, self._disk))
                folder = opened.enter_context(top.sub(kind))
        except Denied as error:
            if error.code != "ENOENT":
                raise
            folders = shlex.join([root, f"{root}/{RECORDS}", f"{root}/{VALUES}"])
            fix = f"is it mounted? For a new store: mkdir -p -m 700 {folders}"
            raise Denied(f"there is no store at {root}", fix, error.code) from None
        for each in (top, folder):
            _refuse_loose(each.looseness(), each.path, "700")
        self._refuse_remote(folder, root)
        return folder

    def _refuse_remote(self, folder: Folder, root: str) -> None:
        """Locks must hold: asked once for each device."""
        device = os.fstat(folder.fd).st_dev
        if self.config.allow_network_fs or device in self._local:
            return
        type = file_system(folder.fd)
        if is_remote(type):
            raise Denied(f"the store {root} is on {type}, where locks may not hold", "use a local disk, or set allow_network_fs: true")
        self._local.add(device)


def _components(path: str) -> list[str]:
    """The parts of a store path. Raises `Refused` where it is none."""
    parts = path.split("/")
    if not all(_COMPONENT.fullmatch(each) and each not in (".", "..") for each in parts):
        raise Refused(f"{path!r} is no store path", "write [A-Za-z0-9._-]+ joined by /, never . or .., each part at most 200 characters")
    if any(each.endswith(_CLASH) for each in parts[:-1]):
        raise Refused(f"{path!r}: no part but the last may end in .rec or .lock", "choose another path: these name the store's own files")
    return parts


def _refuse_loose(wrong: str | None, path: str, mode: str) -> None:
    if wrong:
        raise Denied(f"{path} {wrong}", f"chown it to the user that runs rotator, or to root; chmod {mode} {shlex.quote(path)}")


def _values(path: str, found: Opened) -> Values:
    document = found.document
    try:
        fields = {key: Secret(value) for key, value in document["fields"].items()}
        return Values(document["version"], document["generation"], fields)
    except (KeyError, AttributeError):
        pass
    raise Corrupt(f"values {path} are no document of ours", fix="remove the file; the next run publishes it again")


def _walk(folder: Folder, prefix: str) -> Iterator[str]:
    """The paths of all records below."""
    with os.scandir(folder.fd) as found:
        for each in found:
            name = each.name.removesuffix(".rec")
            if not _COMPONENT.fullmatch(name):
                continue
            if each.is_dir(follow_symlinks=False):
                with folder.sub(each.name) as inner:
                    yield from _walk(inner, f"{prefix}{each.name}/")
            elif each.name.endswith(".rec") and each.is_file(follow_symlinks=False):
                yield prefix + name
