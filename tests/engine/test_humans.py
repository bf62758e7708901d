"""What a human asks of a rotation under way: hold, undo, compromise, retire."""

from dataclasses import replace

import pytest
from labs import GRACE, before, crash_at, due, fault_at, living, names, rotated, touched

from rotator.errors import Exit
from rotator.rotate import Adopt, Compromise, HoldUntil, Undo
from rotator.testing.faults import Fault
from rotator.testing.lab import Lab, in_memory


def test_a_hold_switches_a_disabled_old_one_on_again():
    lab = rotated("issue, two slots")
    lab.at(12_300)
    assert lab.run().why == "soak"
    old = lab.record().previous.credential.name
    assert old not in living(lab)
    assert lab.run(HoldUntil("month end", 3000)).why == "hold"
    assert old in living(lab)
    lab.at(16_000)
    assert lab.run().why == "soak"


def test_a_hold_without_an_old_one_is_refused(shape):
    assert due(shape).run(HoldUntil("month end", 10)).why == "refused"


@pytest.mark.parametrize("shape", GRACE)
def test_undo_goes_back_and_grace_starts_again(shape):
    lab = rotated(shape)
    new = lab.record().current.credential.name
    result = lab.run(Undo())
    assert (result.exit, result.why) == (Exit.DONE, "grace")
    assert lab.record().previous.credential.name == new
    lab.at(12_300)
    lab.run()
    lab.at(12_700)
    lab.run()
    assert lab.record().previous is None
    assert lab.oracle.violations == []


def test_undo_without_anything_to_go_back_to_is_refused(shape):
    lab = rotated(shape) if shape == "in place" else due(shape)
    assert lab.run(Undo()).why == "refused"


def test_undo_before_the_new_one_is_current_takes_it_back(shape):
    lab = due(shape)
    lab.run(plan=crash_at("write record PROMOTE"))
    result = lab.run(Undo())
    assert result.why == "not_before"
    assert lab.record().pending is None
    assert lab.record().current.credential.same(lab.first)
    lab.at(10_800)
    assert lab.run().why == "at rest"


def test_a_first_rotation_in_place_cannot_be_undone():
    lab = Lab("in place", in_memory())
    lab.run(Adopt(new=True), plan=crash_at("write record PROMOTE"))
    assert lab.run(Undo()).why == "refused"


@pytest.mark.parametrize("shape", GRACE)
def test_an_old_one_that_refuses_is_not_gone_back_to(shape):
    lab = rotated(shape)
    q = lab.record().previous.credential
    for user in lab.system.users.values():
        user.secrets = [each for each in user.secrets if each != q.secret.reveal()]
    lab.system.keys.pop(q.name, None)
    lab.oracle.living = lab.system.living()
    result = lab.run(Undo())
    assert lab.record().current.credential.name in living(lab)
    assert (result.exit, result.why) == (Exit.FAILED, "refused")
    assert "UNDO (login)" in result.message
    assert ("`rotator adopt orders-db --from …`" in result.fix, "same command" in result.fix) == (True, False)
    assert lab.record().previous
    assert not lab.record().compromised, "it is not killed for one refusal"


def test_a_leak_at_rest_is_rotated_at_once_and_dies_without_grace(shape):
    lab = Lab(shape, in_memory())
    lab.adopt()
    result = lab.run(Compromise(), trigger="leak")
    assert result.exit is Exit.DONE
    assert (lab.first.name, lab.first.secret.reveal()) not in lab.system.living()
    assert lab.record().previous is None
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_a_leak_in_grace_goes_back_to_the_old_one_first(shape):
    lab = rotated(shape)
    leaked = lab.record().current.credential
    result = lab.run(Compromise())
    assert "UNDO" in names(result)
    assert (leaked.name, leaked.secret.reveal()) not in lab.system.living()
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_a_leaked_old_one_dies_at_once(shape):
    lab = rotated(shape)
    leaked = lab.record().previous.credential
    assert lab.run(Compromise("previous")).exit is Exit.DONE
    assert (leaked.name, leaked.secret.reveal()) not in lab.system.living()


def test_a_leaked_pending_is_taken_back(shape):
    lab = due(shape)
    lab.run(plan=crash_at("write record PROMOTE"))
    leaked = lab.record().pending.credential
    assert "ABORT" in names(lab.run(Compromise("pending")))
    assert (leaked.name, leaked.secret.reveal()) not in lab.system.living()


def test_marking_what_is_not_there_is_refused(shape):
    assert due(shape).run(Compromise("pending")).why == "refused"


def test_a_retired_spec_finishes_and_begins_nothing(shape):
    lab = due(shape)
    lab.run(plan=crash_at("write record PROMOTE"))
    lab.spec = replace(lab.spec, retire=True)
    lab.run()
    lab.at(12_300)
    lab.run()
    lab.at(12_700)
    lab.run()
    lab.at(30_000)
    assert lab.run().why == "at rest"
    assert lab.record().last_slot < lab.seam.now() - 15_000


DISABLES = [each for each in GRACE if each != "overlapping"]


@pytest.mark.parametrize("shape", DISABLES)
def test_a_hold_switches_on_again_what_a_killed_run_may_have_switched_off(shape):
    lab = rotated(shape)
    lab.at(12_300)
    old = lab.record().previous.credential.name
    assert lab.run(plan=fault_at("disable", Fault.CRASH_AFTER)) == "crashed"
    assert old not in living(lab)
    assert lab.run(HoldUntil("month end", 3000)).why == "hold"
    assert old in living(lab)


@pytest.mark.parametrize("shape", DISABLES)
def test_an_undo_goes_back_to_what_a_killed_run_may_have_switched_off(shape):
    lab = rotated(shape)
    lab.at(12_300)
    old = lab.record().previous.credential
    assert lab.run(plan=fault_at("disable", Fault.CRASH_AFTER)) == "crashed"
    lab.run(Undo())
    assert lab.record().current.credential.same(old)
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_a_leak_never_goes_back_to_what_is_being_revoked(shape):
    lab = rotated(shape)
    lab.at(12_300)
    if shape.startswith("issue"):
        lab.run()
        lab.at(12_700)
    assert lab.run(plan=crash_at("revoke")) == "crashed"
    assert lab.record().previous.revoke_intent
    assert "UNDO" not in names(lab.run(Compromise()))
    assert lab.oracle.violations == []


def test_an_undo_writes_every_place_anew_also_one_that_shows_the_right_value():
    lab = due("alternating")

    def down():
        lab.storage.env.down = True

    assert lab.run(plan=before("publish", down)).why == "open place"
    lab.storage.env.down = False
    assert lab.shown("env")[0] == "app_a"
    result = lab.run(Undo(), named=True)
    assert names(result).count("PUBLISH") >= 2
    assert lab.record().places == dict.fromkeys(lab.spec.place_names, lab.record().current.id)


@pytest.mark.parametrize("shape", GRACE)
def test_one_that_somebody_has_killed_already_is_not_said_to_be_held(shape):
    lab = rotated(shape)
    old = lab.record().previous.credential
    if old.name in lab.system.keys:
        del lab.system.keys[old.name]
    else:
        user = lab.system.users[old.name]
        user.secrets = [each for each in user.secrets if each != old.secret.reveal()]
    touched(lab)
    result = lab.run(HoldUntil("somebody misses it", 500.0), named=True)
    assert (result.why, "dead already" in result.message, lab.record().hold) == ("refused", True, None)


@pytest.mark.parametrize("shape", GRACE)
def test_no_hold_is_promised_for_an_old_one_that_is_about_to_be_current_again(shape):
    lab = rotated(shape)
    old = lab.record().previous.credential.name
    assert lab.run(Compromise(), plan=crash_at("write record UNDO")) == "crashed"
    result = lab.run(HoldUntil("month end", 3000), named=True)
    assert (result.exit, result.why, lab.record().hold) == (Exit.FAILED, "refused", None)
    assert "becomes current again" in result.message
    assert lab.run(HoldUntil("none", 0.0), named=True).exit is Exit.DONE, "to give a hold up promises nothing"
    assert old in living(lab)
    assert lab.oracle.violations == []
