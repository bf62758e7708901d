"""The wake index: a cache that loses no look, whoever writes beside the daemon, and whatever the clock does."""

import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rotator.load import load
from rotator.spec import ReloadSpec
from rotator.state import StateDir
from rotator.wakes import INDEX, announce, fingerprint, open_index, tell

ROOT = Path(__file__).parents[2]
DAY = 86_400.0
BUSY = "database is locked"


def example():
    return load(ROOT / "rotator.example.yaml", ROOT / "schedules")


def named(name, **says):
    """A spec that says something."""
    return replace(example().specs[0], name=name, **says)


@pytest.fixture
def index(tmp_path):
    with closing(open_index(tmp_path)) as made:
        yield made


def test_it_follows_the_configuration(index):
    a, b, c = (named(each) for each in "abc")
    says = index.keep_only([a, b], 100.0)
    assert index.due(100.0) == ["a", "b"]
    index.set("a", says["a"], 500.0, 2, 100.0)
    assert (index.due(100.0), index.next(), index.failed("a"), index.failed("nobody")) == (["b"], 100.0, 2, 0)
    index.keep_only([a, c], 200.0)
    assert index.due(200.0) == ["c"]
    index.keep_only([], 0.0)
    assert index.next() is None


def test_a_spec_that_says_something_else_is_looked_at_now_and_one_that_only_moved_in_its_file_is_not(index):
    spec = named("a")
    index.set("a", index.keep_only([spec], 100.0)["a"], DAY, 3, 100.0)
    index.keep_only([replace(spec, source="elsewhere.yaml:99")], 200.0)
    assert (index.due(200.0), index.failed("a")) == ([], 3)
    index.keep_only([replace(spec, grace=spec.grace + 1)], 200.0)
    assert (index.due(200.0), index.failed("a")) == (["a"], 0)


def test_what_its_reloads_are_told_is_part_of_what_a_spec_says():
    spec = named("a", reloads=(ReloadSpec("app", 1),))
    assert fingerprint(spec, {"app": "url: a"}) != fingerprint(spec, {"app": "url: b"})
    assert fingerprint(spec, {"app": "url: a", "other": 1}) == fingerprint(spec, {"app": "url: a", "other": 2})


def test_the_end_of_a_look_that_was_begun_before_a_change_does_not_put_the_next_off(index):
    before = index.keep_only([named("a")], 100.0)["a"]
    index.keep_only([named("a", grace=77.0)], 200.0)
    index.set("a", before, DAY, 0, 300.0)
    assert index.due(300.0) == ["a"]


def test_a_run_beside_the_daemon_makes_it_look_sooner_and_never_later(tmp_path):
    tell(tmp_path, [("a", 1.0)])
    assert not (tmp_path / INDEX).exists()
    with closing(open_index(tmp_path)) as index:
        for name, says in index.keep_only([named("a"), named("b")], 0.0).items():
            index.set(name, says, 1000.0, 0, 0.0)
        tell(tmp_path, [("a", 500.0), ("b", 2000.0), ("nobody", 1.0)])
        assert (index.due(500.0), index.next(), index.due(1000.0)) == (["a"], 500.0, ["a", "b"])


def test_what_is_told_while_a_look_goes_on_is_not_lost_at_its_end(tmp_path, index):
    says = index.keep_only([named("a")], 0.0)["a"]
    index.begin("a")
    tell(tmp_path, [("a", 500.0)])
    index.set("a", says, DAY, 0, 100.0)
    assert (index.due(100.0), index.due(500.0)) == ([], ["a"])
    index.begin("a")
    index.set("a", says, DAY, 0, 501.0)
    assert index.due(501.0) == []


def test_a_clock_that_was_years_ahead_for_a_minute_costs_no_look(tmp_path, index):
    ahead, now = 1_900_000_000.0, 1_800_000_000.0
    index.set("a", index.keep_only([named("a")], ahead)["a"], ahead + DAY, 0, ahead)
    assert index.due(ahead + 60) == []
    assert index.due(now) == ["a"]
    with closing(open_index(tmp_path)) as again:
        says = again.keep_only([named("a")], now)["a"]
        assert again.due(now) == ["a"]
        again.set("a", says, now + DAY, 0, now)
        assert again.due(now) == again.due(now - 30) == []


def test_an_index_that_is_broken_is_begun_anew(tmp_path):
    (tmp_path / INDEX).write_bytes(b"\0garbage" * 1000)
    with closing(open_index(tmp_path)) as index:
        index.keep_only([named("a")], 100.0)
        assert index.due(100.0) == ["a"]


def test_a_command_line_of_another_version_touches_nothing_and_an_index_of_an_earlier_one_goes(tmp_path):
    with closing(sqlite3.connect(tmp_path / "index.db", isolation_level=None)) as old:
        old.execute("create table wake (spec text primary key, at real not null)")
        old.execute("insert into wake (spec, at) values ('a', 1e12)")
        tell(tmp_path, [("a", 1.0)])
        assert old.execute("select * from wake").fetchall() == [("a", 1e12)]
    open_index(tmp_path).close()
    assert [each.name for each in tmp_path.iterdir()] == [INDEX]


def test_a_state_directory_and_its_index_are_for_nobody_else(tmp_path):
    state = StateDir(tmp_path / "var/rotator")
    state.prepare()
    open_index(state.path).close()
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in (state.path, state.path / "locks", state.path / INDEX)}
    assert modes == {"rotator": 0o700, "locks": 0o700, INDEX: 0o600}


def test_thousands_of_results_are_told_at_once(index):
    names = [f"s{each}" for each in range(3000)]
    spec = named("a")
    index.keep_only([replace(spec, name=each) for each in names], 0.0)
    asked = []
    index.db.set_trace_callback(asked.append)
    index.sooner([(each, 5.0) for each in names])
    index.db.set_trace_callback(None)
    assert [each for each in asked if not each.startswith("update")] == ["begin immediate", "COMMIT"]
    assert len(index.due(5.0)) == 3000


def wake_of(index, name):
    return index.db.execute("select at, told from wake where spec = ?", (name,)).fetchone()


@pytest.mark.parametrize("before", [None, 400.0, 700.0])
def test_a_look_that_was_announced_comes_unless_it_is_withdrawn_and_then_all_is_as_it_was(index, tmp_path, before):
    says = index.keep_only([named("a"), named("b")], 100.0)
    for name in "ab":
        index.set(name, says[name], 900.0, 0, 100.0)
    if before:
        index.sooner([("a", before)])
    was = wake_of(index, "a")
    announced = announce(tmp_path, {"a": 500.0, "nobody": 500.0})
    assert index.next() == min(500.0, before or 500.0)
    tell(tmp_path, [], announced)
    assert wake_of(index, "a") == was
    assert wake_of(index, "b") == (900.0, None)


def test_what_was_told_or_looked_at_since_an_announcement_stays_as_it_is(index, tmp_path):
    says = index.keep_only([named("a"), named("b")], 100.0)
    for name in "ab":
        index.set(name, says[name], 900.0, 0, 100.0)
    announced = announce(tmp_path, {"a": 500.0, "b": 500.0})
    index.sooner([("a", 300.0)])
    index.begin("b")
    index.set("b", says["b"], 600.0, 0, 500.0)
    tell(tmp_path, [], announced)
    assert wake_of(index, "a") == (300.0, 300.0)
    assert wake_of(index, "b") == (600.0, None)


def test_where_no_daemon_ever_was_nothing_is_announced(tmp_path):
    assert announce(tmp_path, {"a": 5.0}) == []
    assert not (tmp_path / INDEX).exists()
