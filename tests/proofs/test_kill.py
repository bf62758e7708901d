"""The kill proof in small: its oracle sees what is broken, its entry point kills where it says, and a sample of its kills heals."""

import sqlite3
import subprocess
import sys
import time

import pytest

from rotator.errors import Exit
from rotator.state import StateDir
from rotator.testing import processes
from rotator.testing.kill.__main__ import parts_of, shapes_here
from rotator.testing.kill.boundaries import Worlds, census, different, stories_of
from rotator.testing.kill.oracle import Oracle
from rotator.testing.kill.random_kills import random_kills
from rotator.testing.kill.stories import STORIES
from rotator.testing.kill.worker import Point
from rotator.testing.processes import Vigil, gone_within
from rotator.testing.stands import NAME, STANDS, HttpToken, IamKey, InPlace, MysqlStand, Overlapping, RedisStand

KILLING = (sys.executable, "-m", "rotator.testing.kill.main")


at_iam, at_a_hub, at_the_twin, in_place = (
    pytest.mark.parametrize("stand", [each.shape], indirect=True, scope="package") for each in (IamKey, HttpToken, Overlapping, InPlace)
)


at_a_server_that_notes = pytest.mark.parametrize("stand", [MysqlStand.shape, RedisStand.shape], indirect=True, scope="package")


@pytest.fixture
def judged(new_world):
    """A world at rest, and its oracle."""
    world = new_world()
    world.adopt()
    return world, Oracle(world)


def laws(oracle):
    return {each.split(": ")[2] for each in oracle.violations}


def delete(world):
    """A human deletes the first key, past us."""
    world.stand.server.root.delete_access_key(UserName=world.one, AccessKeyId=world.first.name)


@at_iam
def test_the_oracle_is_content_with_a_world_at_rest(judged):
    world, oracle = judged
    result = world.run(forced=True)
    oracle.after_kill()
    oracle.settled(result)
    oracle.audited()
    assert oracle.violations == []


@at_iam
def test_the_oracle_sees_a_dead_current(judged):
    world, oracle = judged
    delete(world)
    oracle.after_kill()
    assert laws(oracle) == {"I1"}


@at_iam
def test_the_oracle_sees_an_old_one_that_died_in_its_grace(judged):
    world, oracle = judged
    world.run(forced=True)
    delete(world)
    oracle.after_kill()
    assert laws(oracle) == {"I2"}


@at_iam
def test_the_oracle_sees_an_orphan_and_what_was_minted_unannounced(judged):
    world, oracle = judged
    world.stand.second(world.one)
    oracle.must_rest(Exit.DONE, "at rest")
    oracle.audited()
    assert laws(oracle) == {"I4", "I5"}


@at_iam
def test_the_oracle_sees_a_run_that_does_not_settle_and_an_old_one_alive_at_rest(judged):
    world, oracle = judged
    world.run(forced=True)
    oracle.must_rest(Exit.FAILED, "failed")
    oracle.at_rest([world.first])
    assert laws(oracle) == {"I6"}
    record = world.record()
    world.store().write("team/it", record.but(previous=None))
    oracle.violations = []
    oracle.at_rest([world.first])
    assert laws(oracle) == {"I3", "I4"}


@at_iam
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


@at_a_server_that_notes
def test_the_oracle_sees_a_secret_in_the_servers_own_log(judged):
    world, oracle = judged
    world.run(forced=True)
    oracle.at_rest([])
    assert "I7" not in laws(oracle)
    secret = world.record().current.credential.secret
    ask = ("ECHO", secret.reveal()) if isinstance(world.stand, RedisStand) else (f"SELECT '{secret.reveal()}'",)
    world.stand.server.query(*ask)
    world.stand.works(world.first)
    oracle.at_rest([world.record().current.credential])
    assert "I7" in laws(oracle)


@at_a_server_that_notes
def test_a_log_that_does_not_show_the_user_proves_nothing(judged):
    world, oracle = judged
    world.stand.seen()
    oracle._unseen()
    assert laws(oracle) == {"I7"}


@at_the_twin
def test_what_a_human_did_is_not_held_against_the_run(judged):
    world, _ = judged
    foreign = world.overwrite()
    for by_hand, found in (((), {"I1"}), ((foreign,), set())):
        oracle = Oracle(world, by_hand=by_hand)
        oracle.after_kill()
        assert laws(oracle) == found


@in_place
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_entry_point_kills_the_run_of_the_same_command_line(judged, when):
    world, _ = judged
    entry = (*KILLING, "--effect", "set secret", "--when", when, "--")
    died = world.rotator("--json", "run", NAME, "--force", entry=entry)
    assert (died.code, died.first["state"]) == (1, "died")
    assert world.stand.works(world.first) == (when == "before")
    healed = world.run()
    assert (healed.exit, healed.why) == (Exit.DONE, "at rest")


def test_only_moments_that_leave_the_same_world_behind_are_left_out():
    def moment(number, when, kind, files, name="login"):
        return Point(number, when, name, kind, files)

    read = [moment(1, "before", "read", "a"), moment(1, "after", "read", "a"), moment(2, "before", "read", "a")]
    change = [moment(3, "before", "change", "b"), moment(3, "after", "change", "b"), moment(4, "before", "read", "b")]
    write = [moment(5, "before", "write", "c"), moment(5, "after", "write", "d")]
    moments = [*read, *change, *write]
    assert list(different(moments, traces=False)) == [read[0], *change[:2], *write]
    assert list(different(moments, traces=True)) == [*read[:2], *change[:2], *write]


@at_the_twin
def test_a_census_finds_every_change_of_a_rotation(stand, tmp_path):
    points, oracle = census(Worlds(stand, tmp_path).make(), STORIES["rotation"])
    assert oracle.violations == []
    kept = [(each.when, each.name) for each in different(points, traces=False)]
    assert kept[0] == ("before", "read record")
    for effect in ("set secret", "publish", "write record PROMOTE"):
        assert {("before", effect), ("after", effect)} <= set(kept)
    assert not [name for _, name in kept if name in ("login", "check target", "read place", "read back")]


def test_a_shape_whose_server_is_missing_is_left_out_unless_it_is_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(MysqlStand, "missing", classmethod(lambda _: "MariaDB"))
    assert MysqlStand.shape not in shapes_here(None)
    assert shapes_here([InPlace.shape]) == [InPlace.shape]
    assert "mysql: left out; it needs MariaDB" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        shapes_here([MysqlStand.shape])


def test_every_shape_tells_its_stories_once():
    parts = parts_of(list(STANDS))
    told = [(shape, each) for shape, stories in parts for each in stories]
    assert len(told) == len(set(told))
    assert {each for _, each in told} == {*STORIES, "random", "lossy"}
    assert [len(stories_of(stand)) for stand in STANDS.values()] == [len([1 for shape, _ in told if shape == each]) - 2 for each in STANDS]


@at_the_twin
@pytest.mark.parametrize("name", ["rotation", "adopt new", "bury a third", "compromise in grace"])
def test_a_sample_of_kills_at_boundaries_heals(stand, tmp_path, name):
    worlds, story = Worlds(stand, tmp_path), STORIES[name]
    points = list(different(census(worlds.make(), story)[0], traces=False))
    point = points[len(points) // 2]
    effect, oracle = worlds.one_kill(story, point)
    assert effect == point.name
    assert oracle.violations == []


@at_a_hub
def test_a_key_that_was_lost_in_a_leak_heals_though_the_hub_has_given_it_a_dead_one_s_id(stand, tmp_path):
    worlds, story = Worlds(stand, tmp_path), STORIES["compromise in grace"]
    points, oracle = census(worlds.make(), story)
    lost = next(each for each in points if (each.when, each.name) == ("after", "mint"))
    effect, killed = worlds.one_kill(story, lost)
    assert effect == "mint"
    assert oracle.violations == killed.violations == []


@at_a_hub
@pytest.mark.parametrize("name", ["sweep", "sweep after a leak", "end of an orphan's grace"])
def test_an_orphan_with_our_label_goes_its_way_where_nobody_is_killed(stand, tmp_path, name):
    points, oracle = census(Worlds(stand, tmp_path).make(), STORIES[name])
    assert oracle.violations == []
    done = [each.name for each in points]
    theirs = {"sweep": "list", "sweep after a leak": "revoke orphan", "end of an orphan's grace": "write record REVOKE"}
    assert theirs[name] in done[done.index("write record CLAIM") :], "what `keep` changes is written as the lease is given back"


@in_place
def test_a_random_kill_heals(stand, tmp_path):
    found = list(random_kills(stand, tmp_path, seed=3, count=1))
    assert [violations for _, violations in found] == [[], []]


def test_gone_within_sees_who_stays():
    assert gone_within([1], 0.05).seconds >= 0.05


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
def test_how_long_somebody_outlives_main_is_counted_from_mains_end():
    main, run = (subprocess.Popen(["/bin/sleep", seconds]) for seconds in ("0.3", "0.6"))
    try:
        with Vigil([main.pid, run.pid]) as vigil:
            took = vigil.gone(10.0, main.pid)
    finally:
        for each in (main, run):
            each.kill()
            each.wait()
    assert 0.1 < took.seconds < 0.5
    assert took.counted <= took.seconds


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
def test_what_a_process_waited_for_a_processor_counts_also_where_it_ends_and_is_reaped_between_two_looks(monkeypatch):
    run, looks = subprocess.Popen(["/bin/sleep", "60"]), iter([0.0, 0.0, 0.05])

    def waits(pid):
        """What the kernel tells, until the look before which it ends."""
        so_far = next(looks, None)
        if so_far is None:
            time.sleep(0.1)
            run.kill()
            run.wait()
        return {} if so_far is None else {str(pid): so_far}

    monkeypatch.setattr(processes, "waits", waits)
    with Vigil([run.pid]) as vigil:
        took = vigil.gone(10.0)
    assert took.stalled >= 0.05
