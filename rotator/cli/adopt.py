"""`rotator adopt`: the first take-over of a credential."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rotator.cli import Options
from rotator.cli.humans import one
from rotator.errors import BadInput

if TYPE_CHECKING:
    from rotator.load import Loaded
    from rotator.spec import RotationSpec


@click.command("adopt")
@click.argument("name")
@click.option("--new", is_flag=True, help="Begin with a first rotation: the present secret is given up.")
@click.option(
    "--from", "source", metavar="SRC", help="The credential as one JSON object of the plugin's fields: env:NAME, file:PATH, or - (stdin)."
)
@click.option("--take-second", is_flag=True, help="Alternating: lock the second user, whoever uses it.")
@click.option("--drop-second", is_flag=True, help="Overlapping: drop the second secret, whoever uses it.")
@click.option("--retire", metavar="ID", help="Issue: this other id becomes the previous one and is revoked after its grace.")
@click.option("--overwrite", metavar="PLACE", multiple=True, help="What this place shows may be lost.")
@click.option("--forget-old", is_flag=True, help="Another system: what lives at the old one is gone, or is yours to end.")
@click.pass_obj
def command(  # noqa: PLR0917 - click passes each by its name
    options: Options,
    name: str,
    new: bool,
    source: str | None,
    take_second: bool,
    drop_second: bool,
    retire: str | None,
    overwrite: tuple[str, ...],
    forget_old: bool,
) -> int:
    """Take over a credential for the first time: the present one, proven to work, or (--new) a new one.

    Also the way out where somebody changed it by hand (`foreign_change`): what works now is given, or (--new) where nobody knows one that
    works. Refused while the current one works, and where another store has the record.

    Without --new and --from it is read as one JSON object from stdin, or asked for at a terminal. It never stands in an argument.
    """
    from rotator.cli.runs import choose
    from rotator.rotate import Adopt

    if new and source:
        raise click.UsageError("give either --new or --from")
    loaded = options.load_lenient()
    spec = next(iter(choose(loaded, [name])), None)
    if spec is not None:
        _refuse_where_another_store_has_it(loaded, spec)
    values = None if new or spec is None else read_credential(spec, source)
    asked = Adopt(new=new, take_second=take_second or drop_second, retire=retire, overwrite=frozenset(overwrite), forget_old=forget_old)
    return one(options, name, asked, values)


def _refuse_where_another_store_has_it(loaded: Loaded, spec: RotationSpec) -> None:
    """`BadInput`: two records of one credential would each rotate it. A store that cannot be asked is told, and stops nothing."""
    from rotator.cli import moved
    from rotator.cli.stores import open_stores

    with open_stores(loaded.config) as stores:
        there = moved.in_another_store(spec, stores, lambda text: click.echo(text, err=True))
    if there:
        raise BadInput(f"the record of {spec.name} stands at {there}", fix=f"run {moved.command(spec.name, there, spec.chain)}")


def read_credential(spec: RotationSpec, source: str | None) -> dict[str, str]:
    """The credential's fields. `BadInput` where they are not there or not these; no value is ever shown."""
    from rotator.load.plugins import target_class

    fields = target_class(spec.target.type).fields
    if source is None and sys.stdin.isatty():
        return _ask(spec, fields)
    where = source or "-"
    try:
        values = json.loads(_text(where))
    except ValueError:
        values = None
    if (
        not isinstance(values, dict)
        or not all(isinstance(each, str) and each for each in values.values())
        or not set(fields) <= set(values)
    ):
        raise BadInput(
            f"{'stdin' if where == '-' else where} is no JSON object with the texts {' and '.join(fields)}",
            fix=f'give {{"{fields[0]}": …, "{fields[1]}": …}}',
        )
    return values


def _ask(spec: RotationSpec, fields: tuple[str, str]) -> dict[str, str]:
    name = click.prompt(fields[0], default=spec.principals[0] if spec.is_set else None, err=True)
    return {fields[0]: name, fields[1]: click.prompt(fields[1], hide_input=True, err=True)}


def _text(where: str) -> str:
    from rotator.files import read_secret_file

    kind, _, name = where.partition(":")
    if where == "-":
        return sys.stdin.read(1 << 20)
    if kind == "env":
        return _variable(name)
    if kind == "file":
        return read_secret_file(str(Path(name)), "the credential's file").reveal()
    raise BadInput("--from: give env:NAME, file:PATH or -")


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise BadInput("--from env: is followed by no name of a variable", fix="give env:NAME, and the credential in that variable")
    text = os.environ.get(name)
    if not text:
        told = "is not set" if text is None else "is empty"
        raise BadInput(f"--from env:{name}: the environment variable {name} {told}", fix="set it for this command; or give file:PATH or -")
    return text
