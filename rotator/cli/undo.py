"""`rotator undo`: back to the old credential while it lives."""

from __future__ import annotations

import click

from rotator.cli import Options
from rotator.cli.humans import one


@click.command("undo")
@click.argument("name")
@click.pass_obj
def command(options: Options, name: str) -> int:
    """Go back to the old credential, or give up the new one that is not current yet. Refused once the old one is being revoked."""
    from rotator.rotate import Undo

    return one(options, name, Undo())
