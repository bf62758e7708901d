"""The kill proof in small: its oracle sees what is broken, its entry point kills where it says, and a sample of its kills heals."""

import sqlite3
import sys

import pytest

from rotator.errors import Exit
from rotator.state import StateDir
from rotator.testing.kill.boundaries import STORIES, one_kill
from rotator.testing.kill.oracle import Oracle
from rotator.testing.kill.random_kills import random_kills
from rotator.testing.processes import gone_within
from rotator.testing.stands import NAME, HttpToken, InPlace, Overlapping, World

KILLING = (sys.executable, "-m", "rotator.testing.kill.main")


@pytest.fixture(scope="module")
def hub():
    with HttpToken() as started:
        yield started


@pytest.fixture
def judged(hub, tmp_path):
    """A world at rest, and its oracle."""
    world = World(hub, tmp_path / "w", f"user-{tmp_path.name.replace('_', '-')}")
    world.adopt()
    return world, Oracle(world)


def laws(oracle):
    return {each.split(": ")[2] for each in oracle.violations}


def test_the_oracle_is_content_with_a_world_at_rest(judged):
    world, oracle = judged
    result = world.run(forced=True)
    oracle.after_kill()
    oracle.settled(result.exit, result.why)
    oracle.audited()
    assert oracle.violations == []


def test_the_oracle_sees_a_dead_current(judged):
    world, oracle = judged
    world.stand.server.call("DELETE", f"/users/{world.one}/tokens/{world.first.name}")
    oracle.after_kill()
    assert laws(oracle) == {"I1"}


def test_the_oracle_sees_an_old_one_that_died_in_its_grace(judged):
    world, oracle = judged
    world.run(forced=True)
    world.stand.server.call("DELETE", f"/users/{world.one}/tokens/{world.first.name}")
    oracle.after_kill()
    assert laws(oracle) == {"I2"}


def test_the_oracle_sees_an_orphan_and_what_was_minted_unannounced(judged):
    world, oracle = judged
    world.stand.server.create_token(world.one)
    oracle.settled(Exit.DONE, "at rest")
    oracle.audited()
    assert laws(oracle) == {"I4", "I5"}


def test_the_oracle_sees_a_run_that_does_not_settle_and_an_old_one_alive_at_rest(judged):
    world, oracle = judged
    world.run(forced=True)
    oracle.settled(Exit.FAILED, "failed")
    oracle.at_rest([world.first])
    assert laws(oracle) == {"I6", "I3"}


def test_the_oracle_sees_a_ledger_that_was_altered_and_a_lock_that_is_held(judged):
    world, oracle = judged
    with sqlite3.connect(world.folder / "var/ledger.db") as ledger:
        ledger.execute("UPDATE event SET line = replace(line, 'RELEASE', 'REVOKE') WHERE row = (SELECT max(row) FROM event)")
        assert ledger.total_changes == 1
    lock = StateDir(world.folder / "var").take(world.spec.chain)
    oracle.audited()
    oracle.after_kill()
    lock.release()
    assert laws(oracle) == {"I9", "I5"}


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_entry_point_kills_the_run_of_the_same_command_line(tmp_path, when):
    with InPlace() as stand:
        world = World(stand, tmp_path / "w", "app")
        world.adopt()
        entry = (*KILLING, "--effect", "set secret", "--when", when, "--")
        died = world.rotator("--json", "run", NAME, "--force", entry=entry)
        assert (died.code, died.first["state"]) == (1, "died")
        assert stand.works(world.first) == (when == "before")
        healed = world.rotator("--json", "run", NAME)
        assert (healed.code, healed.first["state"]) == (0, "at rest")


def test_a_sample_of_kills_at_boundaries_heals(tmp_path):
    with Overlapping() as stand:
        for story, number, when in (
            ("rotation", 1, "after"),
            ("rotation", 3, "after"),
            ("end of grace", 2, "after"),
            ("abort", 2, "after"),
        ):
            world = World(stand, tmp_path / f"{story}{number}", f"user{story.replace(' ', '')}{number}")
            effect, oracle = one_kill(world, STORIES[story], number, when)
            assert effect
            assert oracle.violations == []


def test_a_sample_of_random_kills_heals(tmp_path):
    with Overlapping() as stand:
        found = list(random_kills(stand, tmp_path, seed=3, count=1))
    assert [violations for _, violations in found] == [[], []]


def test_gone_within_sees_who_stays():
    assert gone_within([1], 0.05).seconds >= 0.05
