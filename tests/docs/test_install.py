"""Whoever copies a line that installs gets this project: on PyPI the name `rotator` is another's."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from pages import PAGES, README, ROOT

from rotator.cli import main

BARE = re.compile(r"""\bpipx? install\b[^\n`|#&;]*?\s["']?rotator(?:\[[\w,]+\])?(?:[<>=!~][^\s"']*)?["']?(?=[\s`",;&|)]|$)""", re.MULTILINE)
"""An installation of it by its name alone; a direct reference (`rotator @ …`) goes on with its address."""
DIRECT = re.compile(r"\s@ ")
FOLDERS = ("deploy", "plugins", "rotator", "schedules", "requirements", "scripts")
OTHERS = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "Dockerfile", "Makefile", "rotator.example.yaml")]


def bare(text):
    return [each[0] for each in BARE.finditer(text) if not DIRECT.match(text, each.end())]


def readable(folder):
    return [each for each in folder.rglob("*") if each.is_file() and each.suffix not in (".pyc", ".gz")]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("pip install rotator", True),
        ("python -m pip install rotator 'pytest>=9'", True),
        ("pip install --upgrade 'rotator[vault]'", True),
        ('pip install "rotator[http]"', True),
        ("`pip install rotator`", True),
        ("pip install 'rotator>=0.1'", True),
        ("pip install '/path/to/rotator[all]'", False),
        ("pip install './rotator-0.1.0-py3-none-any.whl[aws]'", False),
        ("pip install 'rotator[all] @ git+https://git.example.com/ops/rotator@v0.1.0'", False),
        ("pip install -e '.[test]'  # for rotator", False),
    ],
)
def test_an_installation_by_the_bare_name_is_told_from_one_by_a_path(line, found):
    assert bool(bare(line)) is found


def test_nothing_that_a_reader_copies_installs_the_project_that_has_our_name_on_pypi():
    files = {*PAGES, *OTHERS, *(each for folder in FOLDERS for each in readable(ROOT / folder))}
    told = {str(each.relative_to(ROOT)): found for each in files if (found := bare(each.read_text(encoding="utf-8")))}
    assert told == {}


@pytest.mark.parametrize("family", ["set", "issue", "swap"])
def test_a_generated_package_asks_no_index_for_rotator(family, tmp_path):
    assert main(["plugins", "new", "ldap", "--family", family, "--into", str(tmp_path)]) == 0
    for each in readable(tmp_path):
        text = each.read_text()
        assert not bare(text), each
        assert "pypi.org/project/rotator" not in text, each
        assert not re.search(r"""["']rotator(?:\[[\w,]+\])?(?:[<>=!~][^"']*)?["']\s*[\],]""", text), each


def test_every_wheel_that_a_job_installs_is_of_this_version():
    named = {found for each in Path(ROOT / "deploy").rglob("*.yml") for found in re.findall(r"rotator-([\w.]+?)-py3", each.read_text())}
    assert named == {version("rotator")}


def test_the_readme_says_once_whose_the_name_on_pypi_is():
    assert README.read_text().count("on PyPI is another project's") == 1
