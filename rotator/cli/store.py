"""`rotator store`: work on a store itself."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rotator.cli import Options
from rotator.errors import BadInput, Corrupt, Exit, PortError

if TYPE_CHECKING:
    from rotator.load import Loaded
    from rotator.load.config import Config, Connection
    from rotator.spec import RotationSpec
    from rotator.stores.file import FileStore

NEW, OLD, LEASED = "rewritten", "already", "leased"
"""What became of a document; another word is what was wrong with it."""


@click.group("store")
def command() -> None:
    """Work on a store itself."""


@command.command("rekey")
@click.argument("name", required=False)
@click.pass_obj
def rekey(options: Options, name: str | None) -> int:
    """Seal every record and value of a file store with the first of its `keys`.

    NAME is the store's in rotator.yaml; it may be left out where there is one file store. What a run holds the lease of is left as it
    is: run this again. May be interrupted, and run again. When nothing is left, the other keys may be removed; what you keep of older
    backups of the store still needs them.
    """
    from rotator.audit import EventName, Result
    from rotator.cli import render
    from rotator.cli.runs import held_ledger, tell
    from rotator.cli.stores import open_stores

    loaded = options.load_lenient()
    config = loaded.config
    with held_ledger(loaded), open_stores(config) as stores:
        name, store = _chosen(stores, name)
        became = {f"{kind}/{path}": _one(store, kind, path) for kind, path in store.documents()}
        key = store.key_id
    counts = Counter(became.values())
    left = {path: state for path, state in became.items() if state not in (NEW, OLD)}
    reason = f"store {name}, key {key}: {counts[NEW]} rewritten, {counts[OLD]} already, {len(left)} left"
    tell(config, EventName.REKEYED, Result.FAILURE if left else Result.SUCCESS, reason=reason)
    code = Exit.FAILED if left else Exit.DONE
    if options.json:
        found = [{"document": path, "why": state} for path, state in left.items()]
        counted = {"rewritten": counts[NEW], "already": counts[OLD], "left": found}
        render.as_json({"exit": int(code), "store": name, "key": key, **counted})
        return code
    if left:
        render.table(["DOCUMENT", "LEFT"], [[path, state] for path, state in left.items()])
    click.echo(f"store {name}: {counts[NEW]} documents sealed with key {key} now, {counts[OLD]} were before, {len(left)} are left")
    click.echo("run it again when the runs have ended" if left else f"all other keys of store {name} may be removed")
    return code


@command.command("move")
@click.argument("name")
@click.option("--to", "to", metavar="STORE", required=True, help="The store's name in rotator.yaml.")
@click.option("--from", "origin", metavar="STORE", help="Where the record is.  [default: the store in the schedule]")
@click.option("--overwrite", is_flag=True, help="What the path that consumers read there shows may be lost.")
@click.pass_obj
def move(options: Options, name: str, to: str, origin: str | None, overwrite: bool) -> int:
    """Take the record of the spec NAME, and what consumers read, to the same path of another store.

    The copy is written, shown to consumers, read back, and what was read logs in; then the old record is emptied: it keeps no secret, and
    says where the new one is. The old place is left as it is. Cut off: run it again. When it is done, write the new
    store in the schedule: until then nothing is rotated. With `--from` the schedule may name either store already.
    """
    from rotator.cli.runs import acting, finish, make_job, new_runner, trigger
    from rotator.rotate import Move

    loaded, specs = acting(options, [name])
    if not specs:
        return finish(options, loaded, [])
    spec = specs[0].in_store(_store(loaded.config, origin).named) if origin else specs[0]
    asked = Move(_there(options, loaded, spec, to), overwrite)
    job = make_job(loaded, spec, options=options, command=asked, named=True, trigger=trigger(human=True))
    return finish(options, loaded, [new_runner(loaded).only(job)])


def _store(config: Config, name: str) -> Connection:
    """The store of this name. `BadInput` where there is none."""
    if name not in config.stores:
        raise BadInput(f"no store is called {name!r}", fix=f"the stores are: {', '.join(config.stores)}")
    return config.stores[name]


def _there(options: Options, loaded: Loaded, spec: RotationSpec, to: str) -> RotationSpec:
    """The same spec in the other store. `BadInput` where it may not be there."""
    config = loaded.config
    store, limits = _store(config, to), config.connections[spec.connection.name].allow
    if to == spec.store.name:
        raise BadInput(f"{to} is the store in the schedule", where=spec.source, fix="if its record is still in another: --from STORE")
    if limits and not limits.store(to, spec.path):
        raise BadInput(f"connection `{spec.connection.name}` does not allow {to}:{spec.path}", fix="see its `allow` in rotator.yaml")
    folder = options.schedules or Path(options.config).parent / "schedules"
    if store.allow and not store.allow.schedule(os.path.relpath(spec.source.rpartition(":")[0], folder)):
        raise BadInput(f"store `{to}` is not for this schedule file", where=spec.source, fix="see its `allow` in rotator.yaml")
    for each in loaded.specs:
        if (each.store.name, each.path) == (to, spec.path) and each.name != spec.name:
            raise BadInput(
                f"the path {spec.path} in the store {to} belongs to {each.name}", where=each.source, fix="give one of them another path"
            )
    return spec.in_store(store.named)


def _one(store: FileStore, kind: str, path: str) -> str:
    """What became of one document; one that does not open stops no other."""
    try:
        changed = store.rekey(kind, path, datetime.now(UTC).timestamp())
    except (PortError, Corrupt) as error:
        return str(error)
    return LEASED if changed is None else NEW if changed else OLD


def _chosen(stores: dict[str, Any], name: str | None) -> tuple[str, FileStore]:
    """The store that is meant. `BadInput` where there is none, or more than one."""
    from rotator.stores.file import FileStore

    ours = {each: store for each, store in stores.items() if isinstance(store, FileStore)}
    if name is None and len(ours) == 1:
        return next(iter(ours.items()))
    if name in ours:
        return name, ours[name]
    known = ", ".join(ours) or "none"
    if name is None:
        raise BadInput("say which store is meant", fix=f"the stores of type file are: {known}")
    raise BadInput(f"{name} is no store of type file", fix=f"the stores of type file are: {known}; others change their keys themselves")
