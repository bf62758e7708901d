"""A reader of a page for authors: writes each file, runs each command, in an environment that holds what this one holds."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from pages import blocks, marked

PREPARED = "python -m venv .venv && . .venv/bin/activate\npython -m pip install /path/to/rotator 'pytest>=9'\n"
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
    """Does what the page says."""

    def __init__(self, page, folder):
        self.page, self.folder, self.ran, self.begun = page, folder, [], time.monotonic()
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
        for block in blocks(self.page):
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
            (self.folder / "entry_points.txt").write_text(marked(self.page, "example: entry_points.txt")[0].text)
        else:
            done = subprocess.run(
                ["bash", "-ec", line], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120, check=False
            )
            self.ran.append(Ran(line, expected, done.returncode, done.stdout + done.stderr, time.monotonic() - self.begun))

    def of(self, command):
        """All that ran and begins so."""
        return [each for each in self.ran if each.command.startswith(command)]
