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
    to, wrong = follow(name, here, record, stores)
    if wrong:
        return wrong
    store, _, path = to.partition(":")
    words = f"write `store: {{name: {store}, path: {path}}}` in the spec"
    return f"{words}, or bring the record here: {command(name, to, here)}" if record.known() else words


def of_copy(here: str, record: Record, stores: Mapping[str, Store[Any]]) -> str:
    """The same of a record that no spec speaks of; nothing of one that only says where it went."""
    name = str(record.name)
    if not record.known():
        return ""
    to, wrong = follow(name, here, record, stores)
    back = command(name, here, to).rpartition(f"{name} ")[2]
    return wrong or f"a copy that does not count: {command(name, to, here)} ends its move, `{back} empties it"


def follow(name: str, here: str, record: Record, stores: Mapping[str, Store[Any]]) -> tuple[str, str]:
    """From one that was moved to the one that counts: where that stands; and what is wrong, where none does."""
    at, last, seen = here, record, set[str]()
    while last.elsewhere:
        before, at = at, last.elsewhere
        store, _, path = at.partition(":")
        if store not in stores:
            return at, f"{at}: no store of rotator.yaml has this name; write it there again"
        try:
            there = stores[store].read(path)
        except RotatorError as error:
            return at, f"{at}: {error}"
        if there.elsewhere == before and there.known() != last.known():
            return at, f"a move did not end: {command(name, *((at, before) if last.known() else (before, at)))}"
        if at in seen:
            return at, "each of the two says that the other counts: adopt anew"
        seen.add(at)
        last = there
    return at, "" if last.known() else f"no record stands at {at}: put it back from a backup of that store, or adopt anew"


def in_another_store(spec: RotationSpec, stores: dict[str, Store[Any]], told: Callable[[str], object] = str) -> str | None:
    """`STORE:PATH` of a record of this spec that counts, at the same path of another store.

    `told` hears of stores that cannot be asked; they leave `stores`, for one that does not answer takes its time at each question.
    """
    for name, store in list(stores.items()):
        if name == spec.store.name:
            continue
        try:
            record = store.read(spec.path)
        except RotatorError as error:
            del stores[name]
            told(f"store {name} was not asked whether it has the record of {spec.name}: {error}")
            continue
        if record.known() and not record.elsewhere and record.identity == spec.identity:
            return f"{name}:{spec.path}"
    return None
