"""`rotator plugins`: what is installed, a package for a new one, and whether one keeps the laws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rotator.cli import Options, plugins_check, plugins_new, render
from rotator.errors import BadInput, Exit

if TYPE_CHECKING:
    from rotator.load.plugins import Found


@click.group("plugins")
def command() -> None:
    """List what is installed, begin a new target, try the laws on one."""


command.add_command(plugins_new.command)
command.add_command(plugins_check.command)


@command.command("list")
@click.pass_obj
def list_plugins(options: Options) -> int:
    """List targets, connection types, stores, destinations and reloads; each target is imported to ask for its family and fields.

    One that cannot be imported is listed with the reason, one whose library is not installed with the extra that brings it. Exit code
    0, or 2 where one cannot be imported: an extra that nobody asked for is no fault.
    """
    from rotator.load import plugins

    plugins.use(options.plugin_dirs)
    groups = (plugins.TARGETS, plugins.CONNECTIONS, plugins.STORES, plugins.DESTINATIONS, plugins.RELOADS)
    every = [each for group in groups for each in plugins.found(group)]
    rows = [_row(each) for each in every]
    render.result(["kind", "type", "family", "fields", "from", "version", "trouble"], rows, json=options.json)
    broken = any(row["trouble"] and each.lacks() is None for row, each in zip(rows, every, strict=True))
    return Exit.BAD_INPUT if broken else Exit.DONE


def _row(each: Found) -> dict[str, Any]:
    kind = each.group.removeprefix("rotator.").removesuffix("s")
    row = {"kind": kind, "type": each.name, "family": None, "fields": None, "from": each.origin, "version": each.version, "trouble": None}
    lacks = each.lacks()
    if lacks is not None:
        return row | {"trouble": lacks.what}
    try:
        return row | (_target(each.name) if kind == "target" else {})
    except BadInput as error:
        return row | {"trouble": error.what}


def _target(name: str) -> dict[str, Any]:
    from rotator.load.plugins import target_class
    from rotator.target import SetTarget, SwapTarget

    found = target_class(name)
    family = "set" if issubclass(found, SetTarget) else "swap" if issubclass(found, SwapTarget) else "issue"
    return {"family": family, "fields": ", ".join(found.fields)}
