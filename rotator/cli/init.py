"""`rotator init`: a first configuration that validates."""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from shlex import quote

import click

from rotator.cli import Options, render
from rotator.errors import BadInput, Exit
from rotator.files import looseness

PLACEHOLDER = re.compile(r"@([A-Z]+)@")


@click.command("init")
@click.option("--environment", metavar="NAME", default="development", show_default=True, help="What rotator.yaml says it is for.")
@click.pass_obj
def command(options: Options, environment: str) -> int:
    """Write a commented rotator.yaml, schedules/example.yaml, and a state directory with a store and its key.

    Refuses to overwrite anything: with one of these files there, none is written.
    """
    from rotator.load.shapes import NAME, NAME_WORDS

    if not NAME.fullmatch(environment):
        raise BadInput(f"--environment: {NAME_WORDS}")
    config = Path(options.config)
    root = config.absolute().parent
    schedules = Path(options.schedules) if options.schedules else config.parent / "schedules"
    state = Path(options.state) if options.state else config.parent / "var"
    words = {"ENVIRONMENT": environment, "VAR": _shown(state, root)}
    wanted = {config: _template("rotator.yaml", words), schedules / "example.yaml": _template("example.yaml", words)}
    _refuse([*wanted, state / "store.key", state / "store"])
    for path in _write(wanted, state):
        render.line(f"wrote {path}")
    return Exit.DONE


def _template(name: str, words: dict[str, str]) -> str:
    text = files("rotator.cli").joinpath("templates", name).read_text(encoding="utf-8")
    return PLACEHOLDER.sub(lambda match: words[match[1]], text)


def _shown(state: Path, root: Path) -> str:
    """The state directory as rotator.yaml names it: relative where it can be. YAML's plain style must read it as it is."""
    shown = str(state.absolute().relative_to(root)) if state.absolute().is_relative_to(root) else str(state.absolute())
    if not re.fullmatch(r"[A-Za-z0-9_./-]+", shown):
        raise BadInput("the path of the state directory has unusual characters", fix="give another with --state")
    return shown


def _refuse(paths: list[Path]) -> None:
    there = [str(path) for path in paths if os.path.lexists(path)]
    if there:
        fix = "leave what is there, it may be in use; begin in another folder: --config FOLDER/rotator.yaml (and --state, --schedules)"
        raise BadInput(f"already there: {', '.join(there)}; nothing was written", fix=fix)


def _write(wanted: dict[Path, str], state: Path) -> Iterator[Path]:
    from rotator.stores.file import prepare

    path = state
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        loose = looseness(state.stat())
        if loose:
            used = any(state.iterdir())  # `var` in the root folder is the machine's own: closing it would close it to every program
            fix = "others use it: give another with --state, or begin in another folder" if used else f"chmod 700 {quote(str(state))}"
            raise BadInput(f"the state directory {state} {loose}", fix=fix)
        for path, text in {**wanted, state / "store.key": base64.b64encode(secrets.token_bytes(32)).decode() + "\n"}.items():
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            mode = 0o600 if path.name == "store.key" else 0o644
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
                file.write(text)
            yield path
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror})", fix="choose another place with --config") from None
    prepare(str(state / "store"))
    yield state / "store"
