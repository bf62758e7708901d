"""What the commands of humans have in common: one spec, one run, one result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.cli import Options
from rotator.cli.runs import acting, announce, finish, make_job, new_runner, trigger

if TYPE_CHECKING:
    from rotator.rotate import Command


def one(options: Options, name: str, command: Command, values: dict[str, str] | None = None, **order: object) -> int:
    """Run this command on this spec. `values`: a credential that a human gave; it goes to the run by a pipe."""
    from rotator.runner import result_of

    loaded, specs = acting(options, [name])
    runner = new_runner(loaded)
    if not specs:
        return finish(options, loaded, [])
    job = make_job(loaded, specs[0], options=options, command=command, named=True, **{"trigger": trigger(human=True), **order})
    announced = announce([job], loaded.config.state)
    if values is None:
        return finish(options, loaded, [runner.only(job)], announced=announced)
    reader, writer = runner.context.Pipe(duplex=False)
    future = runner.start(job, reader)
    reader.close()
    writer.send(values)
    writer.close()
    return finish(options, loaded, [result_of(job, future)], announced=announced)
