"""`rotator run`: all that is due, or what is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rotator.cli import Options
from rotator.cli.runs import acting, announce, finish, held_ledger, make_job, new_runner, parse_duration, refuse_force_of_all, told
from rotator.seam import Seam

if TYPE_CHECKING:
    from rotator.load import Loaded
    from rotator.rotate import RunResult
    from rotator.runner import Runner

PIECE = 0.5
"""Seconds."""


@click.command("run")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--force", is_flag=True, help="Make one new slot of NAME due, once at rest. Skips no grace, hold or gate.")
@click.option("--wait", metavar="DURATION", help="Stay until what waits for grace or soak is done, at most so long.")
@click.pass_obj
def command(options: Options, names: tuple[str, ...], force: bool, wait: str | None) -> int:
    """Rotate what is due, or what is named; one failure never stops the next.

    A named spec does not wait for an earlier failure's back-off. One that is not due is left alone, and that is no error. What waits
    for its grace goes on at a later run, or within --wait.

    Exit code, the first that applies to any spec: 2 bad input, 4 a human must come, 1 not done, 5 another runner, 3 overdue or not
    observed, 0 done and proven or waiting within the policy.
    """
    patience = parse_duration(wait, "--wait") if wait else 0.0
    refuse_force_of_all(names, force=force)
    loaded, specs = acting(options, names)
    runner = new_runner(loaded)
    jobs = [make_job(loaded, each, options=options, named=bool(names), forced=force) for each in specs]
    announced = announce(jobs, loaded.config.state)
    with held_ledger(loaded):
        results = {each.spec: each for each in told(runner.run(jobs), len(jobs))}
        if patience:
            _wait(options, loaded, runner, results, patience)
    ordered = [results[each.name] for each in specs if each.name in results]
    return finish(options, loaded, ordered, announced=announced, not_begun=len(specs) - len(ordered), stuck=runner.stuck)


def _wait(options: Options, loaded: Loaded, runner: Runner, results: dict[str, RunResult], patience: float) -> None:
    """Look again at what waits, each at its own time, until patience ends."""
    seam = Seam()
    end = seam.ticks() + patience
    while not runner.stopping:
        waiting = {name: each.wake for name, each in results.items() if each.why in ("grace", "soak") and each.wake is not None}
        if not waiting:
            return
        pause = max(0.0, min(waiting.values()) - seam.now()) + 0.05
        if seam.ticks() + pause > end:
            return
        _sleep(runner, seam, pause)
        ready = [each for each in loaded.specs if waiting.get(each.name, seam.now() + 1) <= seam.now()]
        results.update({each.spec: each for each in runner.run([make_job(loaded, each, options=options) for each in ready])})


def _sleep(runner: Runner, seam: Seam, seconds: float) -> None:
    """In short pieces, so that a signal ends it."""
    while seconds > 0 and not runner.stopping:
        seam.sleep(min(seconds, PIECE))
        seconds -= PIECE
