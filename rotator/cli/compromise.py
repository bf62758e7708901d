"""`rotator compromise`: a credential has leaked."""

from __future__ import annotations

import click

from rotator.cli import Options
from rotator.cli.humans import one


@click.command("compromise")
@click.argument("name")
@click.option(
    "--version", "which", type=click.Choice(["current", "previous", "pending"]), default="current", show_default=True, help="Which one."
)
@click.pass_obj
def command(options: Options, name: str, which: str) -> int:
    """Mark a credential as leaked, and rotate at once: no grace and no hold for it, but no consumer is left without one that works."""
    from rotator.rotate import Compromise

    return one(options, name, Compromise(which), trigger="leak")
