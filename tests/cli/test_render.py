from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from rotator.cli import Options, dry_run, main, render
from rotator.cli.runs import finish
from rotator.errors import Exit
from rotator.model import Finding, Level
from rotator.rotate import RunResult
from rotator.step import Name, Step


def test_a_table_for_a_pipe_is_as_wide_as_it_needs_to_be(capsys):
    render.table(["NAME", "STATE"], [["orders-db", "x" * 300], ["b", None]])
    lines = capsys.readouterr().out.splitlines()
    assert "x" * 300 in lines[2]
    assert lines[0].split() == ["NAME", "STATE"]


def test_what_stands_in_a_table_is_text_and_no_markup(capsys):
    render.table(["NAME"], [["[bold]x[/bold] :smile:"], ["a\x1b[2Jb\u202ec\n"]])
    out = capsys.readouterr().out
    assert "[bold]x[/bold] :smile:" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "a?[2Jb?c" in out


def test_a_result_is_a_table_or_json(capsys):
    rows = [{"name": "a", "next_run": 1}]
    render.result(["name", "next_run"], rows, json=True)
    assert json.loads(capsys.readouterr().out) == rows
    render.result(["name", "next_run"], rows, json=False)
    assert "NEXT RUN" in capsys.readouterr().out


def test_a_line_moves_no_cursor(capsys):
    render.line("a\x1bb")
    assert capsys.readouterr().out == "a?b\n"


def test_a_dry_run_shows_what_mends_a_finding_below_it_line_by_line(capsys):
    found = Finding(Level.FAIL, "stray", "a second one lives", "-- first find out whose\nALTER ROLE b NOLOGIN;")
    dry_run.show(RunResult(spec="a", exit=Exit.FAILED, why="check", message="no", findings=(found,)))
    assert capsys.readouterr().out.splitlines() == [
        "a: no",
        "  fail: a second one lives",
        "      -- first find out whose",
        "      ALTER ROLE b NOLOGIN;",
    ]


def test_a_dry_run_announces_the_gap_of_one_secret_and_no_other(capsys):
    steps = (Step(Name.APPLY, 8, "act"), Step(Name.PROMOTE, 10))
    result = RunResult(spec="a", exit=Exit.DONE, why="at rest", message="", steps=steps)
    for one_secret, said in (
        (True, "APPLY set the new secret at the target: the old one dies here"),
        (False, ""),
    ):
        dry_run.show(result, one_secret=one_secret)
        told = capsys.readouterr().out
        assert said in told
        assert told.count("cut off") == one_secret


@pytest.mark.parametrize("command", ["run", "dry-run"])
def test_force_without_a_name_rotates_nothing_and_foretells_nothing(command, capsys):
    assert main([command, "--force"]) == 2
    assert "--force needs the names of the specs" in capsys.readouterr().err


ROWS = [
    {"spec": "orders-db", "state": "grace (seen 2026-01-31T03:00:04Z)", "waits_for": "do this\nthen\x1b that"},
    {"spec": None, "state": "due"},
]
COLUMNS = ["spec", "state", "waits_for"]


def test_where_there_is_no_room_for_a_table_each_row_is_a_block_with_a_line_for_each_fact(capsys, monkeypatch):
    narrow = []
    for terminal, width in ((False, 300), (True, 119)):
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setenv("COLUMNS", str(width))
        render.blocks(COLUMNS, ROWS)
        narrow.append(capsys.readouterr().out)
    assert narrow[0] == narrow[1]
    assert narrow[0].splitlines() == [
        "orders-db",
        "  STATE      grace (seen 2026-01-31T03:00:04Z)",
        "  WAITS FOR  do this",
        "             then? that",
        "",
        "-",
        "  STATE      due",
    ]


def test_a_terminal_with_room_has_a_table(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    render.blocks(COLUMNS, ROWS)
    assert "WAITS FOR" in capsys.readouterr().out.splitlines()[0]


def test_a_narrow_terminal_has_what_to_do_on_a_line_of_its_own_for_a_command_in_it_is_copied(capsys, monkeypatch, tmp_path):
    fix = "take it over: `rotator adopt orders-db --from …` or `rotator adopt orders-db --new`"
    result = RunResult(spec="orders-db", exit=Exit.HUMAN, why="adopt", message="nothing is known of this spec yet", fix=fix)
    loaded = SimpleNamespace(config=SimpleNamespace(state=tmp_path), problems=())
    told = []
    for terminal, width in ((True, 80), (True, 120), (False, 80)):
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setenv("COLUMNS", str(width))
        assert finish(Options(), loaded, [result]) == Exit.HUMAN
        told.append(capsys.readouterr().out.splitlines())
    assert told[0] == [
        "orders-db",
        "  EXIT        4",
        "  STATE       adopt",
        "  WHAT        nothing is known of this spec yet",
        f"  WHAT TO DO  {fix}",
    ]
    assert all("WHAT TO DO" in each[0] for each in told[1:])
