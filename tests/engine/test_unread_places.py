"""A place that cannot be read may show anything: nothing that it may show is ended, and nothing is claimed of it."""

import json

import pytest
from labs import GRACE, THEIRS, crash_at, due, fault_at, living, names, restored, touched

from rotator.errors import Exit
from rotator.model import Reached
from rotator.rotate import Adopt, Compromise, HoldUntil, Undo
from rotator.spec import ReloadSpec
from rotator.testing.faults import Fault
from rotator.testing.lab import PATH, Lab, in_memory
from rotator.testing.twins import TwinUser

ENV = frozenset({"env"})


def before_the_promotion(shape):
    """The store is what it was when pending was about to be current; env shows pending."""
    lab = due(shape)
    shelf = lab.truth.shelf
    values = shelf.values[PATH]
    lab.run(plan=crash_at("write record PROMOTE"))
    old = shelf.records[PATH][1]
    lab.seam.t += 400
    lab.run()
    restored(lab, old)
    shelf.values[PATH] = values
    touched(lab)
    lab.seam.t += 400
    return lab


# ---- what is taken back


@pytest.mark.parametrize("command", [Undo(), Compromise("pending")])
@pytest.mark.parametrize("shape", GRACE)
@pytest.mark.parametrize("reads_that_fail", ["one", "all"])
def test_what_a_place_may_show_that_cannot_be_read_is_not_taken_back(shape, command, reads_that_fail):
    lab = before_the_promotion(shape)
    before = lab.system.living()
    lab.storage.env.down = reads_that_fail == "all"
    result = lab.run(command, named=True, plan=fault_at("read place", Fault.ERROR, 2) if reads_that_fail == "one" else None)
    lab.storage.env.down = False
    assert (result.exit, result.why, "env" in result.message) == (Exit.FAILED, "refused", True)
    assert "rotator run orders-db" in result.fix
    assert lab.system.living() == before
    assert lab.oracle.violations == []
    assert lab.run(named=True).exit is Exit.DONE


@pytest.mark.parametrize("shape", ["alternating", "overlapping"])
def test_a_second_one_is_not_taken_while_a_place_may_show_it_that_cannot_be_read(shape):
    lab = Lab(shape, in_memory())
    name = "app_b" if shape == "alternating" else "app"
    if shape == "alternating":
        lab.system.users[name] = TwinUser([THEIRS])
    else:
        lab.system.users[name].secrets.append(THEIRS)
    lab.storage.env.values["env"] = json.dumps({"version": "", "generation": 0, "fields": {"USER": name, "PASSWORD": THEIRS}})
    lab.oracle.start()
    lab.storage.env.down = True
    result = lab.run(Adopt(credential=lab.first, take_second=True), named=True)
    assert (result.why, "env shows what cannot be read" in result.message, "--overwrite" in result.fix) == ("refused", True, True)
    lab.storage.env.down = False
    last_read = fault_at("read place", Fault.ERROR, 4)
    assert lab.run(Adopt(credential=lab.first, take_second=True), named=True, plan=last_read).why == "refused"
    assert (name, THEIRS) in lab.system.living()
    assert lab.run(Adopt(credential=lab.first, take_second=True, overwrite=ENV), named=True).exit is Exit.DONE
    assert (name, THEIRS) not in lab.system.living()


# ---- a success that was seen


def test_while_a_failed_attempt_waits_a_place_that_was_never_shown_current_is_no_success(shape):
    lab = Lab(shape, in_memory())
    lab.oracle.start()
    lab.storage.env.down = True
    lab.run(Adopt(credential=lab.first))
    lab.seam.t += 5
    result = lab.run()
    assert (result.exit, result.why) == (Exit.FAILED, "not_before")
    lab.storage.env.down = False
    assert lab.run(named=True).exit is Exit.DONE


def test_while_a_failed_attempt_waits_a_place_that_showed_a_dead_one_when_it_was_last_read_is_no_success(shape):
    lab = due(shape)
    first = lab.storage.env.values["env"]
    for seconds in (10_010, 12_300, 12_700):
        lab.at(seconds)
        last = lab.run()
    assert last.why == "at rest"
    lab.storage.env.values["env"] = first
    lab.run(plan=fault_at("publish", Fault.DENIED))
    lab.storage.env.down = True
    lab.seam.t += 5
    result = lab.run()
    lab.storage.env.down = False
    assert lab.shown("env") not in lab.system.living()
    assert (result.exit, result.why) == (Exit.FAILED, "not_before")


def test_while_a_failed_attempt_waits_an_open_reload_is_no_success(shape):
    lab = Lab(shape, in_memory(), reloads=(ReloadSpec("app", 3),))
    lab.oracle.start()
    lab.reload.level = Reached.accepted
    lab.run(Adopt(credential=lab.first))
    lab.seam.t += 5
    result = lab.run()
    assert (result.exit, result.why) == (Exit.FAILED, "not_before")


def test_while_a_failed_attempt_waits_and_all_is_shown_it_is_a_success_though_a_place_cannot_be_read_now():
    lab = due("alternating")
    lab.system.refuses = True
    lab.run()
    lab.storage.env.down = True
    lab.seam.t += 5
    result = lab.run()
    assert (result.exit, result.why) == (Exit.DONE, "not_before")


# ---- the old one, when it is missed


def soaking(shape):
    """The old one is switched off, and waits whether anybody misses it."""
    lab = due(shape, changes={"soak": 5000.0})
    lab.run()
    lab.seam.t += 1100
    assert lab.run().why == "soak"
    return lab


@pytest.mark.parametrize("shape", ["alternating", "issue, two slots", "issue, labels"])
def test_a_hold_switches_the_old_one_on_again_though_a_place_does_not_answer(shape):
    lab = soaking(shape)
    old = lab.record().previous.credential.name
    assert old not in living(lab)
    lab.storage.env.down = True
    result = lab.run(HoldUntil("somebody misses it", 86_400.0), named=True)
    assert ("ENABLE" in names(result), old in living(lab)) == (True, True)
    assert lab.record().previous.disabled_at is None
    lab.storage.env.down = False


def test_where_a_place_is_open_nothing_is_said_of_an_old_one_that_is_switched_off():
    lab = soaking("issue, labels")
    lab.storage.env.down = True
    result = lab.run(named=True)
    lab.storage.env.down = False
    assert (result.why, "alive" in result.message) == ("open place", False)
