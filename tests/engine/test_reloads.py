"""A reload that has not reached its level keeps the old credential alive."""

import pytest
from labs import GRACE, due, fault_at, living

from rotator.errors import Exit
from rotator.model import Reached
from rotator.spec import ReloadSpec
from rotator.testing.faults import Fault
from rotator.testing.lab import Lab, in_memory
from rotator.testing.memory import MemorySettings
from rotator.testing.memory_reload import MemoryReload

ADOPTED = (ReloadSpec("app", Reached.adopted),)


class Slow(MemoryReload):
    """One that may take longer than other calls."""

    timeout = 60.0


def slow(lab):
    lab.reload = Slow(MemorySettings(), lab.runtime())
    return lab


def events(lab, **wanted):
    return [each for each in lab.ledger.events if all(getattr(each, name) == value for name, value in wanted.items())]


@pytest.mark.parametrize("shape", GRACE)
def test_below_its_level_nothing_old_dies_however_late_it_is(shape):
    lab = due(shape, reloads=ADOPTED)
    lab.reload.level = Reached.accepted
    for seconds in (10_010, 12_000, 16_000):
        lab.at(seconds)
        result = lab.run(named=True)
        assert (result.exit, result.why) == (Exit.UNPROVEN, "open place")
        assert "RELOAD of app: accepted was reached, adopted is asked" in result.message
        assert lab.record().reloads["app"].level == 2
        assert len(living(lab)) == 2
    lab.reload.level = Reached.adopted
    assert lab.run(named=True).why == "grace"
    assert lab.record().revoke_after >= lab.seam.now() + 990


def test_the_audit_says_which_reload_reached_which_level():
    lab = due("alternating", reloads=(ReloadSpec("app", 1), ReloadSpec("other", 3)))
    lab.reload.level = Reached.accepted
    lab.run()
    told = [each.reason for each in events(lab, step="RELOAD", outcome="success", effect=None)]
    assert told[-2:] == ["app accepted", "other accepted"]
    assert {each.place for each in events(lab, step="RELOAD", effect="reload")} == {"app", "other"}


def test_what_answers_with_no_level_is_unknown_and_stays_open():
    lab = due("alternating", reloads=ADOPTED)
    told, lab.reload.level = lab.record().reloads["app"], 7
    result = lab.run()
    assert (result.why, "raised ValueError: outcome unknown" in result.message) == ("open place", True)
    assert lab.record().reloads["app"] == told


def test_no_answer_is_tried_once_more_in_the_same_run_unless_it_takes_long():
    lab = due("alternating", reloads=ADOPTED)
    assert lab.run(plan=fault_at("reload", Fault.ERROR)).why == "grace"
    lab = slow(due("alternating", reloads=ADOPTED))
    assert lab.run(plan=fault_at("reload", Fault.ERROR)).why == "open place"


def test_it_is_told_no_later_than_its_time_before_the_end_of_a_run():
    lab = slow(due("alternating", reloads=ADOPTED))
    assert lab.run(run_time=61.0).why == "time"
    assert lab.reload.told == []
    assert lab.run(named=True).why == "grace"


def test_what_check_finds_of_a_reload_is_a_warning_that_names_it():
    lab = Lab("alternating", in_memory(), reloads=ADOPTED)
    lab.adopt()
    lab.reload = MemoryReload(MemorySettings(mount="elsewhere"), lab.runtime())
    lab.at(10_010)
    found = [(str(each.level), each.code, each.text) for each in lab.dry().findings if each.code == "reload"]
    assert found == [("warn", "reload", "app: there is no mount elsewhere")]
    result = lab.run()
    assert result.why == "open place"
    assert "RELOAD (reload) in app: there is no mount elsewhere. name the mount main" in result.message


def test_a_look_at_a_reload_that_fails_is_a_warning_too():
    lab = due("alternating", reloads=ADOPTED)
    result = lab.run(plan=fault_at("check reload", Fault.DENIED))
    assert result.why == "grace"
    assert [str(each.level) for each in result.findings if each.code == "reload"] == ["warn"]


def test_after_an_undo_the_earlier_version_is_told():
    from rotator.rotate import Undo

    lab = due("alternating", reloads=ADOPTED)
    first = lab.record().current.id
    lab.run()
    second = lab.record().current.id
    lab.run(Undo())
    assert lab.reload.told == [first, second, first]
