"""`rotator audit`: show, prove and export the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rotator.cli import Options, render
from rotator.errors import BadInput, Exit, RotatorError

if TYPE_CHECKING:
    from rotator.ledgers.show import Filter


@click.group("audit")
def command() -> None:
    """Show, prove or export the audit ledger."""


def _filters(function: Any) -> Any:
    for option in (
        click.option("--ledger", metavar="URL", help="Another ledger or a copy: sqlite:///PATH.  [default: the configuration's]"),
        click.option("--spec", metavar="NAME", help="Only of this spec."),
        click.option("--rotation", metavar="ID", help="Only of this rotation."),
        click.option("--run", metavar="ID", help="Only of this run."),
        click.option("--since", metavar="DURATION", help="Only the last 30d, 12h, …"),
    ):
        function = option(function)
    return function


def _filter(spec: str | None, rotation: str | None, run: str | None, since: str | None) -> Filter:
    from rotator.cli.runs import parse_duration
    from rotator.ledgers.show import Filter

    now = datetime.now(UTC)
    span = parse_duration(since, "--since") if since else 0.0
    begin = now - timedelta(seconds=span) if since and span < now.timestamp() else None  # there is no event from before 1970
    return Filter(spec=spec, rotation=rotation, run=run, since=begin)


def _ledger(options: Options, given: str | None) -> str:
    """The URL of the ledger that is meant. `BadInput` where `--ledger` names a file that is not there: nothing was looked at."""
    from rotator.ledgers.place import is_there, path_of

    if given is None:
        return options.load_lenient().config.ledger_url
    if not is_there(given):
        fix = "write --ledger sqlite:///PATH; a fourth slash begins an absolute path"
        raise BadInput("no ledger is there", where=str(path_of(given)), fix=fix)
    return given


@command.command("show")
@_filters
@click.pass_obj
def show(options: Options, ledger: str | None, spec: str | None, rotation: str | None, run: str | None, since: str | None) -> int:
    """Print events in words, one line each; with --json as they stand in the ledger."""
    from rotator.ledgers.commands import export_ledger, show_ledger

    url, wanted = _ledger(options, ledger), _filter(spec, rotation, run, since)
    some = False
    for line in export_ledger(url, wanted) if options.json else show_ledger(url, wanted):
        click.echo(line if options.json else render.clean(line))
        some = True
    if spec is not None and not some and not ledger:
        return _unknown(options, spec)
    if not some and (run or rotation):
        click.echo("rotator: no event is of that run or rotation", err=True)
    return Exit.DONE


def _unknown(options: Options, name: str) -> Exit:
    """Of a name without events, whether a spec has it: nothing at all would look like nothing done."""
    from difflib import get_close_matches

    known = [each.name for each in options.load_lenient().specs]
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "`rotator --json validate` lists the specs"
        click.echo(render.clean(f"rotator: no spec, and no event that is asked for, is called {name!r}. {hint}"), err=True)
        return Exit.BAD_INPUT
    return Exit.DONE


@command.command("export")
@_filters
@click.option("--heads", metavar="FILE", help="Write the heads of all chains to this file instead: what a copy is verified with.")
@click.pass_obj
def export(
    options: Options, ledger: str | None, spec: str | None, rotation: str | None, run: str | None, since: str | None, heads: str | None
) -> int:
    """Print events as JSON lines, exactly as they were written."""
    from rotator.cli.stores import open_stores
    from rotator.ledgers.commands import export_heads, export_ledger

    if heads is None:
        for line in export_ledger(_ledger(options, ledger), _filter(spec, rotation, run, since)):
            click.echo(line)
        return Exit.DONE
    if spec or rotation or run or since:
        raise click.UsageError("--heads writes the heads of all chains: leave out --spec, --rotation, --run and --since")
    config = options.load_lenient().config
    with open_stores(config) as stores:
        return _troubled(export_heads(_ledger(options, ledger) if ledger else config.ledger_url, stores, Path(heads)))


@command.command("verify")
@click.option("--ledger", metavar="URL", help="Another ledger or a copy: sqlite:///PATH.  [default: the configuration's]")
@click.option("--heads", metavar="FILE", help="Heads written by `audit export --heads`: works offline, on a copy.")
@click.pass_obj
def verify(options: Options, ledger: str | None, heads: str | None) -> int:
    """Prove that no event at or below the records' heads was edited, deleted, inserted or moved.

    Exit code 0: whole; 1: tampered, and the first bad event is named; 2: nothing was looked at; 3: the heads were not compared.
    """
    from rotator.cli.stores import open_stores
    from rotator.ledgers.commands import verify_ledger
    from rotator.ledgers.heads import heads_of, read_heads

    troubles: list[RotatorError] = []
    if heads is not None:
        known = read_heads(Path(heads))
        url = _ledger(options, ledger)
    elif ledger is not None:
        known, url = None, _ledger(options, ledger)
    else:
        config = options.load_lenient().config
        with open_stores(config) as stores:
            known, troubles = heads_of(stores)
        url = config.ledger_url
    report = verify_ledger(url, known)
    failed = _troubled(troubles)
    code = int(report.exit or failed)
    if options.json:
        render.as_json({**report.document(), "exit": code, "unread": [str(each) for each in troubles]})
    else:
        for line in report.sentences():
            render.line(line)
    return code


def _troubled(troubles: list[RotatorError]) -> int:
    """Heads that could not be read were not compared."""
    for each in troubles:
        click.echo(f"rotator: {each}", err=True)
    return Exit.UNPROVEN if troubles else Exit.DONE
