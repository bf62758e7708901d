"""`rotator validate`: the files alone."""

from __future__ import annotations

import click

from rotator.cli import Options, render
from rotator.errors import Exit


@click.command("validate")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.pass_obj
def command(options: Options, strict: bool) -> int:
    """Check rotator.yaml and every schedule: all errors at once, each as file:line.

    Needs neither network nor secrets, so a pull request can be checked with it. Exit code 0: all is well; 2: something is not.
    """
    from rotator.load import Invalid

    try:
        loaded = options.load(strict=strict)
    except Invalid as error:
        if not options.json:
            raise
        render.as_json({"valid": False, "specs": [], "warnings": [], "problems": [vars(each) for each in error.problems]})
        return Exit.BAD_INPUT
    if options.json:
        names = [each.name for each in loaded.specs]
        render.as_json({"valid": True, "specs": names, "warnings": [vars(each) for each in loaded.warnings], "problems": []})
        return Exit.DONE
    for each in loaded.warnings:
        click.echo(f"{each} (warning)", err=True)
    count = len(loaded.specs)
    render.line(f"{loaded.config.file}: valid, {count} {'spec' if count == 1 else 'specs'}")
    return Exit.DONE
