"""References to secrets: read at the moment of use, and checked before, without being kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rotator.errors import BadInput
from rotator.files import read_secret_file, refuse_loose
from rotator.model import Place, Secret
from rotator.settings import EnvRef, FileRef, Settings, StoreRef

if TYPE_CHECKING:
    from rotator.load.config import Config

Ref = EnvRef | FileRef | StoreRef


def references(value: Any) -> Iterator[Ref]:
    """Every reference in these settings, however deep."""
    for _, ref in located(value):
        yield ref


def located(value: Any, where: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Ref]]:
    """The same, each with the keys that lead to it."""
    if isinstance(value, Ref):
        yield where, value
    elif isinstance(value, Settings):
        for name, field in type(value).model_fields.items():
            yield from located(getattr(value, name), (*where, field.alias or name))
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from located(each, (*where, name))
    elif isinstance(value, tuple | list):
        for index, each in enumerate(value):
            yield from located(each, (*where, index))


class Revealer:
    """Reads references of one configuration: environment variables, files beside `rotator.yaml`, fields in stores. Keeps nothing."""

    def __init__(self, config: Config, timeout: float = 10.0) -> None:
        self._config, self._timeout = config, timeout

    def reveal(self, ref: Ref) -> Secret:
        """The secret. Raises `BadInput` where it is not there, empty, no text, or open to others; a store's trouble is a `PortError`."""
        if isinstance(ref, EnvRef):
            secret = Secret(_whole(os.environ.get(ref.env, ""), ref))
        elif isinstance(ref, FileRef):
            secret = read_secret_file(self._path(ref), "the secret file")
        else:
            return self._from_store(ref)
        if not secret.reveal():
            raise _empty(ref)
        return secret

    def check(self, ref: Ref) -> None:
        """Raise `BadInput` where it is not set, not readable or open to others; keeps no value, and asks no store."""
        if isinstance(ref, EnvRef):
            if not _whole(os.environ.get(ref.env, ""), ref):
                raise _empty(ref)
        elif isinstance(ref, FileRef):
            path = self._path(ref)
            refuse_loose(path, "the secret file")
            if not os.access(path, os.R_OK):
                raise BadInput(f"the secret file {path} cannot be read", fix="let the user that runs rotator own it, mode 600")
            if not os.stat(path).st_size:  # noqa: PTH116 - plain text, as YAML has it
                raise _empty(ref)
        elif ref.store not in self._config.stores:
            raise _unknown(ref)

    def _path(self, ref: FileRef) -> str:
        return str(self._config.root / ref.file)

    def _from_store(self, ref: StoreRef) -> Secret:
        from rotator.load.plugins import store_class
        from rotator.target import Runtime

        entry = self._config.stores.get(ref.store)
        if entry is None:
            raise _unknown(ref)
        runtime = Runtime(reveal=self.reveal, now=lambda: datetime.now(UTC), timeout=self._timeout)
        store = store_class(entry.type)(entry.settings, runtime)
        try:
            secret = store.published(Place(ref.store, ref.path)).get(ref.field)
        finally:
            store.close()
        if secret is None or not secret.reveal():
            raise _empty(ref)
        return Secret(_whole(secret.reveal(), ref))


def _whole(text: str, ref: EnvRef | StoreRef) -> str:
    """It can be encoded. Else the error of whoever tries would carry it whole (docs.python.org, UnicodeError.object)."""
    if any("\ud800" <= each <= "\udfff" for each in text):
        what = f"the environment variable {ref.env}" if isinstance(ref, EnvRef) else f"field {ref.field} of store {ref.store} at {ref.path}"
        raise BadInput(f"{what} is no UTF-8 text", fix="write it as text, for instance base64")
    return text


def _empty(ref: Ref) -> BadInput:
    if isinstance(ref, EnvRef):
        return BadInput(f"the environment variable {ref.env} is not set, or empty", fix="set it for the user that runs rotator")
    if isinstance(ref, FileRef):
        return BadInput(f"the secret file {ref.file} is empty", fix="write the secret into it, mode 600")
    return BadInput(f"store {ref.store} shows no field {ref.field} at {ref.path}", fix="put it there, or correct the reference")


def _unknown(ref: StoreRef) -> BadInput:
    return BadInput(f"a secret reference names the store {ref.store}, which rotator.yaml does not have", fix="correct the reference")
