"""What is tested is what users get: the built wheel, with everything that it names."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

import rotator

ROOT = Path(__file__).parents[2]
GROUPS = ("rotator.targets", "rotator.connections", "rotator.stores", "rotator.destinations")
PLUGINS = ("rotator_postgres", "rotator_aws_iam_key", "rotator_http_token", "rotator_mysql", "rotator_redis")
against_the_wheel = pytest.mark.skipif(os.environ.get("TEST_AGAINST") != "wheel", reason="only `make test` installs the wheel")


@against_the_wheel
def test_the_tests_import_the_built_wheel():
    assert "site-packages" in Path(rotator.__file__).parts


@against_the_wheel
@pytest.mark.parametrize("module", ["rotator", *PLUGINS])
def test_a_child_process_imports_the_built_wheel_too(module):
    code = f"import {module}; print({module}.__file__)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "site-packages" in Path(shown.strip()).parts


@pytest.mark.parametrize("group", GROUPS)
def test_every_entry_point_of_ours_loads_a_class(group):
    ours = [each for each in entry_points(group=group) if each.dist is not None and each.dist.name == "rotator"]
    assert ours
    assert all(isinstance(each.load(), type) for each in ours)


def test_a_target_and_its_connection_are_both_named():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    for group in GROUPS:
        assert {each.name for each in entry_points(group=group)} >= set(declared[group])


@pytest.mark.parametrize("module", ["rotator", *PLUGINS])
def test_a_package_says_that_it_is_typed(module):
    home = Path(sys.modules[module].__file__ if module in sys.modules else __import__(module).__file__).parent
    assert (home / "py.typed").exists()


def test_the_command_tells_the_version_of_the_package():
    command = Path(sys.executable).with_name("rotator")
    shown = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout
    assert shown.split() == ["rotator", version("rotator")]


def test_the_changelog_knows_this_version_or_what_is_not_yet_released():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text or f"## [{version('rotator')}]" in text
