"""`rotator resolve`: the way out of exit 4."""

from __future__ import annotations

import click

from rotator.cli import Options
from rotator.cli.humans import one


@click.command("resolve")
@click.argument("name")
@click.option("--accept", metavar="ID", help="This id at the target is somebody else's: leave it alone from now on.")
@click.option("--revoke", metavar="ID", help="This id at the target is an orphan: revoke it. With --overwrite: whatever a place shows.")
@click.option("--overwrite", metavar="PLACE", multiple=True, help="What this place shows may be lost: publish there again.")
@click.option("--seen", metavar="PLACE", multiple=True, help="Nobody can read this place; you saw a consumer log in with what it holds.")
@click.option("--clock", is_flag=True, help="The clock is right now, and was ahead when the record was written.")
@click.pass_obj
def command(
    options: Options, name: str, accept: str | None, revoke: str | None, overwrite: tuple[str, ...], seen: tuple[str, ...], clock: bool
) -> int:
    """Settle what nothing but a human settles; `rotator dry-run NAME` says what it is."""
    from rotator.rotate import Resolve

    if sum(map(bool, (accept, revoke or overwrite, seen, clock))) != 1:
        raise click.UsageError("give --accept, --revoke, --overwrite (with or without --revoke), --seen or --clock")
    return one(options, name, Resolve(accept, revoke, frozenset(overwrite), frozenset(seen), clock))
