"""`rotator get`: what consumers of the file store see. An audited read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from rotator.cli import Options
from rotator.errors import BadInput, Exit


@click.command("get")
@click.argument("name")
@click.option("--field", metavar="F", help="Only this field, raw, and a newline.")
@click.option("--reason", default="no reason given", help="Why; it stands in the audit.")
@click.pass_obj
def command(options: Options, name: str, field: str | None, reason: str) -> int:
    """Print the current credential as consumers of the file store see it: as JSON, or one raw field.

    The event stands in the ledger before anything is printed. Works while another run holds the lease.
    """
    import json

    from rotator.audit import EventName
    from rotator.cli.runs import acting, choose, tell
    from rotator.load.plugins import store_class
    from rotator.load.secrets import Revealer
    from rotator.stores.file import FileStore
    from rotator.target import Runtime

    loaded, _ = acting(options, [name])
    spec = next(iter(choose(loaded, [name])), None)
    if spec is None:
        return Exit.BAD_INPUT
    runtime = Runtime(reveal=Revealer(loaded.config).reveal, now=lambda: datetime.now(UTC))
    store = store_class(spec.store.type)(spec.store.settings, runtime)
    if not isinstance(store, FileStore):
        raise BadInput(f"{spec.name} is kept in a store of type {spec.store.type}", fix="read it with that store's own client")
    values = store.values_of(spec.path)
    if values is None:
        raise BadInput(f"{spec.name} shows consumers nothing yet", fix=f"`rotator adopt {spec.name} …` first")
    if field is not None and field not in values.fields:
        raise BadInput(f"there is no such field; the fields are {', '.join(sorted(values.fields))}", where="--field")
    about: dict[str, Any] = {
        "spec": spec.name,
        "environment": spec.identity.environment,
        "store_path": spec.chain,
        "rotation": values.version,
    }
    tell(loaded.config, EventName.SECRET_READ, reason=reason, **about)
    plain = {key: each.reveal() for key, each in values.fields.items()}
    click.echo(plain[field] if field is not None else json.dumps(plain))
    return Exit.DONE
