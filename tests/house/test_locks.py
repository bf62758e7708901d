"""The lock files: every package by version and hash, from nowhere in particular, and the same versions in all of them."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("build", "dev", "image", "test")
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ ;\\]+)", re.MULTILINE)


def text_of(lock):
    return (ROOT / "requirements" / f"{lock}.txt").read_text()


def pins_of(lock):
    found = {}
    for match in PIN.finditer(text_of(lock)):
        found.setdefault(match["name"], set()).add(match["version"])
    return found


def asked_for(*extras):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted, waiting = set(), [*project["dependencies"]]
    todo = list(extras)
    while todo:
        waiting += project["optional-dependencies"][todo.pop()]
        for each in [each for each in waiting if each.startswith("rotator[")]:
            todo += re.findall(r"[a-z]+", each.partition("[")[2])
            waiting.remove(each)
    for each in waiting:
        wanted.add(re.sub(r"[._-]+", "-", re.match(r"[A-Za-z0-9._-]+", each)[0]).lower())
    return wanted


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_a_hash(lock):
    blocks = re.split(r"\n(?=[a-z0-9])", text_of(lock).partition("\n#    make lock\n")[2].strip())
    assert len(blocks) > 5
    assert [each for each in blocks if "--hash=sha256:" not in each or not PIN.match(each)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_a_place_to_fetch_from(lock):
    assert not re.search(r"://|--(extra-)?index|--find-links|file:", text_of(lock))


@pytest.mark.parametrize("lock", [each for each in LOCKS if each != "dev"])
def test_a_lock_has_the_versions_that_are_developed_with(lock):
    dev = pins_of("dev")
    assert {name: versions for name, versions in pins_of(lock).items() if not versions <= dev.get(name, set())} == {}


IMAGE = ["postgres", "aws", "http", "mysql", "vault", "github"]


@pytest.mark.parametrize(("lock", "extras"), [("image", IMAGE), ("test", ["test"]), ("dev", ["dev"])])
def test_a_lock_holds_all_that_the_package_asks_for(lock, extras):
    assert asked_for(*extras) - set(pins_of(lock)) == set()


def test_the_image_holds_no_test_tool():
    assert set(pins_of("image")) & {"pytest", "moto", "jupyterhub", "coverage", "hypothesis", "mypy", "ruff"} == set()
