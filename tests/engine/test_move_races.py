"""Others at work while a record moves, and the move back: of the two records never the empty one counts."""

import pytest
from labs import due, fault_at, rotated
from removals import Removal

from rotator.errors import Conflict, Corrupt, Exit, Unreachable
from rotator.record import Record
from rotator.rotate import HoldUntil
from rotator.testing.faults import Crash, Fault, FaultPlan
from rotator.testing.lab import PATH
from rotator.testing.oracle import login


@pytest.mark.parametrize("shape", ["in place", "alternating", "issue, two slots"])
def test_a_move_that_was_cut_off_is_not_ended_in_the_other_direction(shape):
    removal = Removal(rotated(shape)).halved()
    result = removal.back()
    assert (result.exit, result.why) == (Exit.FAILED, "refused")
    assert result.fix == "rotator store move orders-db --from local --to other"
    assert removal.judge() == []
    assert removal.move().why == "moved"
    assert removal.broken + removal.ended() == []
    assert removal.back().why == "moved"


def test_another_machine_that_moves_it_back_between_the_last_two_writes_is_refused():
    removal, said = Removal(rotated("alternating")), []

    def dies(name, _kind, call):
        result = call()
        if name == "write record RELEASE" and not said:
            said.append(removal.back(home="another machine"))
            raise Crash
        return result

    assert removal.move(perform=dies) == "crashed"
    assert said[0].why in ("lease", "refused")
    assert removal.judge() == []
    assert removal.move().why == "moved"
    assert removal.ended() == []


def test_a_move_that_died_when_the_old_record_was_empty_has_only_to_say_that_the_new_one_counts():
    removal = Removal(rotated("alternating")).halved()
    assert not removal.lab.record().known()
    assert removal.record().elsewhere == removal.old.chain
    assert removal.move().why == "moved"
    assert removal.broken + removal.ended() == []


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_what_a_move_back_left_when_it_was_cut_off_is_emptied_by_the_move_that_was_done_before(fault):
    removal = Removal(rotated("overlapping"))
    removal.move()
    assert removal.back(fault_at("publish", fault)) == "crashed"
    assert removal.lab.record().known()
    assert removal.move().why == "moved"
    assert removal.broken + removal.ended() == []


def test_a_last_write_of_the_move_back_that_lands_late_empties_nothing():
    removal, sent = Removal(rotated("overlapping")), []
    removal.move()

    def lost(name, _kind, call):
        if name == "write record RELEASE":
            sent.append(call)
            raise Crash
        return call()

    assert removal.back(perform=lost) == "crashed"
    assert removal.move().why == "moved"
    with pytest.raises(Conflict):
        sent[0]()
    assert removal.ended() == []


def test_while_another_runner_works_on_what_a_move_back_left_nothing_is_emptied():
    removal = Removal(rotated("overlapping"))
    removal.move()
    assert removal.back(fault_at("publish", Fault.CRASH_AFTER), home="another machine") == "crashed"
    left = removal.lab.record().revision
    assert removal.move().why == "lease"
    assert removal.lab.record().revision == left


def test_a_record_that_points_to_where_none_stands_is_said():
    removal = Removal(rotated("in place"))
    removal.move()
    removal.storage.store(removal.lab.runtime()).shelf.records.clear()
    result = removal.move()
    assert (result.exit, result.why) == (Exit.HUMAN, "elsewhere")
    assert "where none stands" in result.message


def test_a_race_at_the_new_record_gives_the_lease_of_the_old_one_back():
    removal = Removal(rotated("alternating"))
    lab = removal.lab

    def overtaken(name, _kind, call):
        if name == "write record CLAIM" and lab.record().lease and not removal.record().lease:
            removal.storage.store(lab.runtime()).write(PATH, Record(revision=removal.record().revision, elsewhere=removal.old.chain))
        return call()

    result = removal.move(perform=overtaken)
    assert (result.exit, result.why) == (Exit.BUSY, "conflict")
    assert "other:orders/db" in result.message
    assert lab.record().lease is None
    assert removal.move().why == "moved"


def test_a_copy_that_is_read_back_broken_gives_both_leases_back():
    removal = Removal(rotated("alternating"))

    def broken(name, _kind, call):
        if name == "read record back":
            raise Corrupt("this is no record")
        return call()

    assert removal.move(perform=broken).exit is Exit.HUMAN
    assert (removal.lab.record().lease, removal.record().lease) == (None, None)
    assert removal.lab.record().known()


def test_what_was_done_at_the_new_place_is_told_though_the_lease_lapsed():
    removal = Removal(rotated("alternating"))

    def late(name, _kind, call):
        if name == "publish":
            call()
            removal.lab.seam.t += 400
            raise Unreachable("no answer")
        return call()

    assert removal.move(perform=late).why == "lapsed"
    told = [(str(each.phase), str(each.outcome)) for each in removal.lab.ledger.events if each.effect == "publish" and each.run == "move-1"]
    assert told == [("intent", "None"), ("outcome", "unknown")]


def test_the_ledger_does_not_say_moved_of_a_copy_that_never_counted():
    removal = Removal(rotated("alternating"))
    assert removal.move(fault_at("publish", Fault.CRASH_BEFORE)) == "crashed"
    told = [(each.chain, str(each.phase), each.outcome) for each in removal.lab.ledger.events if each.event == "store.moved"]
    assert told == [("other:orders/db", "intent", None)]


def test_both_chains_say_where_the_other_is():
    removal = Removal(rotated("alternating"))
    removal.move()
    told = [each for each in removal.lab.ledger.events if each.event == "store.moved"]
    intent, left, came = told
    assert (left.chain, left.reason) == (removal.old.chain, f"to {removal.there.chain}")
    assert (came.chain, came.reason) == (removal.there.chain, f"from {removal.old.chain}")
    _, seq, hash = intent.reason.split(", ")
    anchor = next(each for each in removal.lab.ledger.events if each.hash == hash)
    assert (anchor.chain, f"event {anchor.seq}") == (removal.old.chain, seq)


def test_a_daemon_looks_at_once_at_what_was_moved():
    removal = Removal(rotated("alternating"))
    assert removal.move().wake <= removal.lab.seam.now()


class Suspended(FaultPlan):
    """The write of what was minted lands, its answer is lost, and meanwhile others do so much that no trace of it is left."""

    def __init__(self, lab):
        super().__init__({})
        self.lab, self.slept, self.removal = lab, False, None

    def effect(self, name, kind, call):
        if name != "write record ISSUE" or self.slept:
            return super().effect(name, kind, call)
        super().effect(name, kind, call)
        self.slept, lab = True, self.lab
        lab.seam.t += 400
        lab.run(home="elsewhere", alone=False)
        for _ in range(8):
            lab.run(HoldUntil("an audit", 10.0), home="elsewhere", alone=False, named=True)
        self.removal = Removal(lab)
        assert self.removal.move(home="elsewhere").why == "moved"
        raise Unreachable("no answer")


def test_who_wakes_after_its_record_has_moved_takes_nothing_back_that_may_be_current():
    lab = due("issue, two slots")
    plan = Suspended(lab)
    assert lab.run(plan=plan, alone=False).why == "conflict"
    current = plan.removal.record().current.credential
    assert login(current) in lab.system.living()
    assert plan.removal.broken + plan.removal.ended() == []
