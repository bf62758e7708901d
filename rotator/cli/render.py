"""What commands print on stdout: tables for people, JSON for programs."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNLIMITED = 100_000
ROOM = 120
"""Columns: in fewer a wide table breaks its times and states into pieces."""


def clean(text: object) -> str:
    """A text without what would move the cursor or turn the line of a terminal."""
    return _CONTROL.sub("?", str(text))


def line(text: str) -> None:
    """Print one line."""
    click.echo(clean(text))


def as_json(value: Any) -> None:
    """Print one JSON document; times are the caller's business."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=not _speaks_unicode(), default=str))


def log_line(about: Mapping[str, Any]) -> str:
    """An error as a line of the log is with `--json`: the shape of `rotator.logs`, without its import."""
    ts = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"ts": ts, "level": "error", **about}, ensure_ascii=not _speaks_unicode())


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: as wide as the terminal, or as wide as it needs to be for a file or a pipe."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, safe_box=True)
    for each in columns:
        made.add_column(each, overflow="fold")
    for row in rows:
        made.add_row(*(Text(clean("" if cell is None else cell)) for cell in row))
    width = None if sys.stdout.isatty() else _UNLIMITED
    Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False).print(made)


def result(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, json: bool) -> None:
    """Rows as a table, or as a JSON list; `columns` are keys of the rows."""
    if json:
        as_json([dict(row) for row in rows])
    else:
        table([each.replace("_", " ").upper() for each in columns], [[row.get(each) for each in columns] for row in rows])


def narrow() -> bool:
    """Whether stdout is a terminal in which a wide table has no room."""
    return sys.stdout.isatty() and shutil.get_terminal_size().columns < ROOM


def blocks(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as a table where a terminal has room for it; else a block for each: its first column, and a line for each fact below it."""
    if sys.stdout.isatty() and not narrow():
        return result(columns, rows, json=False)
    first, *others = columns
    width = max(map(len, others))
    for number, row in enumerate(rows):
        line(("\n" if number else "") + str(row.get(first) or "-"))
        for each in others:
            if row.get(each) not in (None, ""):
                told = str(row[each]).replace("\n", "\n" + " " * (width + 4))
                line(f"  {each.replace('_', ' ').upper():{width}}  {told}")
    return None


def _speaks_unicode() -> bool:
    return "utf" in (sys.stdout.encoding or "").lower()
