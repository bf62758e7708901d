"""What `status` says of records that moved, or began to: which of two counts, and the command that ends a move which was cut off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rotator.errors import RotatorError

if TYPE_CHECKING:
    from rotator.record import Record
    from rotator.spec import RotationSpec
    from rotator.store import Store


def command(name: str, source: str, to: str) -> str:
    """The move of a spec's record between these two `STORE:PATH`."""
    return f"`rotator store move {name} --from {source.partition(':')[0]} --to {to.partition(':')[0]}`"


def of_spec(name: str, here: str, record: Record, stores: Mapping[str, Store[Any]]) -> str:
    """Of the record of a spec that says that another counts: what to do. `here`: where it stands."""
    to = str(record.elsewhere)
    found = _there(name, here, record, stores)
    if found:
        return found
    store, _, path = to.partition(":")
    words = f"write `store: {{name: {store}, path: {path}}}` in the spec"
    return f"{words}, or bring the record here: {command(name, to, here)}" if record.known() else words


def of_copy(here: str, record: Record, stores: Mapping[str, Store[Any]]) -> str:
    """The same of a record that no spec speaks of; nothing of one that only says where it went."""
    name, to = str(record.name), str(record.elsewhere)
    if not record.known():
        return ""
    back = command(name, here, to).rpartition(f"{name} ")[2]
    return _there(name, here, record, stores) or f"a copy that does not count: {command(name, to, here)} ends its move, `{back} empties it"


def in_another_store(spec: RotationSpec, stores: Mapping[str, Store[Any]], told: Callable[[str], object] = str) -> str | None:
    """`STORE:PATH` of a record of this spec that counts, at the same path of another store. `told` hears of stores that cannot be asked."""
    for name, store in stores.items():
        if name == spec.store.name:
            continue
        try:
            record = store.read(spec.path)
        except RotatorError as error:
            told(f"store {name} was not asked whether it has the record of {spec.name}: {error}")
            continue
        if record.known() and not record.elsewhere and record.identity == spec.identity:
            return f"{name}:{spec.path}"
    return None


def _there(name: str, here: str, record: Record, stores: Mapping[str, Store[Any]]) -> str:
    """What is wrong with where it points to; nothing where a record stands there that counts."""
    to = str(record.elsewhere)
    store, _, path = to.partition(":")
    if store not in stores:
        return "no store of rotator.yaml has this name; write it there again"
    try:
        there = stores[store].read(path)
    except RotatorError as error:
        return str(error)
    if there.elsewhere == here and there.known() != record.known():
        source, end = (to, here) if record.known() else (here, to)
        return f"a move did not end: {command(name, source, end)}"
    if there.elsewhere:
        return f"it went on to {there.elsewhere}" if there.elsewhere != here else "each of the two says that the other counts: adopt anew"
    return "" if there.known() else "no record stands there: put it back from a backup of that store, or adopt anew"
