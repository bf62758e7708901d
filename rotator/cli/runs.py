"""What the commands that run have in common: which specs, with which order, and how the results are shown."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rotator.cli import Options, render
from rotator.errors import BadInput, Exit, worst

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.audit import EventName, Result
    from rotator.load import Loaded
    from rotator.load.config import Config
    from rotator.model import Finding
    from rotator.rotate import Command, RunResult
    from rotator.runner import NoProcess, Runner
    from rotator.spec import RotationSpec
    from rotator.step import Step
    from rotator.wakes import Announced
    from rotator.worker import Job


LAST = datetime.max.replace(tzinfo=UTC).timestamp() - 86400
"""Seconds since the epoch: later times cannot be written as dates."""
AFTER_FAILURE = 60.0
"""Seconds after which a daemon looks at what failed here."""
PATIENCE = 2.0
"""Seconds for which main waits until it can tell the ledger of a run that died: a daemon goes round its loop."""


def trigger(*, human: bool = False) -> str:
    """Who began this: `ci` where the environment says so, `manual` at a terminal and of what only a human asks for, else `cron`."""
    if os.environ.get("CI"):
        return "ci"
    return "manual" if human or sys.stdin.isatty() or sys.stderr.isatty() else "cron"


def actor() -> str:
    """The operating system's user and this machine's name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def tell(config: Config, event: EventName, outcome: Result | None = None, busy: float | None = None, **about: Any) -> None:
    """Write what was done outside a run into the ledger's own chain; success unless `outcome` says otherwise. `LedgerFailed`.

    `busy`: seconds for which another's write is waited for.
    """
    from rotator.audit import LEDGER_CHAIN, Event, Result
    from rotator.ledgers.place import path_of
    from rotator.ledgers.sqlite import BUSY, SqliteLedger

    ts, sha = datetime.now(UTC).isoformat(timespec="milliseconds"), config.sha256
    with closing(SqliteLedger(path_of(config.ledger_url), busy=BUSY if busy is None else busy)) as ledger:
        told: dict[str, Any] = {"chain": LEDGER_CHAIN, "actor": actor(), "trigger": trigger(), "config_sha256": sha, **about}
        ledger.append_loose(Event(ts=ts, event=event, outcome=outcome or Result.SUCCESS, **told))


def tell_died(job: Job, result: RunResult) -> RunResult:
    """Write into the ledger's own chain how a run ended that died before it could: `status` says no less then than the run did.

    Gives back the result; where the ledger was not told it says so.
    """
    from rotator.audit import EventName, Result
    from rotator.errors import LedgerFailed

    order, spec = job.order, job.spec
    if order.dry:
        return result
    about = {"reason": result.why, "spec": spec.name, "run": order.run, "actor": order.actor, "trigger": order.trigger}
    try:
        tell(job.config, EventName.RUN_END, Result.FAILURE, busy=PATIENCE, error_message=result.message, **about)
    except LedgerFailed as error:
        return replace(result, message=f"{result.message}; that was not written down ({error})")
    return result


def choose(loaded: Loaded, names: Sequence[str]) -> list[RotationSpec]:
    """The named specs, or all. `BadInput` for a name that no spec has."""
    if not names:
        return list(loaded.specs)
    from difflib import get_close_matches

    every = {each.name: each for each in loaded.specs}
    for name in names:
        if name in every or name in loaded.left_out:
            continue
        near = get_close_matches(name, every, n=1)
        raise BadInput(f"no spec is called {name!r}", fix=f"did you mean `{near[0]}`?" if near else "`rotator --json validate` lists them")
    return [every[name] for name in dict.fromkeys(names) if name in every]


def make_job(loaded: Loaded, spec: RotationSpec, *, options: Options | None = None, command: Command | None = None, **order: Any) -> Job:
    """The job of one spec. Nothing in it is a secret."""
    from rotator.load.plugins import destination_class, plugin_version, reload_class, store_class, target_class
    from rotator.rotate import Move, Order
    from rotator.seam import Seam
    from rotator.worker import Job

    config = loaded.config
    asked = Order(
        run=Seam().new_id(),
        home="",
        command=command,
        timeout=config.call_timeout,
        config_sha256=config.sha256,
        plugin_version=plugin_version(spec.target.type),
        **{"actor": actor(), "trigger": trigger(), **order},
    )
    level, as_json = (options.log_level, options.json) if options else ("info", False)
    classes: dict[str, type[Any]] = {"target": target_class(spec.target.type), "store": store_class(spec.store.type)}
    classes |= {f"place {each.by.name}": destination_class(each.by.type) for each in spec.places[1:]}
    classes |= {f"reload {each.name}": reload_class(config.reloads[each.name].type) for each in spec.reloads}
    classes |= {"store to": store_class(command.to.store.type)} if isinstance(command, Move) else {}
    return Job(spec=spec, config=config.only(spec), order=asked, classes=classes, log_level=level, json_logs=as_json)


ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def new_runner(loaded: Loaded, ending: Iterable[signal.Signals] = ENDING) -> Runner:
    """A runner with the owner's limits, that these signals stop after the present steps; a SIGHUP that `nohup` ignores stays ignored."""
    from rotator.runner import Runner, preload

    config = loaded.config
    types = {each.target.type for each in loaded.specs} | {place.by.type for each in loaded.specs for place in each.places}
    types |= {config.reloads[told.name].type for each in loaded.specs for told in each.reloads}
    runner = Runner(runs=config.runs, per_connection=config.per_connection, libraries=preload(types), died=tell_died)
    for number in ending:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: runner.stop())
    return runner


def acting(options: Options, names: Sequence[str]) -> tuple[Loaded, list[RotationSpec]]:
    """Configuration and specs for a command that acts; a wrong spec is told and does not stop the others."""
    loaded = options.load_lenient()
    loaded, specs = without_unready(loaded, choose(loaded, names))
    for each in loaded.problems:
        click.echo(str(each), err=True)
    return loaded, specs


def without_unready(loaded: Loaded, specs: list[RotationSpec]) -> tuple[Loaded, list[RotationSpec]]:
    """Less the specs that need a secret which cannot be read; what is wrong with those is among the problems then.

    Raises `Invalid` where that leaves no spec, and where others could change the configuration.
    """
    from rotator.load import Invalid, refuse_unready

    try:
        refuse_unready(loaded, specs)
    except Invalid as error:
        ready: dict[tuple[str, ...], bool] = {}
        left = [each for each in specs if _ready(loaded, each, ready)]
        if not left:
            raise
        out = [each.name for each in specs if each not in left]
        return replace(loaded, problems=(*loaded.problems, *error.problems), left_out=(*loaded.left_out, *out)), left
    return loaded, specs


def _ready(loaded: Loaded, spec: RotationSpec, known: dict[tuple[str, ...], bool]) -> bool:
    """Whether all that this spec refers to can be read; asked once for each connection with its places and reloads."""
    from rotator.load import Invalid, refuse_unready

    uses = (spec.connection.name, *(each.by.name for each in spec.places), *(each.name for each in spec.reloads))
    if uses not in known:
        try:
            refuse_unready(loaded, [spec])
        except Invalid:
            known[uses] = False
        else:
            known[uses] = True
    return known[uses]


def refuse_force_of_all(names: Sequence[str], *, force: bool) -> None:
    """Rotating everything at once is never meant by an empty list: `UsageError`."""
    if force and not names:
        raise click.UsageError("--force needs the names of the specs to rotate now")


@contextmanager
def held_ledger(loaded: Loaded) -> Iterator[None]:
    """Hold the ledger open while runs go on: else each of them, as the last to close it, would write all its pages back and sync them.

    `LedgerFailed` where it cannot be opened: then no run could do anything.
    """
    from rotator.ledgers.sqlite import open_ledger

    with closing(open_ledger(loaded.config.ledger_url)):
        yield


def announce(jobs: Sequence[Job], state: Path) -> list[Announced]:
    """Let a daemon look at these when the runs of now must be over, also if this command is killed in one; `finish` withdraws it."""
    import sqlite3

    from rotator import wakes
    from rotator.runner import KILL_AFTER

    now = time.time()
    try:
        return wakes.announce(state, {each.spec.name: now + each.order.run_time + KILL_AFTER + AFTER_FAILURE for each in jobs})
    except (sqlite3.Error, OSError):
        return []  # `finish` says so, if it cannot tell the daemon either


def told(results: Iterable[RunResult], count: int) -> Iterator[RunResult]:
    """The results, with progress on stderr where somebody watches."""
    watched = sys.stderr.isatty() and count > 1
    for number, each in enumerate(results, 1):
        if watched:
            click.echo(f"\r{number} of {count} ", nl=number == count, err=True)
        yield each


def finish(
    options: Options,
    loaded: Loaded,
    results: list[RunResult],
    *,
    announced: Iterable[Announced] = (),
    not_begun: int = 0,
    stuck: NoProcess | None = None,
) -> int:
    """Show the results, and tell a daemon; the exit code is the first of the table that applies to any.

    `stuck`: why some were not begun.
    """
    soon = time.time() + AFTER_FAILURE
    wakes = [(each.spec, each.wake or soon) for each in results if each.wake or each.exit is not Exit.DONE]
    if untold := _tell_daemon(loaded.config.state, wakes, announced):
        click.echo(untold, err=True)
    _complain(results, json=options.json)
    codes = [each.exit for each in results]
    if loaded.problems:
        codes.append(Exit.BAD_INPUT)
    if not_begun:
        codes.append(stopped(not_begun, stuck))
    code = worst(codes)
    if options.json:
        problems = [vars(each) for each in loaded.problems]
        render.as_json({"exit": int(code), "results": [document(each) for each in results], "problems": problems, "not_begun": not_begun})
    else:
        now = datetime.now(UTC).timestamp()
        columns = ["spec", "exit", "state", "what", "what_to_do", "next_look"]
        told = [(each.spec, int(each.exit), each.why, each.message, each.fix, when(next_look(each, now))) for each in results]
        rows = [dict(zip(columns, each, strict=True)) for each in told]
        if render.narrow():  # a column of a table would break the commands in it into pieces
            render.blocks(columns, rows)
        else:
            render.result(columns, rows, json=False)
    return int(code)


def stopped(not_begun: int, stuck: NoProcess | None) -> Exit:
    """Say that some were not begun, and why; the exit code of that."""
    click.echo(f"stopped: {not_begun} specs were not begun{f': {stuck}' if stuck else ''}", err=True)
    return Exit.FAILED


def next_look(result: RunResult, now: float) -> float | None:
    """When this spec is looked at again, for people; None where the next run does: this one failed without a lease, or that is past."""
    early = result.exit is not Exit.DONE and not result.claimed
    return None if early or result.wake is None or result.wake <= now else result.wake


def _complain(results: Iterable[RunResult], *, json: bool) -> None:
    """What was not done goes to stderr as well, since stdout may go to /dev/null; not where both go to the same terminal or file.

    Another runner's work (exit 5) is no trouble of ours: two passes at once are harmless, and nobody is to be mailed of that.
    """
    bad = [each for each in results if each.exit not in (Exit.DONE, Exit.BUSY)]
    if not bad or _together():
        return
    for each in bad:
        about = {"event": each.message, "spec": each.spec, "exit": int(each.exit), "fix": each.fix}
        words = f"{each.spec}: exit {int(each.exit)}: {each.message}" + (f". {each.fix}" if each.fix else "")
        click.echo(render.log_line(about) if json else render.clean(words), err=True)


def _together() -> bool:
    """Whether stdout and stderr are one and the same."""
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), os.fstat(sys.stderr.fileno()))
    except (OSError, ValueError):  # one of them is closed, or no file
        return False


def _tell_daemon(state: Path, wakes: list[tuple[str, float]], announced: Iterable[Announced]) -> str:
    """When each of these specs wants to be looked at again; gives back what kept us from telling it."""
    import sqlite3

    from rotator.wakes import tell

    try:
        tell(state, wakes, announced)
    except (sqlite3.Error, OSError) as error:
        return f"a daemon on {state} was not told of this ({error}); it looks at these specs within a day"
    return ""


def parse_duration(text: str, option: str) -> float:
    """Seconds of `30d`, `12h`, `15m` or `45s`; `BadInput` names the option."""
    from rotator.schedule import duration

    try:
        return duration(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None


def when(seconds: float | None) -> str:
    """A time for people: UTC, to the second; the last one there is for what lies after it."""
    seconds = seconds and min(seconds, LAST)
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def document(result: RunResult) -> dict[str, Any]:
    """A result as JSON: the shape is documented in docs/json.md."""
    return {
        "spec": result.spec,
        "exit": int(result.exit),
        "state": result.why,
        "message": result.message,
        "fix": result.fix,
        "next_look": when(result.wake) or None,
        "steps": [step_document(each) for each in result.steps],
        "findings": [finding_document(each) for each in result.findings],
    }


def step_document(step: Step) -> dict[str, Any]:
    """A step as JSON."""
    what, level = told_of(step) if step.name == "RELOAD" else (step.what if isinstance(step.what, str | int | float) else None, None)
    return {"step": str(step.name), "phase": step.phase, "row": step.row, "what": what, "level": level, "why": step.why}


def told_of(step: Step) -> tuple[str, str]:
    """Of RELOAD: which reload, and the level that is asked."""
    from rotator.model import Reached

    return step.what[0], Reached(step.what[1]).name


def finding_document(finding: Finding) -> dict[str, Any]:
    """A finding as JSON."""
    return {"level": str(finding.level), "code": finding.code, "text": finding.text, "fix": finding.fix}
