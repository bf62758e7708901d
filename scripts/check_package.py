#!/usr/bin/env python3
"""Whether the packages in a directory hold what they should: `scripts/check_package.py dist`. Call it as `make package`.

The wheel was built from the sdist, so what an sdist forgets is missing here. Exit code 1 with every fault on a line of its own.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHERE = {"rotator": ROOT, "plugins": ROOT / "plugins"}
NEVER = (".pyc", ".db", ".key", ".env")
"""Endings of files that come from running things, and have no business in a package."""


def tree() -> set[str]:
    """Every file that the wheel should hold, by its name in it."""
    return {
        str(path.relative_to(base))
        for folder, base in WHERE.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def faults_of_wheel(wheel: zipfile.ZipFile) -> Iterator[str]:
    """What the wheel lacks, has too much, or names without having it."""
    names = set(wheel.namelist())
    info = {name.partition("/")[2]: name for name in names if ".dist-info/" in name}
    yield from (f"the wheel lacks {name}" for name in sorted(tree() - names))
    yield from (f"the wheel holds {name}, which is not in the tree" for name in sorted(names - tree() - set(info.values())))
    yield from (f"the wheel holds {name}" for name in sorted(names) if name.endswith(NEVER))
    if "licenses/LICENSE" not in info:
        yield "the wheel lacks its LICENSE"
    points = configparser.ConfigParser(delimiters=("=",))
    points.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    points.read_string(wheel.read(info["entry_points.txt"]).decode())
    for group in set(points.sections()) - {"rotator.preload"}:  # that one names libraries
        for name, value in points[group].items():
            module = value.partition(":")[0].replace(".", "/")
            if names.isdisjoint({f"{module}.py", f"{module}/__init__.py"}):
                yield f"entry point {group}: {name} = {value} names a module that is not in the wheel"


def faults_of_sdist(sdist: tarfile.TarFile) -> Iterator[str]:
    """What somebody would miss who has the sdist alone."""
    names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "plugins/rotator_postgres/__init__.py", "rotator/plan.py"}
    yield from (f"the sdist lacks {name}" for name in sorted(wanted - names))
    if not any(name.startswith("tests/") for name in names):
        yield "the sdist lacks the tests"
    yield from (f"the sdist holds {name}" for name in sorted(names) if name.endswith(NEVER))


def faults_of_rebuild(wheel: zipfile.ZipFile) -> Iterator[str]:
    """Whether the wheel from the tree is the wheel from the sdist, byte by byte of every file."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", place]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - a command of our own
        with zipfile.ZipFile(next(Path(place).glob("*.whl"))) as again:
            here = {each.filename: each.CRC for each in wheel.infolist()}
            there = {each.filename: each.CRC for each in again.infolist()}
    yield from (f"{name} is not the same in a wheel built from the tree" for name in sorted({n for n, _ in here.items() ^ there.items()}))


def main(dist: Path) -> int:
    """Say every fault; 0 where there is none."""
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened, tarfile.open(sdist) as archive:
        faults = [*faults_of_wheel(opened), *faults_of_sdist(archive), *faults_of_rebuild(opened)]
        count = len(opened.namelist())
    sys.stdout.writelines(f"{each}\n" for each in faults)
    sys.stdout.write(f"{wheel.name}: {count} files, {len(faults)} faults\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
