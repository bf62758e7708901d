"""The command line: global options, one file per command, and the one place where errors become messages and exit codes.

Nothing heavy is imported here: `--help` lists the commands by the table below, and a command's module is imported when it is called.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from rotator.errors import BadInput, Exit, RotatorError

if TYPE_CHECKING:
    from rotator.load import Loaded

COMMANDS = {
    "init": "Write a commented rotator.yaml, schedules/ and a store key.",
    "validate": "Check the files alone: every error as file:line.",
    "dry-run": "Look at everything, print what run would do, change nothing.",
    "run": "Rotate what is due, or what is named.",
    "daemon": "The same, by the clock.",
    "status": "Show age, due date and state of every spec.",
    "adopt": "Take over a credential for the first time.",
    "resolve": "Settle what nothing but a human settles.",
    "hold": "Keep the old credential alive for longer.",
    "undo": "Go back to the old credential while it lives.",
    "compromise": "Mark a credential as leaked, and rotate at once.",
    "get": "Print what consumers of the file store see.",
    "store": "Seal a file store with another key; move a record to another store.",
    "audit": "Show, prove or export the audit ledger.",
    "plugins": "List what is installed, begin a new target, try the laws on one.",
}
INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Of stdout, too: it may be a file on that disk."""
_DROP_INS = "Drop-in plugins; may be repeated."
_LOGS = "What of the log goes to stderr."
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Options:
    """The global options. Commands get them with `@click.pass_obj`."""

    config: str = "rotator.yaml"
    schedules: str | None = None
    state: str | None = None
    plugin_dirs: tuple[str, ...] = ()
    json: bool = False
    log_level: str = "info"

    def load(self, *, strict: bool = False) -> Loaded:
        """The configuration; raises `rotator.load.Invalid` with all that is wrong in it."""
        from rotator.load import load

        return load(self.config, self.schedules, self.state, self.plugin_dirs, strict=strict)

    def load_lenient(self) -> Loaded:
        """The same, less the specs in which something is wrong: see its `problems`."""
        from rotator.load import load_lenient

        return load_lenient(self.config, self.schedules, self.state, self.plugin_dirs)


class Commands(click.Group):
    """Finds a command in `rotator/cli/NAME.py` when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's own signature
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"rotator.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own signature
        """From the table: click's own way imports every command for its first line."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, without importing every command to find the nearest name."""
        name = click.utils.make_str(args[0])
        if name in COMMANDS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        close = get_close_matches(name, COMMANDS, n=1)
        raise click.UsageError(f"there is no command {name!r}" + (f"; did you mean `{close[0]}`?" if close else ""), ctx)


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"rotator {_installed()}")
        ctx.exit()


def _installed() -> str:
    """Our version. The name of the installed directory says it; asking importlib.metadata takes as long as everything else."""
    for directory in sys.path:
        for each in Path(directory or ".").glob("rotator-*.dist-info"):
            return each.name.removeprefix("rotator-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version("rotator")


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", metavar="FILE", default="rotator.yaml", envvar="ROTATOR_CONFIG", show_default=True, help="The owner's file.")
@click.option("--schedules", metavar="DIR", envvar="ROTATOR_SCHEDULES", help="Schedule files.  [default: schedules/ beside it]")
@click.option("--state", metavar="DIR", envvar="ROTATOR_STATE", help="Locks, cache, ledger.  [default: var/ beside it]")
@click.option("--plugin-dir", "plugin_dirs", metavar="DIR", multiple=True, type=click.Path(), envvar="ROTATOR_PLUGIN_DIR", help=_DROP_INS)
@click.option("--json", "json", is_flag=True, envvar="ROTATOR_JSON", help="Results as JSON.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", envvar="ROTATOR_LOG_LEVEL", show_default=True, help=_LOGS)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version.")
@click.pass_context
def cli(ctx: click.Context, /, **given: Any) -> None:
    """Rotate credentials: mint, store, verify, revoke; crash-safe, and shown to an auditor.

    Every option here can be set by the environment too: ROTATOR_CONFIG, ROTATOR_SCHEDULES, ROTATOR_STATE, ROTATOR_PLUGIN_DIR,
    ROTATOR_JSON, ROTATOR_LOG_LEVEL.
    """
    ctx.obj = Options(**given)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give back the exit code. Whatever goes wrong is said on stderr; the command itself catches nothing."""
    try:
        _open_what_is_closed()
        code = cli.main(args=None if argv is None else list(argv), prog_name="rotator", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except RotatorError as error:
        _say(_words(error))
        return int(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.format_message())
        return int(Exit.BAD_INPUT)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "rotator"
        _say(f"rotator: {error.format_message()}{_where_it_stands(error)}\nSee `{path} --help`.")
        return int(Exit.BAD_INPUT)
    except click.ClickException as error:
        _say(f"rotator: {error.format_message()}")
        return int(Exit.BAD_INPUT)
    except (KeyboardInterrupt, click.Abort):
        _say("rotator: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read our output went away: nobody is left to tell
        return int(Exit.FAILED)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the one place where what nobody foresaw is said, without a word of its text
        if isinstance(error, SystemExit) and error.code == Exit.FAILED:  # click ends so where whoever read our output went away
            return int(Exit.FAILED)
        if isinstance(error, OSError) and error.errno in FULL:
            _say(f"rotator: {os.strerror(error.errno)} at {_our_frame(error)}: make room; what was done stands: `rotator status`")
            return int(Exit.FAILED)
        _say(f"rotator: {type(error).__name__} at {_our_frame(error)}: this is a bug; run again with the same command to go on")
        return int(Exit.FAILED)


def _open_what_is_closed() -> None:
    """Whoever began us may have closed stdin, stdout or stderr (`<&-`): they lead nowhere then, and no file of ours gets their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(nowhere, nowhere == number)
            setattr(sys, name, open(nowhere, "w" if number else "r"))  # noqa: PTH123, SIM115 - a descriptor, which stays open


def _where_it_stands(error: click.UsageError) -> str:
    """Of a global option after the command: how the command is written with it."""
    if not isinstance(error, click.NoSuchOption) or not error.ctx:
        return ""
    known = {name: each for each in cli.params if isinstance(each, click.Option) for name in each.opts}
    option, (program, *words) = known.get(error.option_name), error.ctx.command_path.split()
    if option is None:
        return ""
    value = "" if option.is_flag else f" {option.metavar or 'LEVEL'}"
    return f" It stands before the command: `{' '.join([program, error.option_name + value, *words])}`."


def _words(error: RotatorError) -> str:
    """The message; of a wrong configuration every problem on a line of its own, as `file:line: ...`."""
    problems = getattr(error, "problems", None)
    if not isinstance(error, BadInput) or not problems:
        return f"rotator: {error}"
    count = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
    return "\n".join([*map(str, problems), f"rotator: {count} in the configuration"])


def _our_frame(error: BaseException) -> str:
    """The last place in our own code that it came through: `plan.py:12`."""
    home, found, trace = Path(__file__).parent.parent, "an unknown place", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(home):
            found = f"rotator/{file.relative_to(home)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _say(text: str, stream: TextIO | None = None) -> None:
    """Print to stderr, whatever characters its encoding knows."""
    click.echo(text, file=stream or sys.stderr)
