"""Every tooth can still be planted, and the harness knows what killed means."""

import subprocess

import pytest

from tests.teeth.jaws import ROOT, Tooth, Verdict, bite, copy_tree, teeth

SOURCE = "def half(n):\n    return n / 2\n"
TESTS = """
import time
import pytest
from source import half

def test_half():
    assert half(4) == 2

def test_nothing():
    half(4)

def test_no_answer():
    half(4)
    time.sleep(half(0))

@pytest.mark.skip(reason="not here")
def test_left_out():
    assert half(4) == 2
"""


@pytest.fixture
def clean(tmp_path):
    """A tree of its own: a source, and tests of it."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "source.py").write_text(SOURCE)
    (checkout / "test_source.py").write_text(TESTS)
    (checkout / "secret.txt").write_text("what git ignores")
    (checkout / ".gitignore").write_text("secret.txt\n")
    subprocess.run(["git", "init", "-q", checkout], check=True)
    copy_tree(checkout, tmp_path / "clean")
    return tmp_path / "clean"


def tooth(new, test, old="return n / 2"):
    return Tooth("a mistake", "a law", "source.py", old, new, (f"test_source.py::{test}",))


def test_every_tooth_can_be_planted_and_has_a_name_of_its_own():
    found = teeth()
    assert [f"{each.name}: {each.faults(ROOT)}" for each in found if each.faults(ROOT)] == []
    assert len({each.name for each in found}) == len(found) >= 25


def test_every_tooth_names_tests_in_files_that_are_there():
    assert [
        each.name for each in teeth() if not each.tests or not all((ROOT / test.partition("::")[0]).is_file() for test in each.tests)
    ] == []


def test_a_copy_holds_what_git_would_take_and_nothing_else(clean):
    assert sorted(each.name for each in clean.iterdir()) == [".gitignore", "source.py", "test_source.py"]


@pytest.mark.parametrize(
    ("new", "test", "verdict", "why"),
    [
        ("return n / 3", "test_half", Verdict.KILLED, "test_half"),
        ("return n / 3", "test_nothing", Verdict.SURVIVED, ""),
        ("return m / 2", "test_half", Verdict.BROKEN, "by no law: NameError"),
        ("return (", "test_half", Verdict.BROKEN, "could not run its tests"),
        ("return 60", "test_no_answer", Verdict.BROKEN, "did not end"),
        ("return n / 3", "test_left_out", Verdict.BROKEN, "none of its tests can run here"),
        ("return n / 3", "test_that_is_not_there", Verdict.BROKEN, "could not run its tests"),
    ],
)
def test_killed_is_an_assertion_that_failed_and_nothing_else(clean, tmp_path, new, test, verdict, why):
    found = bite(tooth(new, test), clean, tmp_path / "tree", 3.0 if "end" in why else 60.0)
    assert (found.verdict, why in found.why) == (verdict, True), found.why
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("old", ["n", "not there"])
def test_a_tooth_whose_old_text_does_not_stand_there_once_is_broken(clean, tmp_path, old):
    found = bite(tooth("m", "test_half", old), clean, tmp_path / "tree", 60.0)
    assert (found.verdict, found.seconds) == (Verdict.BROKEN, 0.0)
    assert "not once" in found.why
