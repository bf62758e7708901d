"""What the commands of humans have in common: one spec, one run, one result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rotator.cli import Options
from rotator.cli.runs import acting, finish, make_job, new_runner

if TYPE_CHECKING:
    from rotator.load import Loaded
    from rotator.rotate import Command
    from rotator.spec import RotationSpec


def one(
    options: Options,
    name: str,
    command: Command | Callable[[Loaded, RotationSpec], Command],
    values: dict[str, str] | None = None,
    **order: object,
) -> int:
    """Run this command, or what it is for this spec, on it. `values`: a credential that a human gave; it goes to the run by a pipe."""
    from rotator.runner import result_of

    loaded, specs = acting(options, [name])
    runner = new_runner(loaded)
    if not specs:
        return finish(options, loaded, [])
    asked = command(loaded, specs[0]) if callable(command) else command
    job = make_job(loaded, specs[0], options=options, command=asked, named=True, **order)
    if values is None:
        return finish(options, loaded, [runner.only(job)])
    reader, writer = runner.context.Pipe(duplex=False)
    future = runner.start(job, reader)
    reader.close()
    writer.send(values)
    writer.close()
    return finish(options, loaded, [result_of(job, future)])
