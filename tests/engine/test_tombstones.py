"""What is dead stays dead, and is known until that is sure."""

from dataclasses import replace

from labs import before, crash_at, due, names, rotated, with_target

from rotator.errors import Exit
from rotator.rotate import Compromise
from rotator.target import Unfit
from rotator.testing.twins import TwinKey


def test_an_expired_tombstone_is_dropped(shape):
    lab = rotated(shape)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        lab.run()
    assert len(lab.record().tombstones) == 1
    lab.spec = replace(lab.spec, retire=True)
    lab.at(200_000)
    lab.run()
    assert lab.record().tombstones == ()


def test_a_dead_secret_that_comes_back_is_killed_again(shape):
    lab = rotated(shape)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        lab.run()
    dead = lab.record().tombstones[0].credential
    user = lab.system.users.get(dead.name)
    if user is None:
        lab.system.keys[dead.name] = TwinKey(dead.secret.reveal(), lab.seam.now())
    elif shape == "in place":
        user.secrets = [dead.secret.reveal()]
        lab.oracle.human_broke_current = True
    else:
        user.secrets, user.enabled = [*user.secrets, dead.secret.reveal()], True
    lab.oracle.living = lab.system.living()
    lab.at(13_000)
    result = lab.run()
    assert "BURY" in names(result)
    assert (dead.name, dead.secret.reveal()) not in lab.system.living()
    current = lab.record().current.credential
    assert (current.name, current.secret.reveal()) in lab.system.living()


def test_a_tombstone_is_kept_while_a_place_does_not_show_current(shape):
    lab = rotated(shape)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        lab.run()
    lab.spec = replace(lab.spec, retire=True)
    lab.storage.env.down = True
    lab.at(200_000)
    lab.run()
    assert len(lab.record().tombstones) == 1
    lab.storage.env.down = False
    lab.at(300_000)
    lab.run()
    assert lab.record().tombstones == ()


def test_a_tombstone_that_is_let_in_but_unfit_is_alive():
    lab = due("in place")
    lab.run()
    dead = lab.record().tombstones[0].credential.secret.reveal()

    def unfit(self, credential):
        if credential.secret.reveal() == dead:
            raise Unfit("let in, but as another")
        return credential.name

    lab.at(10_800)
    assert "BURY" in names(with_target(lab, verify=unfit).run())


def test_a_tombstone_of_the_previous_user_is_buried_under_the_previous_secret():
    lab = rotated("alternating")
    for seconds in (12_300, 20_020, 23_000, 30_040):
        lab.at(seconds)
        lab.run()
    r = lab.record()
    older = next(each for each in r.tombstones if each.credential.name == r.previous.credential.name)
    user = lab.system.users[older.credential.name]
    user.secrets = [older.credential.secret.reveal()]
    lab.oracle.living = lab.system.living()
    assert "BURY" in names(lab.run())
    assert user.secrets == [r.previous.credential.secret.reveal()]


def test_what_was_taken_back_is_known_until_it_is_surely_dead(shape):
    lab = due(shape)
    lab.system.next_is_dud = True
    assert "ABORT" in names(lab.run())
    assert [each.credential.secret.reveal() in lab.system.duds for each in lab.record().tombstones] == [True]


def test_what_is_taken_back_is_known_until_current_was_seen_to_work():
    lab = due("alternating")
    lab.system.next_is_dud = True
    lab.oracle.human_broke_current = True

    def changed():
        lab.system.users["app_a"].secrets = ["a-human-chose-this-0123456789-0123"]

    assert lab.run(plan=before("revoke", changed)).why == "foreign_change"
    assert lab.record().pending is not None


def test_in_place_a_dead_one_that_was_never_proven_dead_stays_known():
    lab = due("in place")
    assert lab.run(plan=crash_at("confirm dead")) == "crashed"
    lab.run(Compromise())
    assert any(each.credential.same(lab.first) for each in lab.record().tombstones)


def test_a_dead_secret_that_comes_back_in_grace_dies_and_both_that_must_live_go_on():
    lab = rotated("overlapping")
    for seconds in (12_300, 20_010):
        lab.at(seconds)
        lab.run()
    record, user = lab.record(), lab.system.users["app"]
    dead = record.tombstones[0].credential.secret.reveal()
    user.secrets.append(dead)
    lab.oracle.living = lab.system.living()
    lab.at(20_100)
    result = lab.run()
    assert (result.why, result.exit, "BURY" in names(result)) == ("grace", Exit.DONE, True)
    assert sorted(user.secrets) == sorted(each.credential.secret.reveal() for each in (record.current, record.previous))
    assert lab.oracle.violations == []
