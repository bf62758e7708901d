"""`rotator plugins new`: a package for a new target, whose tests are red and say what to write next."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

import click

from rotator.cli import Options, render
from rotator.errors import BadInput, Exit

PLACEHOLDER = re.compile(r"@([A-Z]+)@")
NAME = re.compile(r"[a-z](?:_?[a-z0-9])*")
LONGEST = 40
"""Characters of a name: more make lines that nobody wants to read."""
_WORDS = {
    "set": {
        "KIND": "set target", "BASE": "SetTarget", "BENCH": "SetBench", "CONTRACT": "SetTargetContract", "CAN": "Can()",
        "IMPORTS": "Can, Credential, Finding, SecretRef, ServiceUrl, SetTarget, Settings", "FIELDS": '"username", "password"',
        "PRIVILEGES": "| | `apply` | |\n| | `revoke` | |",
    },
    "issue": {
        "KIND": "issue target", "BASE": "IssueTarget", "BENCH": "IssueBench", "CONTRACT": "IssueTargetContract", "CAN": "Can(max_live=2)",
        "IMPORTS": "Can, Credential, Finding, IssueTarget, Live, SecretRef, ServiceUrl, Settings", "FIELDS": '"id", "secret"',
        "PRIVILEGES": "| | `issue` | |\n| | `live` | |\n| | `revoke` | |",
    },
    "swap": {
        "KIND": "swap target", "BASE": "SwapTarget", "BENCH": "SwapBench", "CONTRACT": "SwapTargetContract", "CAN": "Can(max_live=1)",
        "IMPORTS": "Can, Credential, Finding, Live, SecretRef, ServiceUrl, Settings, SwapTarget", "FIELDS": '"id", "secret"',
        "PRIVILEGES": "| | `issue` | |\n| | `live` | |\n| | `revoke` | |",
    },
}  # fmt: skip
"""What the packages of the three families differ in."""


@click.command("new")
@click.argument("name", metavar="NAME")
@click.option(
    "--family", type=click.Choice(["set", "issue", "swap"]), required=True, help="Who picks the secret, and how the old one ends."
)
@click.option("--into", metavar="DIR", default=".", show_default=True, type=click.Path(path_type=Path), help="Where its folder is made.")
@click.pass_obj
def command(options: Options, name: str, family: str, into: Path) -> int:
    """Write a package for a new target type: rotator-NAME/, with the contract as its tests.

    It installs as it is; its tests are red, and each says what to write next. Families: `set`, rotator picks the secret; `issue`, the
    system does, and several live; `swap`, the system does, and the old one dies at once: its laws can be proven, but rotator refuses
    a spec with such a target for now.

    A folder that exists is never written into. Exit code 0, or 2.
    """
    from rotator.load import plugins

    plugins.use(options.plugin_dirs)
    _refuse(name)
    folder = into / f"rotator-{name.replace('_', '-')}"
    wrote = _write(folder, _package(name, family))
    commands = [f"cd {quote(str(folder))}", "python -m pip install -e '.[test]'", "pytest"]
    if options.json:
        render.as_json({"wrote": [str(each) for each in wrote], "next": commands})
        return Exit.DONE
    for path in wrote:
        render.line(f"wrote {path}")
    render.line("next:")
    for each in commands:
        render.line(f"  {each}")
    return Exit.DONE


def _refuse(name: str) -> None:
    """Raise `BadInput` for a name that cannot be, or is taken."""
    from rotator.load import plugins

    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise BadInput(
            f"NAME stands in YAML and in Python: small letters, digits, single _, a letter first, at most {LONGEST} characters",
            fix="for instance rabbitmq, or ldap_user",
        )
    for group, kind in ((plugins.TARGETS, "target"), (plugins.CONNECTIONS, "connection")):
        taken = next((each for each in plugins.found(group) if each.name == name), None)
        if taken:
            raise BadInput(f"`{taken.origin}` already offers {kind} type `{name}`", fix="take another NAME")
    if find_spec(f"rotator_{name}"):
        raise BadInput(f"a module rotator_{name} is already installed", fix="take another NAME, or uninstall it")


def _package(name: str, family: str) -> dict[str, str]:
    """Every file of the package by its path in it."""
    module = f"rotator_{name}"
    words = {
        **_WORDS[family], "NAME": name, "PACKAGE": module, "DASHED": name.replace("_", "-"), "UPPER": name.upper(), "FAMILY": family,
        "CLASS": "".join(part.capitalize() for part in name.split("_")), "DISTRIBUTION": module.replace("_", "-"),
    }  # fmt: skip
    words["METHODS"] = _template(f"{family}_methods", words).rstrip()
    words["MORE"] = _template(f"{family}_bench", words).rstrip()
    made = {
        "pyproject.toml": "pyproject.toml", "README.md": "README.md",
        f"{module}/__init__.py": "init.py", f"{module}/target.py": "target.py",
        "tests/conftest.py": "conftest.py", "tests/bench.py": "bench.py", "tests/test_contract.py": "test_contract.py",
    }  # fmt: skip
    return {path: _template(template, words).rstrip() + "\n" for path, template in made.items()} | {f"{module}/py.typed": ""}


def _template(name: str, words: dict[str, str]) -> str:
    text = files("rotator.cli").joinpath("templates", "target", f"{name}.in").read_text(encoding="utf-8")
    return PLACEHOLDER.sub(lambda match: words[match[1]], text)


def _write(folder: Path, package: dict[str, str]) -> list[Path]:
    path = folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        for name, text in package.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise BadInput(f"{path} is already there; nothing was written", fix="move it away first, or give another --into") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror})", fix="give another place with --into") from None
    return [folder / name for name in package]
