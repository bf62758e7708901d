"""Where a human, a backup or a silent place has brought a record, messages name the command that leads out; none kills unseen."""

import json

import pytest
from labs import THEIRS, at_rest, crash_at, due, fault_at, living, names, restored, rotated, theirs, touched, what_get_shows, with_target

from rotator.errors import Exit
from rotator.rotate import Adopt, Compromise, Resolve, Undo
from rotator.testing.faults import Fault
from rotator.testing.lab import PATH, START, Lab, in_memory
from rotator.testing.twins import TwinKey, TwinUser

# ---- a record from a backup


def test_after_two_rotations_that_a_restored_record_does_not_know_what_works_is_adopted():
    lab = Lab("alternating", in_memory())
    lab.adopt()
    old = lab.truth.shelf.records[PATH][1]
    for seconds in (10_010, 12_300, 12_700, 20_010, 22_300, 22_700):
        lab.at(seconds)
        lab.run()
    restored(lab, old)
    lab.at(25_000)
    assert lab.run(named=True).why == "foreign_change"
    result = lab.run(Adopt(credential=what_get_shows(lab)), named=True)
    assert (result.exit, result.why) == (Exit.DONE, "at rest")


def test_places_that_show_what_a_restored_record_does_not_know_are_written_over_where_a_human_says_so():
    lab = Lab("issue, two slots", in_memory())
    lab.adopt()
    lab.at(10_010)
    old = lab.truth.shelf.records[PATH][1]
    lab.run()
    lab.system.keys = {name: key for name, key in lab.system.keys.items() if name == "key-0"}
    restored(lab, old)
    assert lab.run(named=True).why == "foreign_change of place"
    result = lab.run(Resolve(overwrite=frozenset({"env", "local"})), named=True)
    assert result.exit is Exit.DONE
    assert {lab.shown(place)[0] for place in ("env", "local")} == {lab.record().current.credential.name}


def newer_in_a_place(*, reserved):
    """Record and value were restored; env shows what the lost rotation minted, which works."""
    lab = Lab("issue, labels", in_memory())
    lab.adopt()
    lab.at(10_010)
    values = lab.truth.shelf.values[PATH]
    if reserved:
        lab.run(plan=crash_at("mint"))
        lab.seam.t += 400
    old = lab.truth.shelf.records[PATH][1]
    lab.run()
    restored(lab, old)
    lab.truth.shelf.values[PATH] = values
    touched(lab)
    lab.seam.t += 400
    return lab


@pytest.mark.parametrize("reserved", [False, True])
def test_no_orphan_dies_before_every_place_was_read(reserved):
    lab = newer_in_a_place(reserved=reserved)
    result = lab.run(named=True, plan=fault_at("read place", Fault.ERROR, 2))
    assert result.why in ("foreign_change of place", "orphan.suspect")
    assert "key-1" in living(lab)
    assert lab.oracle.violations == []


@pytest.mark.parametrize("reserved", [False, True])
def test_where_a_place_cannot_be_read_no_orphan_dies(reserved):
    lab = newer_in_a_place(reserved=reserved)
    lab.storage.env.down = True
    result = lab.run(named=True)
    assert (result.exit, "(read place) in env" in result.message) == (Exit.FAILED if reserved else Exit.UNPROVEN, True)
    assert "key-1" in living(lab)
    assert lab.oracle.violations == []


def middle_of_a_rotation(shape, *, later=0.0):
    """The store is what it was when pending was about to be current: every place but its own shows pending."""
    lab = due(shape)
    shelf = lab.truth.shelf
    values = shelf.values[PATH]
    lab.run(plan=crash_at("write record PROMOTE"))
    old = shelf.records[PATH][1]
    lab.seam.t += 400
    lab.run()
    lab.seam.t += later
    restored(lab, old)
    shelf.values[PATH] = values
    touched(lab)
    lab.seam.t += 400
    return lab


@pytest.mark.parametrize("command", [Undo(), Compromise("pending")])
@pytest.mark.parametrize("shape", ["alternating", "issue, labels"])
def test_what_a_place_shows_already_is_not_taken_back(shape, command):
    lab = middle_of_a_rotation(shape)
    result = lab.run(command, named=True)
    assert (result.why, "env shows the new one already" in result.message) == ("refused", True)
    assert lab.run(named=True).why == "grace"
    assert lab.oracle.violations == []


def test_a_restored_record_goes_on_though_the_target_has_seen_a_higher_fence():
    lab = due("overlapping")
    lab.run(plan=crash_at("write record PROMOTE"))
    old = lab.truth.shelf.records[PATH][1]
    lab.run()
    lab.seam.t += 40_000
    lab.run(Adopt(credential=lab.record().current.credential), named=True)
    for _ in range(3):
        lab.seam.t += 2000
        lab.run()
    restored(lab, old)
    lab.seam.t += 400
    whys = []
    for _ in range(4):
        whys.append(lab.run(named=True).why)
        lab.seam.t += 30_000
    assert "conflict" not in whys


def test_no_generation_is_below_one_that_a_lost_record_may_have_shown():
    lab = due("alternating")
    lab.run()
    assert lab.record().generation >= int(START + 10_010)
    lab.seam.t += 500
    lab.run(Undo(), named=True)
    assert lab.record().generation >= int(START + 10_510)


# ---- a place that could not be read


def test_a_place_that_showed_the_old_one_while_nobody_could_read_it_has_its_whole_grace():
    lab = rotated("alternating")
    old = lab.record().previous.credential
    lab.storage.env.values["env"] = json.dumps({"fields": {"USER": old.name, "PASSWORD": old.secret.reveal()}})
    touched(lab, broke=True)
    lab.at(12_300)
    assert lab.run(plan=fault_at("read place", Fault.ERROR, 2)).why == "grace"
    assert old.name in living(lab)
    assert lab.oracle.violations == []


# ---- what a human did at the target


def test_a_leak_whose_earlier_key_a_human_has_deleted_is_rotated_forward():
    lab = rotated("issue, labels")
    lab.at(12_000)
    assert lab.run().why == "soak"
    del lab.system.keys["key-0"]
    touched(lab)
    assert lab.run(Compromise("current"), named=True).exit is Exit.DONE
    assert "key-1" not in living(lab)


def test_an_undo_to_a_key_that_a_human_has_deleted_leaves_everything_as_it_is():
    lab = rotated("issue, labels")
    lab.at(12_000)
    lab.run()
    del lab.system.keys["key-0"]
    touched(lab)
    result = lab.run(Undo(), named=True)
    assert (result.exit, "ENABLE" in result.message) == (Exit.FAILED, True)
    assert lab.record().current.credential.name == "key-1"
    assert lab.record().compromised == frozenset()


@pytest.mark.parametrize("shape", ["alternating", "overlapping"])
@pytest.mark.parametrize("open_place", [False, True])
def test_a_second_one_that_is_the_old_one_is_not_taken_while_it_works(shape, open_place):
    lab = due(shape)
    lab.run(plan=fault_at("publish", Fault.CRASH_BEFORE, 2) if open_place else None)
    before = lab.system.living()
    result = lab.run(Adopt(credential=lab.record().current.credential, take_second=True), named=True)
    assert (result.why, result.message.endswith("let it end, or undo it")) == ("refused", True)
    assert lab.system.living() == before
    assert lab.oracle.violations == []


def test_the_other_user_that_a_human_took_since_it_was_locked_is_not_written_over():
    lab = at_rest("alternating")
    for seconds in (20_010, 22_300, 22_700):
        lab.at(seconds)
        lab.run()
    assert lab.record().current.credential.name == "app_a"
    assert "app_b" in {each.credential.name for each in lab.record().tombstones}
    lab.system.users["app_b"] = TwinUser([THEIRS], enabled=True)
    lab.oracle.strangers.add(("app_b", THEIRS))
    touched(lab)
    result = lab.run(named=True, forced=True)
    assert (result.why, "app_b" in result.message) == ("check", True)
    assert lab.system.users["app_b"].secrets == [THEIRS]
    assert lab.run(Adopt(credential=what_get_shows(lab)), named=True).why == "refused"


@pytest.mark.parametrize("command", [None, Compromise("previous")])
def test_an_old_user_that_a_human_has_taken_is_given_up_by_the_command_that_the_run_names(command):
    lab = rotated("alternating")
    lab.system.users["app_a"].secrets = [THEIRS]
    lab.oracle.strangers.add(("app_a", THEIRS))
    touched(lab)
    lab.at(12_300)
    result = lab.run(command, named=True)
    assert (result.exit, result.why) == (Exit.HUMAN, "foreign_change")
    assert "rotator adopt orders-db --from …` with what `rotator get orders-db` shows, and --take-second" in result.fix
    assert lab.system.users["app_a"].secrets == [THEIRS]
    lab.oracle.strangers.clear()
    result = lab.run(Adopt(credential=what_get_shows(lab), take_second=True), named=True)
    assert (result.exit, result.why, living(lab)) == (Exit.DONE, "at rest", ["app_b"])


@pytest.mark.parametrize("retire", [None, "key-1"])
def test_an_old_key_that_is_on_its_way_out_takes_no_slot_from_an_adoption(retire):
    lab = rotated("issue, two slots")
    lab.run(Undo(), named=True)
    del lab.system.keys["key-0"]
    lab.system.keys["key-human"] = TwinKey(THEIRS, lab.seam.now())
    touched(lab, broke=True)
    lab.seam.t += 100
    assert lab.run(named=True).why == "foreign_change"
    result = lab.run(Adopt(credential=theirs("key-human"), retire=retire), named=True)
    assert (result.exit, result.why) == (Exit.DONE, "grace")
    assert lab.record().previous.credential.name == "key-1"
    for seconds in (13_000, 14_000):
        lab.at(seconds)
        lab.run()
    assert living(lab) == ["key-human"]


def test_an_orphan_with_our_label_is_nobody_else_s_after_an_adoption():
    lab = due("issue, labels")
    lab.run(plan=fault_at("mint", Fault.LATE))
    lab.land()
    current = lab.record().current.credential.name
    orphan = next(iter(set(living(lab)) - {current, "key-0"}))
    del lab.system.keys[current]
    lab.system.keys["key-human"] = TwinKey(THEIRS, lab.seam.now())
    touched(lab, broke=True)
    lab.run(Adopt(credential=theirs("key-human")), named=True)
    assert orphan not in lab.record().base
    for _ in range(4):
        lab.seam.t += 1500
        lab.run(named=True)
    assert living(lab) == ["key-human"]


def test_an_abort_of_a_user_that_a_human_has_taken_names_the_command_that_ends_it():
    lab = due("alternating")
    lab.run(plan=crash_at("write record PROMOTE"))
    lab.system.users["app_b"].secrets = [THEIRS]
    lab.oracle.strangers.add(("app_b", THEIRS))
    touched(lab)
    lab.seam.t += 400
    result = lab.run(Undo(), named=True)
    assert (result.why, "--take-second" in result.fix) == ("foreign_change", True)
    assert lab.system.users["app_b"].secrets == [THEIRS]
    lab.oracle.strangers.clear()
    assert lab.run(Adopt(credential=lab.record().current.credential, take_second=True), named=True).why == "at rest"


@pytest.mark.parametrize("shape", ["alternating", "in place"])
def test_while_a_failed_rotation_waits_a_place_that_shows_something_else_is_no_success(shape):
    lab = at_rest(shape)
    dead = lab.record().tombstones[0].credential
    lab.at(20_010)
    lab.system.refuses = True
    for _ in range(3):
        lab.run(named=True)
    lab.system.refuses = False
    assert lab.run().exit is Exit.DONE
    lab.storage.env.values["env"] = json.dumps({"fields": {"USER": dead.name, "PASSWORD": dead.secret.reveal()}})
    touched(lab, broke=True)
    result = lab.run()
    assert (result.exit, result.why) == (Exit.FAILED, "not_before")
    assert lab.run(named=True).exit is Exit.DONE


def test_a_dry_run_of_a_command_begins_grace_anew_as_the_command_does():
    lab = rotated("alternating")
    lab.storage.env.values.clear()
    touched(lab, broke=True)
    lab.at(12_300)
    foreseen = lab.dry(Resolve(overwrite=frozenset({"env"})))
    done = lab.run(Resolve(overwrite=frozenset({"env"})), named=True)
    assert (foreseen.why, [str(each.name) for each in foreseen.steps]) == (done.why, [str(each.name) for each in done.steps])


@pytest.mark.parametrize("shape", ["alternating", "overlapping", "issue, two slots", "issue, labels"])
def test_check_is_told_of_dead_keys_and_of_no_dead_user(shape):
    """A provider may list a key for a while after its deletion: it is still ours. A user is whose secret it has."""
    lab = at_rest(shape)
    dead, told = lab.record().tombstones[0].credential, []
    with_target(lab, check=lambda _self, known, _accepted: told.extend(known) or [])
    lab.run(named=True)
    assert [each.same(dead) for each in told].count(True) == (1 if shape.startswith("issue") else 0)


@pytest.mark.parametrize("shape", ["alternating", "overlapping"])
def test_a_revocation_that_was_begun_ends_with_its_proof_though_the_second_one_is_taken(shape):
    lab = rotated(shape)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        if lab.run(plan=crash_at("revoke")) == "crashed":
            break
    assert lab.record().previous.revoke_intent
    lab.seam.t += 400
    lab.run(Adopt(credential=lab.record().current.credential, take_second=True), named=True)
    lab.seam.t += 1_200
    result = lab.run()
    assert ("CONFIRM" in names(result), result.why) == (True, "at rest")
