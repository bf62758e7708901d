"""Adoption where the record knows something already: nothing of ours lives on and is forgotten, and there is a way out of every state."""

from dataclasses import replace

import pytest
from labs import GRACE, ISSUE, SET, THEIRS, at_rest, crash_at, due, living, rotated

from rotator.errors import Exit
from rotator.model import Credential, Secret
from rotator.record import Record
from rotator.rotate import Adopt, Compromise, Undo
from rotator.testing.lab import PATH, Lab, in_memory
from rotator.testing.memory import MemoryPlace, MemorySettings
from rotator.testing.twins import TwinKey, TwinUser


def theirs(lab, *, beside):
    """Somebody sets a secret by hand: beside ours, or in its place. What they have then."""
    current = lab.record().current.credential
    if current.name in lab.system.keys or current.name.startswith("key"):
        lab.system.keys = lab.system.keys if beside else {}
        lab.system.keys["key-human"] = TwinKey(THEIRS, lab.seam.now())
        given = Credential(name="key-human", secret=Secret(THEIRS))
    else:
        user = lab.system.users[current.name]
        user.secrets = [*user.secrets, THEIRS] if beside else [THEIRS]
        given = Credential(name=current.name, secret=Secret(THEIRS))
    lab.oracle.living = lab.system.living()
    lab.oracle.human_broke_current = not beside
    return given


@pytest.mark.parametrize("shape", [each for each in GRACE if each != "alternating"])
@pytest.mark.parametrize("take_second", [False, True])
def test_while_current_works_no_other_is_adopted_in_its_place(shape, take_second):
    lab = at_rest(shape)
    before = lab.record()
    result = lab.run(Adopt(credential=theirs(lab, beside=True), take_second=take_second), named=True)
    assert (result.exit, result.why) == (Exit.FAILED, "refused")
    assert "`rotator run orders-db --force` makes a new one" in result.fix
    assert lab.record().current.id == before.current.id
    assert before.current.credential.name in living(lab)
    assert lab.oracle.violations == []


def test_alternating_the_user_that_all_places_show_is_not_locked_for_the_other():
    lab = at_rest("alternating")
    current = lab.record().current.credential.name
    other = {"app_a": "app_b", "app_b": "app_a"}[current]
    lab.system.users[other] = TwinUser([THEIRS])
    lab.oracle.living = lab.system.living()
    result = lab.run(Adopt(credential=Credential(name=other, secret=Secret(THEIRS)), take_second=True), named=True)
    assert result.why == "refused"
    assert current in living(lab)
    assert lab.oracle.violations == []


def test_a_second_secret_is_dropped_by_adopting_what_is_current_whatever_crashes():
    for effect in ("take the second", "write record", "publish"):
        lab = at_rest("overlapping")
        current = lab.record().current.credential
        theirs(lab, beside=True)
        lab.run(Adopt(credential=current, take_second=True), named=True, plan=crash_at(effect))
        assert lab.record().current.credential.same(current)
        assert lab.run(Adopt(credential=current, take_second=True), named=True).why == "at rest"
        assert lab.system.living() == {("app", current.secret.reveal())}
        assert lab.oracle.violations == []


def test_a_leaked_one_that_is_adopted_again_is_leaked_still():
    lab = at_rest("issue, labels")
    lab.system.refuses = True
    assert lab.run(Compromise(), named=True).why == "failed"
    lab.system.refuses = False
    leaked = lab.record().current.credential
    result = lab.run(Adopt(credential=leaked), named=True)
    assert lab.record().current.credential.name != leaked.name
    assert result.why in ("at rest", "grace")
    assert leaked.name not in living(lab)


@pytest.mark.parametrize("shape", ["in place", "overlapping", "issue, two slots"])
def test_after_somebody_s_change_in_mid_rotation_theirs_is_adopted_and_ours_are_made_sure_to_be_dead(shape):
    lab = due(shape)
    lab.run(plan=crash_at("write record ISSUE" if shape in ISSUE else "set secret"))
    given = theirs(lab, beside=False)
    assert lab.run(named=True).why == "foreign_change"
    result = lab.run(Adopt(credential=given), named=True)
    assert result.exit is Exit.DONE, result
    r = lab.record()
    assert (r.current.credential.name, r.pending) == (given.name, None)
    assert [lab.shown(each) for each in lab.spec.place_names] == [(given.name, THEIRS)] * 2
    lab.at(40_000)
    assert lab.run().exit is Exit.DONE


def test_where_only_current_is_gone_and_the_next_one_lives_the_rotation_goes_on():
    lab = due("issue, labels")
    lab.run(plan=crash_at("write record PROMOTE"))
    lab.system.keys.pop("key-0")
    lab.oracle.living, lab.oracle.human_broke_current = lab.system.living(), True
    result = lab.run(named=True)
    assert result.exit is Exit.DONE
    assert lab.record().current.credential.name in living(lab)
    assert lab.shown("env")[0] == lab.record().current.credential.name


def test_an_old_one_in_its_grace_outlives_an_adoption():
    lab = rotated("overlapping")
    old = lab.record().previous.credential
    user = lab.system.users["app"]
    user.secrets = [old.secret.reveal(), THEIRS]
    lab.oracle.living, lab.oracle.human_broke_current = lab.system.living(), True
    result = lab.run(Adopt(credential=Credential(name="app", secret=Secret(THEIRS))), named=True)
    assert (result.exit, result.why) == (Exit.DONE, "grace")
    assert ("app", old.secret.reveal()) in lab.system.living()
    lab.at(30_000)
    lab.run()
    assert ("app", old.secret.reveal()) not in lab.system.living()


def test_a_place_that_was_not_reached_by_an_adoption_is_still_known_to_show_ours():
    lab = at_rest("in place")
    given = theirs(lab, beside=False)
    lab.run(Adopt(credential=given), named=True, plan=crash_at("publish", 2))
    assert lab.run(named=True).exit is Exit.DONE
    assert lab.shown("env") == ("app", THEIRS)


def test_what_may_be_our_orphan_is_not_accepted_as_somebody_s_by_an_adoption():
    lab = due("issue, two slots")
    lab.run(plan=crash_at("write record ISSUE"))
    orphan = next(each for each in living(lab) if each != "key-0")
    lab.system.keys.pop("key-0")
    lab.system.keys["key-human"] = TwinKey(THEIRS, lab.seam.now())
    lab.oracle.living, lab.oracle.human_broke_current = lab.system.living(), True
    lab.run(Adopt(credential=Credential(name="key-human", secret=Secret(THEIRS))), named=True)
    assert orphan not in lab.record().base


def test_places_that_remember_a_higher_generation_take_what_is_adopted_after_the_record_was_lost():
    lab = Lab("alternating", in_memory())
    lab.storage.place = lambda runtime: MemoryPlace(MemorySettings(), runtime, lab.storage.env)
    lab.adopt()
    lab.at(10_010)
    lab.run()
    current = lab.record().current.credential
    lab.truth.shelf.records.clear()
    assert lab.run(Adopt(credential=current, take_second=True), named=True).exit is Exit.DONE
    assert lab.shown("env")[0] == current.name


def test_dead_secrets_of_another_system_are_not_tried_at_the_new_one():
    lab = at_rest("alternating")
    assert lab.record().tombstones
    lab.spec = replace(lab.spec, identity=replace(lab.spec.identity, endpoint="another"))
    assert lab.run(Adopt(credential=lab.record().current.credential), named=True).exit is Exit.DONE
    assert lab.record().tombstones == ()


@pytest.mark.parametrize("shape", SET)
def test_a_first_secret_that_the_core_chose_is_not_taken_back(shape):
    for command in (Undo(), Compromise("pending")):
        lab = Lab(shape, in_memory())
        lab.oracle.start()
        lab.oracle.human_broke_current = True
        lab.run(Adopt(new=True), named=True, plan=crash_at("write record PROMOTE"))
        result = lab.run(command, named=True)
        assert (result.why, "rotator run orders-db" in result.fix) == ("refused", True)
        assert lab.record().pending
        assert lab.run(named=True).exit is Exit.DONE
        assert lab.record().current


def test_a_first_secret_that_never_arrived_gives_way_to_the_one_in_use():
    lab = Lab("alternating", in_memory())
    lab.oracle.start()
    lab.run(Adopt(new=True), named=True, plan=crash_at("set secret"))
    assert lab.run(Adopt(credential=lab.first), named=True).exit is Exit.DONE
    assert lab.record().current.credential.same(lab.first)


def test_what_contradicts_itself_is_refused():
    lab = Lab("issue, labels", in_memory())
    lab.oracle.start()
    assert "--from" in lab.run(Adopt(new=True, retire="key-0"), named=True).message
    lab = at_rest("alternating")
    assert lab.run(Adopt(new=True), named=True).why == "refused"


def test_a_secret_that_was_given_as_the_user_is_shown_nowhere():
    secret = "My-Real-Pa55word-0123456789abcdef"
    for shape in ("alternating", "issue, labels"):
        lab = Lab(shape, in_memory())
        lab.oracle.start()
        result = lab.run(Adopt(credential=Credential(name=secret, secret=Secret("app_a"))), named=True)
        assert result.why == "refused"
        assert secret not in f"{result.message} {result.fix}"


def test_a_record_with_nothing_but_a_name_is_adopted_as_new():
    lab = Lab("in place", in_memory())
    lab.truth.write(PATH, Record(name="orders-db"))
    lab.oracle.start()
    assert lab.run(Adopt(credential=lab.first), named=True).exit is Exit.DONE


def test_overlapping_a_first_rotation_drops_a_second_secret_by_itself():
    lab = Lab("overlapping", in_memory())
    lab.system.users["app"].secrets.append(THEIRS)
    lab.oracle.start()
    lab.oracle.human_broke_current = True
    lab.run(Adopt(new=True, take_second=True), named=True, plan=crash_at("write record"))
    assert lab.system.living() == lab.oracle.living
    lab.run(Adopt(new=True, take_second=True), named=True)
    assert [name for name, _ in lab.system.living()] == ["app"]


def test_the_other_user_with_a_secret_of_a_human_takes_the_place_of_the_old_one():
    lab = rotated("alternating")
    current, old = lab.record().current.credential, lab.record().previous.credential
    lab.system.users[current.name].secrets[:] = []
    lab.system.users[old.name].secrets[:] = [THEIRS]
    lab.oracle.living, lab.oracle.human_broke_current = lab.system.living(), True
    result = lab.run(Adopt(credential=Credential(name=old.name, secret=Secret(THEIRS))), named=True)
    assert result.exit is Exit.DONE
    assert lab.record().previous is None
    lab.at(40_000)
    lab.run()
    assert lab.oracle.violations == []
