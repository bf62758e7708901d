"""A dry-run says what a run would do, and claims no more than could be seen."""

import pytest
from labs import LABEL, crash_at, due, rotated, with_target

from rotator.errors import Exit
from rotator.model import Finding, Level
from rotator.rotate import HoldUntil, Kind, Order, Run, Undo
from rotator.spec import ReloadSpec
from rotator.testing.faults import FaultPlan
from rotator.testing.lab import Lab, in_memory
from rotator.testing.memory import MemoryPlace
from rotator.testing.twins import TwinKey


def missing(_self, _known, _accepted=()):
    return [Finding(Level.FAIL, "privilege.missing", "the admin lacks a right", "GRANT it")]


def test_a_place_that_cannot_be_read_is_seen_to_stay_open(shape):
    lab = due(shape)
    lab.storage.env.down = True
    foreseen = lab.dry()
    assert (foreseen.why, foreseen.exit, "env" in foreseen.message) == ("open place", lab.run().exit, True)
    assert foreseen.exit is not Exit.DONE


@pytest.mark.parametrize("due_now", [True, False])
def test_a_place_that_says_it_cannot_be_written_is_counted_only_where_something_is_to_be_published(due_now, monkeypatch):
    lab = due("alternating") if due_now else rotated("alternating")
    found = [Finding(Level.FAIL, "privilege.missing", "env is not writable", "chmod")]
    monkeypatch.setattr(MemoryPlace, "check", lambda place: found if type(place) is MemoryPlace else [])
    foreseen = lab.dry()
    assert (foreseen.why, foreseen.exit) == (("open place", Exit.UNPROVEN) if due_now else ("grace", Exit.DONE))


def test_before_the_adoption_it_tells_what_the_target_lacks():
    lab = with_target(Lab("alternating", in_memory()), check=missing)
    foreseen = lab.dry()
    assert (foreseen.why, foreseen.exit) == ("adopt", Exit.HUMAN)
    assert [each.fix for each in foreseen.findings] == ["GRANT it"]
    assert lab.ledger.events == []


def test_a_hold_says_until_when():
    lab = rotated("alternating")
    lab.run(HoldUntil("month end", 3_600.0))
    until = lab.record().hold.until
    assert until > lab.seam.now()
    assert "by a hold: until 1970-01-12T" in lab.run(named=True).message


def test_a_dry_run_foresees_what_a_run_then_does(shape):
    lab = Lab(shape, in_memory())
    lab.adopt()
    for seconds in (10_010, 10_400, 11_900, 12_300, 12_700, 30_000):
        lab.at(seconds)
        state = lab.documents()
        foreseen = lab.dry()
        assert lab.documents() == state
        done = lab.run()
        assert [(each.name, each.row, each.phase) for each in foreseen.steps] == [(each.name, each.row, each.phase) for each in done.steps]


def test_a_dry_run_writes_no_event_and_makes_no_changing_call(shape):
    lab = Lab(shape, in_memory())
    lab.adopt()
    for seconds in (5_000, 10_010):
        lab.at(seconds)
        told, plan = len(lab.ledger.events), FaultPlan({})
        Run(lab.spec, lab.ports(), lab.ledger, Order(run="dry", home="home", dry=True), lab.seam, plan).go()
        assert set(plan.kinds) == {Kind.READ}
        assert len(lab.ledger.events) == told


def test_a_dry_run_of_an_undo_and_of_an_orphan_foresees_them():
    lab = rotated("issue, labels")
    assert "UNDO" in [str(each.name) for each in lab.dry(Undo()).steps]
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        lab.run()
    lab.system.keys["key-late"] = TwinKey("late-secret-0123456789-0123456789", lab.seam.now(), label=LABEL)
    assert "SWEEP" in [str(each.name) for each in lab.dry().steps]


def test_a_dry_run_foresees_a_recovery_and_a_reload():
    lab = due("issue, two slots", reloads=(ReloadSpec("app", 2),))
    lab.run(plan=crash_at("mint"))
    foreseen = [str(each.name) for each in lab.dry().steps]
    assert foreseen[:3] == ["RECOVER", "RECOVER", "ISSUE"]
    assert "RELOAD" in foreseen


def test_a_dry_run_says_what_stands_in_its_way():
    lab = due("in place")
    lab.system.users.pop("app")
    lab.oracle.human_broke_current = True
    result = lab.dry()
    assert result.exit in (Exit.FAILED, Exit.HUMAN)
