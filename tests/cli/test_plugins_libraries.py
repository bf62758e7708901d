"""A library that is missing is named, with the extra that brings it, before anything is tried with it."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points, packages_distributions, requires
from pathlib import Path

import pytest

from rotator.errors import BadInput
from rotator.load import plugins

ROTATOR = str(Path(sys.executable).with_name("rotator"))
NEEDED = [each for each in entry_points(group=plugins.LIBRARIES) if each.extras]
GROUPS = (plugins.TARGETS, plugins.STORES, plugins.DESTINATIONS, plugins.RELOADS)
OWNER = """
version: 1
environment: test
connections:
  shop-db: {type: mysql, host: 127.0.0.1, admin: {username: rotator, password: {env: NOBODY}}, tls: off, allow: {schedules: ["*.yaml"]}}
stores:
  local: {type: file, path: var/store, key: {file: var/store.key}}
"""
SCHEDULE = """
version: 1
rotations:
  shop:
    owner: me
    target: {type: mysql, connection: shop-db, username: shop}
    store: {name: local, path: shop/db}
    when: {every: 30d}
"""


@pytest.mark.parametrize("needed", NEEDED, ids=lambda each: f"{each.name} without {each.module}")
def test_every_type_without_a_library_that_it_needs_is_refused_with_the_extra_that_brings_it(needed, monkeypatch):
    monkeypatch.setitem(sys.modules, needed.module.partition(".")[0], None)
    type = needed.name.partition(".")[0]
    found = [each for group in GROUPS for each in plugins.found(group) if each.name == type and each.origin == "rotator"]
    assert found
    for each in found:
        with pytest.raises(BadInput) as error:
            each.load()
        text = rf"type `{type}` \(rotator\) needs [a-z0-9.]+, which is not installed for {re.escape(sys.executable)}: the extra \[\w+\]"
        assert re.search(text, error.value.what)
        assert f"needs {needed.module}, " in error.value.what
        assert f"{sys.executable} -m pip install '/path/to/rotator[{needed.extras[0]}]'" in error.value.fix


@pytest.mark.parametrize("needed", NEEDED, ids=lambda each: each.name)
def test_the_extra_that_is_named_brings_the_library(needed):
    brings = [each.partition(";")[0] for each in requires("rotator") if f'extra == "{needed.extras[0]}"' in each.replace("'", '"')]
    names = {re.match(r"[A-Za-z0-9._-]+", each)[0].lower() for each in brings}
    assert names & {each.lower() for each in packages_distributions()[needed.module.partition(".")[0]]}


def test_with_every_library_no_type_of_ours_lacks_one():
    assert [each for group in GROUPS for each in plugins.found(group) if each.origin == "rotator" and each.lacks()] == []


# ---- commands


@pytest.fixture
def without(tmp_path):
    """Runs a command where PyMySQL is not installed: nothing that is imported can find it."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/sitecustomize.py").write_text("import sys\nsys.modules['pymysql'] = None\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ROTATOR_")}
    env = {**clean, "PYTHONPATH": str(tmp_path / "hidden"), "NOBODY": "nothing"}

    def run(*words):
        return subprocess.run([ROTATOR, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)

    assert run("init").returncode == 0
    (tmp_path / "rotator.yaml").write_text(OWNER)
    (tmp_path / "schedules/example.yaml").write_text(SCHEDULE)
    return run


@pytest.mark.parametrize("words", [["validate"], ["dry-run"], ["run"], ["run", "shop", "--force"]], ids=" ".join)
def test_what_reads_the_files_names_the_library_and_the_extra_at_the_line_of_the_type(words, without):
    done = without(*words)
    assert done.returncode == 2
    line = next(each for each in (done.stdout + done.stderr).splitlines() if "pymysql" in each)
    assert line.startswith("schedules/example.yaml:6")
    assert f"type `mysql` (rotator) needs pymysql, which is not installed for {sys.executable}" in line
    assert f"{sys.executable} -m pip install '/path/to/rotator[mysql]'" in line


def test_the_list_of_plugins_tells_the_trouble_and_an_extra_that_nobody_asked_for_is_no_fault(without):
    done = without("--json", "plugins", "list")
    (row,) = [each for each in json.loads(done.stdout) if each["trouble"]]
    assert (row["kind"], row["type"]) == ("target", "mysql")
    assert "needs pymysql, which is not installed" in row["trouble"]
    assert "the extra [mysql] of rotator brings it" in row["trouble"]
    assert done.returncode == 0


# ---- of others


def distribution(folder, metadata, entries="[rotator.stores]\nshelf = shelf_of_others:Shelf\n"):
    info = folder / "rotator_shelf-1.0.dist-info"
    info.mkdir(mode=0o755)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rotator-shelf\nVersion: 1.0\n{metadata}")
    (info / "entry_points.txt").write_text(entries)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "drop-in"
    made.mkdir(mode=0o755)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return made


def refusal(folder):
    plugins.use([folder])
    with pytest.raises(BadInput) as error:
        plugins.store_class("shelf")
    return str(error.value)


def test_a_plugin_of_others_that_was_installed_without_what_it_requires_is_told_so(folder):
    distribution(folder, "Requires-Dist: click>=8\nRequires-Dist: no-such-driver>=3\nRequires-Dist: other; extra == 'test'\n")
    said = refusal(folder)
    assert f"(rotator-shelf) needs no-such-driver, which is not installed for {sys.executable}" in said
    assert said.endswith(f"{sys.executable} -m pip install no-such-driver")


def test_a_plugin_of_others_may_name_the_library_and_the_extra_of_its_own_that_brings_it(folder):
    entries = "[rotator.stores]\nshelf = shelf_of_others:Shelf\n[rotator.preload]\nshelf = no_such_driver [sql]\n"
    distribution(folder, "Requires-Dist: other; extra == 'sql'\n", entries)
    said = refusal(folder)
    assert "needs no_such_driver, which is not installed" in said
    assert "the extra [sql] of rotator-shelf brings it" in said


def test_a_condition_that_may_not_hold_keeps_no_plugin_from_working(folder):
    distribution(folder, "Requires-Dist: no-such-driver; python_version < '3'\n")
    assert "needs no-such-driver" not in refusal(folder)
