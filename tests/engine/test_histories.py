"""Seeded histories: random days with faults, humans, strangers, clocks and a second runner. A failing one is shrunk, printed, and kept."""

import random
from pathlib import Path

import pytest

from rotator.testing.histories import AT_ONCE, RENEWAL, ZONES, History, Moment, Teller, changes, draw, less, tell
from rotator.testing.lab import as_objects, in_memory, on_disk
from rotator.testing.shrink import shorter

pytestmark = pytest.mark.no_cover  # thousands of histories: the other tests of the engine reach every branch, and are counted

KEPT = Path(__file__).with_name("histories.jsonl").read_text().splitlines()
"""Those that broke a law once, a line each."""
EACH, ON_DISK = 250, 25
"""Histories of one test: 40 times in memory, 8 times on disk."""


def broken(numbers, storage, most=7):
    """The histories of these seeds that break a law, each shrunk, as the line to add to `histories.jsonl`."""
    found = []
    for number in numbers:
        history = draw(random.Random(number), most=most)
        if tell(history, storage()).violations:
            least = shorter(history, lambda each: bool(tell(each, storage()).violations), less)
            found.append(f"seed {number}: {tell(least, storage()).violations}: {least.line()}")
    return found


@pytest.mark.parametrize("line", KEPT)
def test_a_history_that_broke_a_law_once_never_does_again(line):
    assert tell(History.read(line), in_memory()).violations == []


@pytest.mark.usefixtures("numbered")
@pytest.mark.parametrize("first", range(0, 40 * EACH, EACH))
def test_no_history_breaks_a_law(first):
    assert broken(range(first, first + EACH), as_objects) == []


@pytest.mark.parametrize("first", range(10**6, 10**6 + 8 * ON_DISK, ON_DISK))
def test_no_history_on_disk_breaks_a_law(first, fast_folder):
    folders = (fast_folder / str(each) for each in range(10**9))
    assert broken(range(first, first + ON_DISK), lambda: on_disk(next(folders)), most=4) == []


def test_histories_begin_before_both_changes_of_six_clocks():
    drawn = [draw(random.Random(number)) for number in range(4 * EACH)]
    near = {(each.zone, at) for each in drawn if each.cron for at in changes(each.zone) if 0 <= at - each.start <= 2 * 86_400}
    assert near == {(zone, at) for zone in ZONES for at in changes(zone)}
    assert len(near) == 12


def test_a_history_is_read_back_as_it_was_written():
    for number in range(50):
        history = draw(random.Random(number))
        assert History.read(history.line()) == history


def test_a_failing_history_loses_what_it_does_not_need():
    history = draw(random.Random(3))
    least = shorter(history, lambda each: len(each.moments) >= 1, less)
    assert len(least.moments) == 1
    assert least.moments[0].faults == ()


def test_a_fifth_expires_where_keys_are_minted_and_a_fifth_has_a_place_that_nobody_reads():
    drawn = [draw(random.Random(number)) for number in range(4 * EACH)]
    issue = [each for each in drawn if each.shape.startswith("issue")]
    assert {each.lifetime for each in drawn if each not in issue} == {0.0}
    assert 0.15 < sum(each.lifetime > 0 for each in issue) / len(issue) < 0.25
    assert 0.15 < sum(each.attested for each in drawn) / len(drawn) < 0.25
    waits = {each.after for history in issue if history.lifetime for each in history.moments}
    assert RENEWAL in waits
    assert {each.act for history in issue if history.lifetime for each in history.moments} >= {"watch", "hold", "new key"}


def test_three_runners_and_a_human_in_mid_run_are_as_frequent_as_two():
    drawn = [each.act for number in range(4 * EACH) for each in draw(random.Random(number)).moments]
    assert all(drawn.count(act) > 0.7 * drawn.count("two") > 70 for act in AT_ONCE)
    assert [len(each) for each in AT_ONCE.values()] == [2, 3, 2, 2]


@pytest.mark.parametrize("act", AT_ONCE)
def test_runs_that_go_on_at_once_are_as_many_as_the_history_says(act):
    first = Moment(10_010, "run")
    alone, beside = (
        Teller(History("alternating", each), in_memory()).tell().runs for each in ((first,), (first, Moment(400, act, value=7.0)))
    )
    assert beside == alone + len(AT_ONCE[act])


def test_a_line_that_was_kept_before_expires_nothing():
    assert {(History.read(line).lifetime, History.read(line).attested) for line in KEPT if "lifetime" not in line} == {(0.0, False)}
