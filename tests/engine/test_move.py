"""A record moves to another store: whatever fails, one of the two counts or can be made to, and no secret is lost or left behind."""

import pytest
from labs import at_rest, fault_at, rotated
from removals import Removal

from rotator.errors import Exit
from rotator.testing.faults import Fault, FaultPlan, can_suffer
from rotator.testing.lab import SHAPES


@pytest.mark.proof
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize(("shape", "state"), [("in place", at_rest), ("alternating", rotated), ("issue, two slots", rotated)])
def test_after_a_fault_at_any_effect_of_a_move_the_same_command_ends_it(shape, state, fault):
    clean, found, count = FaultPlan({}), [], 0
    assert Removal(state(shape)).move(clean).why == "moved"
    for number, (name, kind) in enumerate(zip(clean.names, clean.kinds, strict=True), 1):
        if not can_suffer(name, kind, fault):
            continue
        count += 1
        removal, plan = Removal(state(shape)), FaultPlan({number: fault})
        removal.move(plan)
        assert plan.hit
        plan.land()
        ends = [removal.move() for _ in range(2)]
        found += [f"{fault} at effect {number} ({name}): {each}" for each in removal.broken + removal.ended()]
        found += [f"{fault} at effect {number} ({name}): {each.message}" for each in ends if each.exit is not Exit.DONE]
    assert not found
    assert count > 5


@pytest.mark.parametrize("shape", SHAPES)
def test_the_next_rotations_go_on_in_the_new_store(shape):
    removal = Removal(rotated(shape))
    result = removal.move()
    assert (result.exit, result.why) == (Exit.DONE, "moved")
    assert "store: {name: other, path: orders/db}" in result.fix
    assert removal.ended() == []
    lab = removal.goes_on()
    lab.clean_runs()
    lab.at(40_000)
    lab.run()
    assert lab.record().current.id != removal.before.current.id
    assert lab.oracle.violations == []


def test_a_run_at_the_old_store_stops_and_says_where_the_record_is():
    removal = Removal(rotated("alternating"))
    removal.move()
    removal.lab.at(30_000)
    for command in ({}, {"named": True, "forced": True}):
        result = removal.lab.run(**command)
        assert (result.exit, result.why) == (Exit.HUMAN, "elsewhere")
        assert "other:orders/db" in result.message
    assert removal.lab.dry().why == "elsewhere"
    assert removal.ended() == []


def test_a_copy_that_did_not_get_to_its_end_does_not_count():
    removal = Removal(rotated("alternating"))
    assert removal.move(fault_at("read record back", Fault.CRASH_BEFORE)) == "crashed"
    assert removal.record().known()
    assert removal.goes_on().run().why == "elsewhere"


def test_a_rotation_after_a_move_that_was_cut_off_goes_along_with_the_next_move():
    removal = Removal(rotated("alternating"))
    assert removal.move(fault_at("read record back", Fault.CRASH_BEFORE)) == "crashed"
    lab = removal.lab
    lab.at(12_300)
    lab.run()
    lab.at(20_010)
    assert lab.run().why == "grace"
    removal.before, removal.living, removal.broken = lab.record(), lab.system.living(), []
    assert removal.move().why == "moved"
    assert removal.broken + removal.ended() == []


def test_there_and_back_again():
    removal = Removal(rotated("overlapping"))
    removal.move()
    back = Removal(removal.goes_on())
    back.there, back.storage = removal.old, removal.lab.storage
    result = back.move()
    assert result.why == "moved", result
    assert back.record().elsewhere is None
    assert back.record().current.id == removal.before.current.id
    assert removal.record().elsewhere == removal.old.chain


def test_what_was_moved_is_moved():
    removal = Removal(rotated("in place"))
    removal.move()
    events = len(removal.lab.ledger.events)
    assert removal.move().why == "moved"
    assert {each.chain for each in removal.lab.ledger.events[events:]} == {"ledger"}


def test_while_another_runner_holds_either_lease_nothing_moves():
    removal = Removal(rotated("alternating"))
    assert removal.move(fault_at("read record back", Fault.CRASH_BEFORE)) == "crashed"
    result = removal.move(home="another machine")
    assert (result.exit, result.why) == (Exit.BUSY, "lease")
    removal.lab.seam.t += 301
    assert removal.move(home="another machine").why == "moved"


def test_who_is_overtaken_by_a_run_leaves_everything_as_it_was():
    removal = Removal(rotated("alternating"))
    lab = removal.lab

    def overtaken(name, _kind, call):
        if name == "read record back":
            lab.seam.t += 400
            lab.run(home="elsewhere")
        return call()

    result = removal.move(perform=overtaken)
    assert result.exit in (Exit.FAILED, Exit.BUSY), result
    assert lab.record().elsewhere is None
    assert removal.record().elsewhere == removal.old.chain
