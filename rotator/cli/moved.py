"""What `status` says of records that moved, or began to: which of two counts, and the command that ends a move which was cut off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rotator.errors import RotatorError
from rotator.record import FORMAT
from rotator.seam import Interrupted, Seam

if TYPE_CHECKING:
    from rotator.record import Record
    from rotator.spec import RotationSpec
    from rotator.store import Store

PATIENCE = 15.0
"""Seconds for one store."""


def command(name: str, source: str, to: str) -> str:
    """The move of a spec's record between these two `STORE:PATH`."""
    return f"`rotator store move {name} --from {source.partition(':')[0]} --to {to.partition(':')[0]}`"


def of_spec(name: str, here: str, record: Record, stores: Mapping[str, Store[Any]]) -> tuple[str, str]:
    """Of the record of a spec that says that another counts: where that stands, and what to do. `here`: where this one does."""
    to, wrong = follow(name, here, record, stores)
    if wrong:
        return to, wrong
    store, _, path = to.partition(":")
    words = f"write `store: {{name: {store}, path: {path}}}` in the spec"
    return to, f"{words}, or bring the record here: {command(name, to, here)}" if record.known() else words


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
            return at, "each of the two says that the other counts: put one back from a backup; or remove both, and adopt"
        seen.add(at)
        last = there
    return at, "" if last.known() else f"no record stands at {at}: put it back from a backup of that store; or remove this one, and adopt"


def in_another_store(spec: RotationSpec, stores: dict[str, Store[Any]], told: Callable[[str], object] = str) -> str | None:
    """`STORE:PATH` of a record of this spec's credential at the same path of another store, if one is there.

    `told` hears of stores that cannot be asked; they leave `stores`, for one that does not answer takes its time at each question.
    """
    own = _read(spec.store.name, spec, stores, str)
    for name in list(stores):
        record = _read(name, spec, stores, told) if name != spec.store.name else None
        if record is None or (record.writes and own is not None and record.writes == own.writes):
            continue  # the second: the same file by another name
        holds = (record.known() or record.pending or record.doomed) and record.identity == spec.identity
        if record.format > FORMAT or (holds and record.elsewhere != spec.chain):
            return f"{name}:{spec.path}"
    return None


def _read(name: str, spec: RotationSpec, stores: dict[str, Store[Any]], told: Callable[[str], object]) -> Record | None:
    """What a store has at the spec's path; None where it cannot be asked."""
    try:
        with Seam().deadline(PATIENCE):
            return stores[name].read(spec.path)
    except RotatorError as error:
        wrong = str(error)
    except (Exception, Interrupted) as error:  # noqa: BLE001 - whatever a plugin raises, and only its type is shown
        wrong = "no answer" if isinstance(error, Interrupted) else type(error).__name__
    if name != spec.store.name:
        del stores[name]
    told(f"store {name} was not asked whether it has the record of {spec.name}: {wrong}")
    return None
