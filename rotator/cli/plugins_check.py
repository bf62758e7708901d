"""`rotator plugins check`: the laws of the contract, tried on a real target, as a table. They are tried in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any

import click

from rotator.cli import Options, render
from rotator.errors import BadInput, Exit

RANKS = ("broken", "not shown", "kept", "not declared")
"""What a law's several trials come to: the first of these that any was."""
LAST = 10.0
"""Seconds until the process of the laws ends, when all is told."""
_DEFAULT_CONFIG = "rotator.yaml"


@click.command("check")
@click.argument("type", metavar="NAME")
@click.option("--tests", metavar="PATH", default="tests", show_default=True, help="Its contract tests: a folder, FILE or FILE::CLASS.")
@click.option("--may-change", metavar="ENDPOINT", multiple=True, help="A system that may be changed, or its host; may be repeated.")
@click.pass_obj
def command(options: Options, type: str, tests: str, may_change: tuple[str, ...]) -> int:
    """Try every law of the contract on a real target, and say of each whether it was kept.

    NAME is a target type that is installed; --tests hold the classes that derive from the contract, whose bench names the system. The
    laws set, disable and revoke credentials there, so it must be named by --may-change, and no spec of --config may rotate them.

    kept; broken; not declared: the target does not claim what the law is about; not shown: the bench cannot be
    set up, or cannot do what the law needs.
    Exit code 0: no law is broken, and none is left open; 1: one is broken; 3: one was not shown; 2: nothing was tried.
    """
    from rotator.load import plugins

    plugins.use(options.plugin_dirs)
    plugins.target_class(type)
    if find_spec("pytest") is None:
        raise BadInput("the contract needs pytest, which is not installed here", fix=f"{sys.executable} -m pip install 'pytest>=9'")
    if not Path(tests.partition("::")[0]).exists():
        raise BadInput(f"--tests: there is no {tests}", fix="give the folder of the plugin's contract tests")
    told = list(_tried({
        "type": type, "tests": tests, "may_change": may_change, "plugin_dirs": options.plugin_dirs, "in_use": _in_use(options, type),
    }))  # fmt: skip
    refused = next((each for each in told if each["event"] == "refused"), None)
    if refused:
        raise BadInput(refused["what"], fix=refused["fix"])
    return _shown(options, type, told)


def _in_use(options: Options, type: str) -> list[dict[str, Any]]:
    """What the specs of this configuration rotate with this type. No file of the default name: none. Raises as `load`."""
    if options.config == _DEFAULT_CONFIG and not Path(_DEFAULT_CONFIG).exists():
        return []
    specs = [each for each in options.load().specs if each.target.type == type]
    return [{"spec": each.name, "endpoint": each.identity.endpoint, "principals": each.principals} for each in specs]


def _tried(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the process of the laws told. Its own output is nobody's: what a plugin prints may hold a secret."""
    read, write = os.pipe()
    with subprocess.Popen(  # noqa: S603 - our own module, no shell
        [sys.executable, "-P", "-m", "rotator.testing.check", str(write)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(write,),
    ) as process:  # fmt: skip
        os.close(write)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once: then it tells nothing, which is said
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        try:
            with open(read, encoding="utf-8") as lines:  # noqa: PTH123 - a descriptor
                yield from takewhile(lambda each: each["event"] != "done", map(json.loads, lines))
        finally:
            with suppress(subprocess.TimeoutExpired):  # it puts its servers away; a plugin may have left what keeps it alive
                process.wait(LAST)
            process.kill()


def _shown(options: Options, type: str, told: list[dict[str, Any]]) -> int:
    laws = [each for each in told if each["event"] == "law"]
    if not laws:
        raise BadInput("the process of the laws ended before it tried one", fix="run pytest on the contract tests: it says more")
    rows = [_row(law, told) for law in laws]
    counts = {state: sum(row["state"] == state for row in rows) for state in RANKS}
    code = Exit.FAILED if counts["broken"] else Exit.UNPROVEN if counts["not shown"] else Exit.DONE
    if options.json:
        render.as_json({"type": type, "exit": int(code), "counts": counts, "laws": rows})
        return code
    render.table(["LAW", "SENTENCE", "STATE", "WHY"], [list(row.values()) for row in rows])
    render.line(", ".join(f"{count} {state}" for state, count in counts.items() if count))
    return code


def _row(law: dict[str, Any], told: list[dict[str, Any]]) -> dict[str, Any]:
    """One law of the table: the worst of its trials; one that was begun and never ended is broken."""
    ours = [each for each in told if each.get("law") == law["law"]]
    ends = [each for each in ours if each["event"] == "end"]
    if sum(each["event"] == "begin" for each in ours) > len(ends):
        ends.append({"state": "broken", "why": "it ended the process, or did not end in time"})
    ends = ends or [{"state": "not shown", "why": "the tests leave it out, or the process ended before"}]
    worst = min(ends, key=lambda each: RANKS.index(each["state"]))
    return {"law": law["law"], "sentence": law["sentence"], "state": worst["state"], "why": worst["why"]}
