"""docs/writing-a-target.md, followed word by word: each file is written, each command is run, and it ends with every law kept."""

import json
import re

import pytest
from drop_in import FIRST, OTHER, plugins, porter, rotator
from drop_in import TARGET as PAGE
from pages import ROOT, marked
from reader import Reader

from rotator.model import FINDING_CODES


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    made = Reader(PAGE, tmp_path_factory.mktemp("afternoon"))
    made.follow()
    return made


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
    first = reader.of("pytest")[0]
    assert first.seconds < 60
    assert " failed" in first.printed


@pytest.mark.parametrize("number", [0, 1])
def test_each_red_test_says_what_to_write_next(reader, number):
    printed = reader.of("pytest")[number].printed
    red = re.findall(r"^FAILED ", printed, re.MULTILINE)
    assert len(red) >= 10
    assert len(re.findall(r"^E +NotImplementedError: NEXT: .*\b(?:write|let) ", printed, re.MULTILINE)) == len(red)
    assert "ERROR " not in printed


def test_the_way_ends_green_with_every_law_kept_or_not_declared(reader):
    assert re.search(r"^\d+ passed, \d+ skipped", reader.of("pytest")[-1].printed.splitlines()[-1].strip("= "))
    table = reader.of("rotator plugins check")[-1].printed
    assert re.search(r"^2\d kept, \d not declared$", table, re.MULTILINE)


def test_the_code_of_the_page_is_what_the_type_checker_sees():
    code = marked(PAGE, "write: rotator_porter/target.py")[0].text
    assert (ROOT / "tests/typing/porter.py").read_text() == code


def test_the_example_rotates_as_a_drop_in(reader, tmp_path):
    files = (reader.folder / "rotator_porter").glob("*.py")
    drop_in = plugins(tmp_path / "plugins", {f"rotator_porter/{each.name}": each.read_text() for each in files}, [PAGE])
    rotator(tmp_path, drop_in, "init")
    (tmp_path / "schedules/example.yaml").write_text(marked(PAGE, "fragment: schedules/example.yaml")[0].text)
    with porter(tmp_path) as server:
        owner = marked(PAGE, "fragment: rotator.yaml")[0].text
        (tmp_path / "rotator.yaml").write_text(owner.replace("4711", str(server.server_port)))
        rotator(tmp_path, drop_in, "adopt", "door-app", given=json.dumps(FIRST))
        ran = json.loads(rotator(tmp_path, drop_in, "run", "door-app", "--force"))
        shown = json.loads(rotator(tmp_path, drop_in, "get", "door-app"))
        assert server.users == {"app": shown["password"], **OTHER}
    assert ran["results"][0]["state"] == "at rest"
    assert shown["password"] != FIRST["password"]


def test_the_page_lists_every_code_that_a_finding_may_carry():
    assert {*marked(PAGE, "finding codes")[0].text.split()} == FINDING_CODES
