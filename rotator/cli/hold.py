"""`rotator hold`: keep the old credential alive for longer."""

from __future__ import annotations

import click

from rotator.cli import Options
from rotator.cli.humans import one
from rotator.cli.runs import parse_duration
from rotator.errors import BadInput

LONGEST = 3650 * 86400.0
"""Seconds."""


@click.command("hold")
@click.argument("name")
@click.option("--for", "span", metavar="DURATION", required=True, help="How long from now: 30d, 12h, 15m, 45s.")
@click.option("--reason", required=True, help="Why; it stands in the audit.")
@click.pass_obj
def command(options: Options, name: str, span: str, reason: str) -> int:
    """Keep the old credential alive until so long from now. Refused once its revocation is written down."""
    from rotator.rotate import HoldUntil

    seconds = parse_duration(span, "--for")
    if seconds > LONGEST:
        raise BadInput("--for: at most 3650d", fix="a hold can be given again before it ends")
    return one(options, name, HoldUntil(reason, seconds))
