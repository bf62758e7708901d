"""`rotator daemon`: the same runs, by the clock."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rotator.cli import Options
from rotator.errors import Exit

if TYPE_CHECKING:
    from rotator.load import Loaded
    from rotator.worker import Job


@click.command("daemon")
@click.option("--healthy", is_flag=True, help="Only say whether a daemon on this state directory is alive: exit 0 or 1.")
@click.pass_obj
def command(options: Options, healthy: bool) -> int:
    """Rotate by the clock until SIGTERM, which finishes the present steps.

    SIGHUP loads the configuration anew; where it is not valid the old one stays.
    """
    from rotator.cli.runs import held_ledger, make_job, new_runner
    from rotator.daemon import Daemon, ailment
    from rotator.logs import configure, logger
    from rotator.seam import Seam

    if healthy:
        ill = ailment(Path(options.state) if options.state else Path(options.config).parent / "var", Seam())
        if ill:
            click.echo(f"rotator: {ill}", err=True)
        return Exit.FAILED if ill else Exit.DONE
    configure(options.log_level, json=options.json)
    hung_up: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, _: hung_up.append(number))  # as early as it may come

    def job(loaded: Loaded, name: str) -> Job:
        spec = loaded.spec(name)
        assert spec is not None
        return make_job(loaded, spec, options=options, trigger="daemon")

    def say(text: str, level: str = "info", **about: Any) -> None:
        getattr(logger(), level)(text, **about)

    loaded = _first(options)
    with held_ledger(loaded):
        runner = new_runner(loaded, (signal.SIGTERM, signal.SIGINT))
        return Daemon(loaded, load=lambda: _load(options), job=job, runner=runner, say=say, hung_up=hung_up).go()


def _load(options: Options) -> Loaded:
    """The configuration anew, whole, by the plugins of now. `RotatorError` where anything is wrong with it, or a secret is not there."""
    from rotator.load import plugins, refuse_unready

    plugins.forget()
    loaded = options.load()
    refuse_unready(loaded)
    return _warned(loaded)


def _first(options: Options) -> Loaded:
    """The configuration at the start, less what is wrong; with specs whose secrets are not there yet: each of their runs looks again."""
    from rotator.cli.runs import without_unready
    from rotator.load import Invalid, refuse_loose
    from rotator.logs import logger

    loaded = options.load_lenient()
    refuse_loose(loaded)
    try:
        problems = without_unready(loaded, list(loaded.specs))[0].problems
    except Invalid as error:  # of none of them
        problems = (*loaded.problems, *error.problems)
    for each in problems:
        logger().error(str(each))
    return _warned(loaded)


def _warned(loaded: Loaded) -> Loaded:
    """With what `validate` warns of said."""
    from rotator.logs import logger

    for each in loaded.warnings:
        logger().warning(str(each))
    return loaded
