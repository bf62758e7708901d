"""The words of the docs are those of the code: steps, states, events, exit codes, findings."""

import re

import pytest
from pages import README, ROOT, bare, first_cells, headings, rows, section, text_of

from rotator.audit import Event, EventName, Phase
from rotator.errors import PRECEDENCE, Exit
from rotator.model import FINDING_CODES
from rotator.rotate.messages import ENDS
from rotator.step import Name

HANDBOOK = text_of("docs/recovery.md")
STATES = re.findall(r"^### (.+)$", HANDBOOK, re.MULTILINE)
SOURCES = [(ROOT / "rotator" / each).read_text() for each in ("cli/status.py", "runner.py", "worker.py", "rotate/run.py", "plan.py")]


def test_the_page_of_steps_has_every_step_and_no_other():
    assert sorted(first_cells(text_of("docs/steps.md"))) == sorted(Name)


def test_the_readme_tells_of_a_crash_in_every_step_that_does_something():
    told = [name for cell in first_cells(section(text_of("README.md"), "If it crashes")) for name in cell.split(", ")]
    assert sorted({*told} - {"crash in"}) == sorted({*Name} - {Name.STOP, Name.WAIT, Name.REST})


def test_the_handbook_has_every_way_that_a_run_can_end():
    assert set(ENDS) <= set(STATES)


SETS = r'(?:"state": |why=|"why": |_(?:stop|wait)\([^"\n]*)"([a-z_. ]+)"'
"""How the code sets a state; `status` chooses two more by one expression."""


def test_the_handbook_has_every_state_that_the_code_sets():
    said = {word for text in SOURCES for word in re.findall(SETS, text)}
    said |= {word for line in SOURCES[0].splitlines() if "state = step.why" in line for word in re.findall('"([a-z ]+)"', line)}
    assert said <= set(STATES)
    assert {"died", "due", "unfinished", "of no spec", "unreadable", "grace", "orphan.suspect"} <= said


def test_the_handbook_has_no_state_that_nothing_sets():
    for each in STATES:
        assert each in ENDS or any(f'"{each}"' in text for text in SOURCES), each


@pytest.mark.parametrize("state", sorted(ENDS))
def test_a_state_of_the_handbook_has_the_exit_code_of_the_code(state):
    told = re.match(r"\n?Exit ([0-9])", section(HANDBOOK, state))
    assert told
    assert int(told[1]) == ENDS[state].exit


def test_the_overview_of_the_handbook_lists_every_state_under_its_exit_code():
    listed = {state: int(cells[0]) for cells in rows(HANDBOOK) if cells[0].isdigit() for state in re.findall(r"\[([^]]+)\]\(#", cells[1])}
    told = {state: int(re.match(r"\n?Exit ([0-9])", section(HANDBOOK, state))[1]) for state in STATES}
    assert listed == told


def test_the_handbook_explains_every_code_of_a_finding():
    assert sorted(first_cells(section(HANDBOOK, "What CHECK finds"))) == sorted(FINDING_CODES)


def test_the_audit_page_has_every_field_every_event_and_every_phase():
    page = text_of("docs/audit.md")
    assert first_cells(section(page, "An event")) == list(Event.__dataclass_fields__)
    assert first_cells(section(page, "Names")) == [*EventName, *Phase]


def test_the_audit_page_calls_reserved_what_the_code_never_writes():
    code = "".join(each.read_text() for each in (ROOT / "rotator").rglob("*.py") if "testing" not in each.parts and each.name != "audit.py")
    never = {str(each) for each in EventName if f"EventName.{each.name}" not in code}
    reserved = {cells[0].strip("`") for cells in rows(section(text_of("docs/audit.md"), "Names")) if cells[1].startswith("reserved")}
    assert reserved == never


def test_the_readme_has_the_exit_codes_in_the_order_in_which_they_win():
    table = [(int(cells[0]), cells[1]) for cells in rows(section(text_of("README.md"), "Exit codes"))]
    assert table == [(int(each), each.name) for each in PRECEDENCE]
    assert len(table) == len(Exit)


def test_no_page_names_a_step_that_does_not_exist():
    others = ["CREATE", "LAST", "PATH", "PENDING", "PLACE", "PREVIOUS", "RELOADS", "STATE", "WHAT"]
    for page in [README, *(ROOT / "docs").glob("*.md")]:
        found = set(re.findall(r"`([A-Z]{4,})`", bare(page.read_text())))
        assert found <= {*Name, *others}, page.name


def test_headings_are_not_repeated_within_a_page():
    for page in [README, *(ROOT / "docs").rglob("*.md")]:
        found = headings(page.read_text())
        assert len(found) == len(set(found)), page.name


def test_the_readme_and_the_page_of_limits_say_the_same_of_what_stays_open():
    told = re.findall(r"^- (.+?)[;.]$", section(text_of("README.md"), "What it does not promise"), re.MULTILINE)
    assert told == first_cells(text_of("docs/limits.md"))
