"""`rotator plugins new`: what it writes installs, is red, and says what to write next; what it may not write it does not."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rotator.cli import main

FILES = {
    "pyproject.toml", "README.md", "rotator_ldap_user/__init__.py", "rotator_ldap_user/target.py", "rotator_ldap_user/py.typed",
    "tests/conftest.py", "tests/bench.py", "tests/test_contract.py",
}  # fmt: skip


def new(folder, *words):
    return main(["plugins", "new", *words, "--into", str(folder)])


@pytest.fixture(params=["set", "issue", "swap"])
def package(request, tmp_path):
    assert new(tmp_path, "ldap_user", "--family", request.param) == 0
    return tmp_path / "rotator-ldap-user"


def test_the_package_is_whole_and_every_file_of_it_is_python_or_toml_or_text(package):
    assert {str(each.relative_to(package)) for each in package.rglob("*") if each.is_file()} == FILES
    for each in package.rglob("*.py"):
        ast.parse(each.read_text())
    assert not [each for each in package.rglob("*.*") if re.search(r"@[A-Z]+@", each.read_text())]


def test_it_is_found_by_entry_points_of_both_kinds(package):
    declared = tomllib.loads((package / "pyproject.toml").read_text())["project"]["entry-points"]
    assert declared == {
        "rotator.targets": {"ldap_user": "rotator_ldap_user:LdapUserTarget"},
        "rotator.connections": {"ldap_user": "rotator_ldap_user:LdapUserConnection"},
    }


def test_its_readme_has_a_row_for_the_rights_of_every_method_that_needs_one(package):
    gaps = re.findall(r"NEXT: write `(\w+)`", (package / "rotator_ldap_user/target.py").read_text())
    assert len(gaps) >= 4
    rows = re.findall(r"^\| .*\| `(\w+)` \|", (package / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(gaps)


def pytest_in(package):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("COV", "PYTEST"))} | {"PYTHONPATH": str(package)}
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "--tb=short"], cwd=package, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_its_tests_are_red_and_each_red_one_says_what_to_write_next(package):
    done = pytest_in(package)
    red = re.findall(r"^FAILED ", done.stdout, re.MULTILINE)
    assert done.returncode == 1
    assert len(red) >= 15
    says = r"^E +NotImplementedError: NEXT: .+ in (?:tests|rotator_ldap_user)/\w+\.py"
    assert len(re.findall(says, done.stdout, re.MULTILINE)) == len(red)
    assert "error" not in done.stdout.splitlines()[-1]


def written(bench):
    """The text of a bench whose gaps are filled with what is good enough to reach the target."""
    text = re.sub(r"raise NotImplementedError\(\"NEXT: write `reveal`.*\)", 'return Secret("the-admins-secret")', bench)
    current = 'return Credential(name="app", secret=Secret("first-secret"))'
    text = re.sub(r"raise NotImplementedError\(\s+\"NEXT: let.*?\n        \)", current, text, flags=re.DOTALL)
    return re.sub(r"raise NotImplementedError\(\s+\"NEXT: write `\w+` in tests.*?\n        \)", "return True", text, flags=re.DOTALL)


def test_once_the_bench_is_written_the_gaps_of_the_target_are_named_each_as_it_is_reached(package):
    bench, target = package / "tests/bench.py", package / "rotator_ldap_user/target.py"
    bench.write_text(written(bench.read_text()))
    assert "NEXT: " not in bench.read_text()
    gaps = set(re.findall(r"NEXT: write `(\w+)`", target.read_text()))
    named = re.findall(r"^E +NotImplementedError: NEXT: write `(\w+)` in rotator_ldap_user", pytest_in(package).stdout, re.MULTILINE)
    behind = {"revoke"} if "IssueTarget" in target.read_text() else set()  # what was not issued cannot be revoked
    assert set(named) == gaps - behind


def test_it_says_what_it_wrote_and_the_next_three_commands(tmp_path, capsys):
    assert new(tmp_path, "ldap_user", "--family", "set") == 0
    told = capsys.readouterr().out.splitlines()
    folder = tmp_path / "rotator-ldap-user"
    assert {each.removeprefix(f"wrote {folder}/") for each in told if each.startswith("wrote ")} == FILES
    assert told[-4:] == ["next:", f"  cd {folder}", "  python -m pip install -e '.[test]'", "  pytest"]


def test_as_json_it_says_the_same(tmp_path, capsys):
    assert main(["--json", "plugins", "new", "ldap_user", "--family", "set", "--into", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {str(Path(each).relative_to(tmp_path / "rotator-ldap-user")) for each in told["wrote"]} == FILES
    assert len(told["next"]) == 3


@pytest.mark.parametrize("there", ["folder", "file", "dangling link"])
def test_what_is_there_is_never_written_into(there, tmp_path, capsys):
    folder = tmp_path / "rotator-ldap"
    if there == "folder":
        folder.mkdir()
    elif there == "file":
        folder.write_text("mine")
    else:
        folder.symlink_to(tmp_path / "elsewhere")
    assert new(tmp_path, "ldap", "--family", "set") == 2
    assert "already there; nothing was written" in capsys.readouterr().err
    assert [each.name for each in tmp_path.rglob("*")] == ["rotator-ldap"]
    assert there != "file" or folder.read_text() == "mine"


@pytest.mark.parametrize("name", ["Ldap", "1ldap", "ldap-user", "ldap__user", "ldap_", "_ldap", "ldäp", "../ldap", "", "a" * 41, "ldap\n"])
def test_a_name_that_cannot_stand_in_yaml_and_python_is_refused(name, tmp_path, capsys):
    assert new(tmp_path, name, "--family", "set") == 2
    assert "small letters" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "kind"), [("postgres", "target"), ("aws", "connection")])
def test_a_type_that_is_offered_already_is_refused(name, kind, tmp_path, capsys):
    assert new(tmp_path, name, "--family", "issue") == 2
    assert f"`rotator` already offers {kind} type `{name}`" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_is_installed_already_is_refused(tmp_path, capsys, monkeypatch):
    (tmp_path / "held").mkdir()
    (tmp_path / "held/rotator_ldap.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "held"))
    assert new(tmp_path / "new", "ldap", "--family", "set") == 2
    assert "a module rotator_ldap is already installed" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_place_that_cannot_be_written_is_exit_2(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert new(tmp_path / "file" / "below", "ldap", "--family", "set") == 2
    assert "cannot be written" in capsys.readouterr().err
