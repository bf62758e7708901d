"""`rotator daemon`: the same runs, by the clock."""

from __future__ import annotations

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
    from rotator.cli.runs import held_ledger, make_job, new_runner, without_unready
    from rotator.daemon import Daemon, ailment
    from rotator.load import refuse_unready
    from rotator.logs import configure, logger
    from rotator.seam import Seam

    if healthy:
        ill = ailment(Path(options.state) if options.state else Path(options.config).parent / "var", Seam())
        if ill:
            click.echo(f"rotator: {ill}", err=True)
        return Exit.FAILED if ill else Exit.DONE
    configure(options.log_level, json=options.json)

    def load() -> Loaded:
        loaded = options.load()
        refuse_unready(loaded)
        return loaded

    def first() -> Loaded:
        loaded = options.load_lenient()
        told, _ = without_unready(loaded, list(loaded.specs))
        for each in told.problems:
            logger().error(str(each))
        return loaded  # with those whose secrets are not there yet: each of their runs looks again

    def job(loaded: Loaded, name: str) -> Job:
        spec = loaded.spec(name)
        assert spec is not None
        return make_job(loaded, spec, options=options, trigger="daemon")

    def say(text: str, level: str = "info", **about: Any) -> None:
        getattr(logger(), level)(text, **about)

    loaded = first()
    with held_ledger(loaded):
        return Daemon(loaded, load=load, job=job, runner=new_runner(loaded), say=say).go()
