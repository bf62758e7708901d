"""What `rotator audit` says where there is nothing to show, and who did what."""

import json
import re

import pytest

from rotator.cli import main
from rotator.cli.runs import actor, trigger
from rotator.testing.stands import World
from rotator.testing.stands.twin import Overlapping


@pytest.fixture(scope="module")
def stand():
    with Overlapping() as started:
        yield started


@pytest.fixture(scope="module")
def world(stand, tmp_path_factory):
    made = World(stand, tmp_path_factory.mktemp("world") / "w", "user-audit")
    made.adopt()
    return made


@pytest.fixture
def here(world, capsys):
    """A command in this process: its exit code, stdout and stderr."""

    def run(*words):
        capsys.readouterr()
        code = main(world.command(*words, entry=()))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_where_the_heads_cannot_be_written_the_ledger_is_not_blamed(here, tmp_path):
    code, _, told = here("audit", "export", "--heads", str(tmp_path / "no/heads.json"))
    assert code == 1
    assert told.startswith(f"rotator: {tmp_path}/no/heads.json: the file for the heads cannot be written: its directory is not there")
    assert "audit.ledger" not in told


@pytest.mark.parametrize("words", [("show",), ("export",), ("verify",), ("export", "--heads", "heads.json")])
def test_a_ledger_that_is_named_and_not_there_is_named_by_its_option(here, words, tmp_path):
    code, out, told = here("audit", *words, "--ledger", f"sqlite:///{tmp_path}/copy.db")
    assert (code, out) == (2, "")
    assert told.startswith(f"rotator: {tmp_path}/copy.db: no ledger is there. write --ledger sqlite:///PATH")


def test_a_name_that_no_spec_and_no_event_has_is_said_on_stderr_and_one_that_a_spec_has_is_not(here):
    code, out, told = here("audit", "show", "--spec", "its")
    assert (code, out) == (2, "")
    assert told == "rotator: no spec, and no event that is asked for, is called 'its'. did you mean `it`?\n"
    assert here("--json", "audit", "show", "--spec", "nope")[1:] == (
        "",
        "rotator: no spec, and no event that is asked for, is called 'nope'. `rotator --json validate` lists the specs\n",
    )
    for asked in ("--run", "--rotation"):
        assert here("audit", "show", asked, "nope") == (0, "", "rotator: no event is of that run or rotation\n")
    assert here("audit", "show", "--spec", "it")[2] == ""


def test_who_read_a_secret_and_that_he_gave_no_reason_is_shown(here):
    assert here("get", "it")[0] == 0
    shown = here("audit", "show", "--spec", "it")[1].splitlines()[-1]
    assert re.search(rf" it secret\.read success by {re.escape(actor())} \({trigger()}\): no reason given$", shown), shown


def test_a_record_that_cannot_be_read_is_in_the_json_of_verify_as_it_is_in_its_exit_code(here, world, tmp_path):
    torn = world.folder / "var/store/records/torn.rec"
    assert json.loads(here("--json", "audit", "verify")[1])["unread"] == []
    torn.touch(0o600)
    try:
        code, out, told = here("--json", "audit", "verify")
    finally:
        torn.unlink()
    found = json.loads(out)
    assert code == found["exit"] == 3
    assert told == f"rotator: {found['unread'][0]}\n"
    assert "torn" in told


def test_a_time_before_all_events_leaves_none_out(here):
    assert here("audit", "show", "--since", "99999999d") == here("audit", "show")
    assert here("audit", "export", "--since", "30000d") == here("audit", "export")


@pytest.mark.parametrize("words", [("--spec", "it"), ("--since", "1d"), ("--run", "x"), ("--rotation", "x")])
def test_heads_are_those_of_all_chains_or_none(here, words, tmp_path):
    code, _, told = here("audit", "export", "--heads", str(tmp_path / "heads.json"), *words)
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert told.startswith("rotator: --heads writes the heads of all chains")
