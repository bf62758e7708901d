"""Planted mistakes: each one small change of the shipped source, in a copy of the tree, that a named test must see.

A tooth has bitten only where one of its tests failed: by an assertion, by an error of ours where the law says that there is none, or by
the leak canary. What cannot be imported, does not end or fails in another way says nothing about the law: it is broken.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree as ET

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REPORT = "teeth.xml"
BITES = ("assert ", "AssertionError", "Failed: ", "rotator.errors.")
"""How the message of a test begins that failed by what it claims; `Failed` is pytest's own: an error that should have been raised."""
CANARY = "secrets in the output of this test"


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    BROKEN = "BROKEN"


@dataclass(frozen=True)
class Tooth:
    """One planted mistake. `old` stands exactly once in `file`."""

    name: str
    law: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """Node ids of pytest."""

    def faults(self, tree: Path) -> str:
        """Why it cannot be planted there; empty: it can."""
        path = tree / self.file
        found = path.read_text(encoding="utf-8").count(self.old) if path.is_file() else 0
        if found != 1:
            return f"its old text stands {found} times in {self.file}, not once: write it anew"
        return "" if self.new != self.old else "it changes nothing"

    def plant(self, tree: Path) -> None:
        """Change the source there."""
        path = tree / self.file
        path.write_text(path.read_text(encoding="utf-8").replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True)
class Bite:
    """How one mutant ended."""

    tooth: Tooth
    verdict: Verdict
    why: str
    """The test that killed it, or what is broken."""
    seconds: float


def teeth(folder: Path = HERE) -> list[Tooth]:
    """All teeth, in the order of their files."""
    found = [each for path in sorted(folder.glob("*.toml")) for each in tomllib.loads(path.read_text(encoding="utf-8"))["tooth"]]
    return [Tooth(**{**each, "tests": tuple(each["tests"])}) for each in found]


def copy_tree(source: Path, to: Path) -> None:
    """What git knows or would take, as it stands: never the checkout itself, and nothing that it ignores."""
    command = ["git", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in sorted(set(subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")) - {""}):
        if (source / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, to / name)


def pytest_in(tree: Path, tests: Sequence[str], seconds: float, *options: str) -> int | None:
    """Run these tests in a tree, on its own source; pytest's exit code, or None where it had to be killed."""
    paths = os.pathsep.join([str(tree), str(tree / "plugins")])
    environment = {**os.environ, "PYTHONPATH": paths, "TEST_AGAINST": "tree"}
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={tree / REPORT}", *options, *tests]
    with (tree / "teeth.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=tree, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)  # its whole session, servers included
                process.wait()


def failures(report: Path) -> Iterator[tuple[str, str]]:
    """Name and message of each test that failed."""
    for case in ET.parse(report).iter("testcase"):
        for each in (*case.iter("failure"), *case.iter("error")):
            yield f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}", each.get("message") or ""


def passed(report: Path) -> int:
    """How many tests ran and did not fail."""
    bad = ("failure", "error", "skipped")
    return sum(all(case.find(each) is None for each in bad) for case in ET.parse(report).iter("testcase"))


def judge(tree: Path, code: int | None, seconds: float) -> tuple[Verdict, str]:
    """What the tests said."""
    if code is None:
        return Verdict.BROKEN, f"its tests did not end within {seconds:.0f} s"
    if code not in (0, 1) or not (tree / REPORT).is_file():
        return Verdict.BROKEN, f"pytest could not run its tests (exit {code}): {last_words(tree)}"
    found = list(failures(tree / REPORT))
    for test, message in found:
        if message.startswith(BITES) or CANARY in message:
            return Verdict.KILLED, test
    if found:
        return Verdict.BROKEN, f"{found[0][0]} failed by no law: {found[0][1].splitlines()[0][:200]}"
    return (Verdict.SURVIVED, "") if passed(tree / REPORT) else (Verdict.BROKEN, "none of its tests can run here")


def last_words(tree: Path) -> str:
    """The first error that pytest itself told."""
    lines = (tree / "teeth.log").read_text(encoding="utf-8", errors="replace").split("\n")
    return next((each for each in lines if each.startswith(("E  ", "ERROR"))), "no word")[:200]


def bite(tooth: Tooth, clean: Path, tree: Path, seconds: float) -> Bite:
    """Plant one mistake in a copy of a clean tree, and run its tests. The copy is removed."""
    begun = time.monotonic()
    fault = tooth.faults(clean)
    if fault:
        return Bite(tooth, Verdict.BROKEN, fault, 0.0)
    try:
        shutil.copytree(clean, tree)
        tooth.plant(tree)
        verdict, why = judge(tree, pytest_in(tree, tooth.tests, seconds, "-x"), seconds)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    return Bite(tooth, verdict, why, time.monotonic() - begun)
