"""Writes docs/commands.md: what `--help` says, all on one page. `python tests/docs/commands_page.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))
from pages import DOCS

from rotator.cli import COMMANDS, cli

PAGE = DOCS / "commands.md"
WIDTH = 100
HEAD = """# Commands

What `rotator --help` and `rotator COMMAND --help` say. A test keeps this page equal to them.

Exit codes stand in the [README](../README.md#exit-codes), the shapes of `--json` in [json.md](json.md).
"""


def groups(command: click.Command, ctx: click.Context) -> list[tuple[str, click.Command]]:
    """The commands below one."""
    if not isinstance(command, click.Group):
        return []
    return [(name, found) for name in command.list_commands(ctx) if (found := command.get_command(ctx, name))]


def helps(words: list[str], command: click.Command, parent: click.Context | None = None) -> list[tuple[str, str, str]]:
    """Name, usage and help of a command and of all below it."""
    ctx = click.Context(command, info_name=words[-1], parent=parent, terminal_width=WIDTH, **command.context_settings)
    usage = command.get_usage(ctx).removeprefix("Usage: ")
    below = [each for name, found in groups(command, ctx) for each in helps([*words, name], found, ctx)]
    return [(" ".join(words), usage, command.get_help(ctx)), *below]


def every() -> list[tuple[str, str, str]]:
    """Of all commands, ours in the order of the table."""
    assert list(COMMANDS) == cli.list_commands(click.Context(cli))
    return helps(["rotator"], cli)


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"\n## {name}\n\n```text\n{text}\n```\n" for name, _, text in every())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
