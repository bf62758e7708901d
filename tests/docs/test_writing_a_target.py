"""docs/writing-a-target.md, followed word by word: each file is written, each command is run, and it ends with every law kept."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from pages import DOCS, ROOT, blocks, marked

from rotator.model import FINDING_CODES

PAGE = DOCS / "writing-a-target.md"
ROTATOR = str(Path(sys.executable).with_name("rotator"))
FIRST = {"username": "app", "password": "the-first-password-of-app"}
ADMIN = "the-token-of-porters-admin"
PREPARED = "python -m venv .venv && . .venv/bin/activate\npython -m pip install rotator 'pytest>=9'\n"
OFFLINE = {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""pip's twins of --no-build-isolation (whose twin is the other way round), --no-deps and --no-index."""
SCRIPT = "#!{python}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
BUILDS = importlib.util.find_spec("hatchling") is not None


@dataclass
class Ran:
    """One command of the page, and the lines that the page says are seen."""

    command: str
    expected: int
    returned: int
    printed: str
    seconds: float
    seen: str = ""


class Reader:
    """Does what the page says, in an environment that holds what this one holds."""

    def __init__(self, folder):
        self.folder, self.ran, self.begun = folder, [], time.monotonic()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True, timeout=60)
        self.bin = folder / ".venv/bin"
        site = sysconfig.get_path("purelib", vars={"base": str(folder / ".venv"), "platbase": str(folder / ".venv")})
        (Path(site) / "held.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        for name, module, function in (("rotator", "rotator.cli", "main"), ("pytest", "pytest", "main")):
            (self.bin / name).write_text(SCRIPT.format(python=self.bin / "python", module=module, function=function))
            (self.bin / name).chmod(0o755)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ROTATOR_", "COV", "PYTEST", "PYTHON", "VIRTUAL_"))}
        self.env = {**kept, **OFFLINE, "PATH": f"{self.bin}:{os.environ['PATH']}", "COLUMNS": "200"}

    def follow(self):
        for block in blocks(PAGE):
            kind, _, rest = block.marker.partition(": ")
            if kind == "prepare":
                assert block.text == PREPARED
            elif kind == "write":
                (self.folder / rest).write_text(block.text)
            elif kind == "seen":
                self.ran[-1].seen = block.text
            elif kind == "run":
                for line in block.text.splitlines():
                    self.run(line, int(rest.removeprefix("exit ") or 0))

    def run(self, line, expected):
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
        elif line.startswith("python -m pip install") and not BUILDS:
            self.env["PYTHONPATH"] = str(self.folder)  # the test environment of the wheel builds nothing: the next best, a drop-in
            (self.folder / "entry_points.txt").write_text(marked(PAGE, "example: entry_points.txt")[0].text)
        else:
            done = subprocess.run(
                ["bash", "-ec", line], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120, check=False
            )
            self.ran.append(Ran(line, expected, done.returncode, done.stdout + done.stderr, time.monotonic() - self.begun))


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    made = Reader(tmp_path_factory.mktemp("afternoon"))
    made.follow()
    return made


def of(reader, command):
    return [each for each in reader.ran if each.command.startswith(command)]


def test_every_command_of_the_page_ends_as_the_page_says(reader):
    assert len(reader.ran) >= 5
    for each in reader.ran:
        assert each.returned == each.expected, each.printed


def test_every_line_that_the_page_says_is_seen_is_seen(reader):
    wanted = [(line, each) for each in reader.ran for line in each.seen.splitlines()]
    assert len(wanted) >= 5
    for line, each in wanted:
        assert line in each.printed


def test_the_first_red_test_comes_in_less_than_a_minute(reader):
    first = of(reader, "pytest")[0]
    assert first.seconds < 60
    assert " failed" in first.printed


@pytest.mark.parametrize("number", [0, 1])
def test_each_red_test_says_what_to_write_next(reader, number):
    printed = of(reader, "pytest")[number].printed
    red = re.findall(r"^FAILED ", printed, re.MULTILINE)
    assert len(red) >= 10
    assert len(re.findall(r"^E +NotImplementedError: NEXT: .*\b(?:write|let) ", printed, re.MULTILINE)) == len(red)
    assert "ERROR " not in printed


def test_the_way_ends_green_with_every_law_kept_or_not_declared(reader):
    assert re.search(r"^\d+ passed, \d+ skipped", of(reader, "pytest")[-1].printed.splitlines()[-1].strip("= "))
    table = of(reader, "rotator plugins check")[-1].printed
    assert re.search(r"^2\d kept, \d not declared$", table, re.MULTILINE)


def test_the_code_of_the_page_is_what_the_type_checker_sees():
    code = marked(PAGE, "write: rotator_porter/target.py")[0].text
    assert (ROOT / "tests/typing/porter.py").read_text() == code


# ---- as a drop-in, through adopt and run


@pytest.fixture
def drop_in(reader, tmp_path):
    folder = tmp_path / "plugins"
    (folder / "rotator_porter").mkdir(parents=True)
    for each in (reader.folder / "rotator_porter").glob("*.py"):
        (folder / "rotator_porter" / each.name).write_text(each.read_text())
    (folder / "entry_points.txt").write_text(marked(PAGE, "example: entry_points.txt")[0].text)
    return folder


@pytest.fixture
def porter(reader):
    spec = importlib.util.spec_from_file_location("porter_of_the_page", reader.folder / "tests/porter.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.Porter({"app": FIRST["password"], "other": "somebody-else-s-password"}, {ADMIN: {"write"}}) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def rotator(folder, drop_in, *words, given=None):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ROTATOR_")} | {"PORTER_ADMIN_TOKEN": ADMIN}
    command = [ROTATOR, "--plugin-dir", str(drop_in), "--json", *words]
    done = subprocess.run(command, cwd=folder, env=clean, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_rotates_as_a_drop_in(drop_in, porter, tmp_path):
    rotator(tmp_path, drop_in, "init")
    owner = marked(PAGE, "fragment: rotator.yaml")[0].text
    (tmp_path / "rotator.yaml").write_text(owner.replace("4711", str(porter.server_port)))
    (tmp_path / "schedules/example.yaml").write_text(marked(PAGE, "fragment: schedules/example.yaml")[0].text)
    rotator(tmp_path, drop_in, "adopt", "door-app", given=json.dumps(FIRST))
    ran = json.loads(rotator(tmp_path, drop_in, "run", "door-app", "--force"))
    shown = json.loads(rotator(tmp_path, drop_in, "get", "door-app"))
    assert ran["results"][0]["state"] == "at rest"
    assert porter.users == {"app": shown["password"], "other": "somebody-else-s-password"}
    assert shown["password"] != FIRST["password"]


def test_the_page_lists_every_code_that_a_finding_may_carry():
    assert {*marked(PAGE, "finding codes")[0].text.split()} == FINDING_CODES
