"""What consumers and the ledger are told: of what was gone back to anew, of every effect how it ended, and in any words."""

import pytest
from labs import GRACE, due, rotated

from rotator.errors import Exit
from rotator.rotate import Compromise, HoldUntil, Undo
from rotator.spec import ReloadSpec
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.lab import Lab, on_disk
from rotator.testing.oracle import login

RELOAD = (ReloadSpec("app", 2),)
HALF = "why \udcff"
"""Half a character, as a terminal may give it: it has no UTF-8."""


def each_reload(fault):
    """A plan in which every reload fails so."""

    class Each(FaultPlan):
        def effect(self, name, kind, call):
            if name == "reload":
                self.plan[self.count + 1] = fault
            return super().effect(name, kind, call)

    return Each({})


def unanswered(shape, fault=Fault.TIMEOUT):
    """The consumer was told of the new one, and every answer was lost. The lab, and what was current before."""
    lab = due(shape, reloads=RELOAD)
    old = lab.record().current.id
    lab.run(plan=each_reload(fault))
    assert lab.reload.told[-1] == lab.record().current.id
    lab.seam.t += 70
    return lab, old


# ---- reloads


@pytest.mark.parametrize("command", [Undo(), Compromise("current")])
@pytest.mark.parametrize("fault", [Fault.TIMEOUT, Fault.CRASH_AFTER])
@pytest.mark.parametrize("shape", GRACE)
def test_who_was_told_of_the_new_one_is_told_of_the_old_one_that_was_gone_back_to(shape, fault, command):
    lab, old = unanswered(shape, fault)
    before = len(lab.reload.told)
    lab.run(command, named=True)
    assert lab.reload.told[before : before + 1] == [old]
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_what_was_gone_back_from_lives_until_consumers_were_told(shape):
    lab, old = unanswered(shape)
    newer = login(lab.record().current.credential)
    result = lab.run(Undo(), named=True, plan=each_reload(Fault.ERROR))
    assert (result.exit, result.why, lab.record().current.id) == (Exit.UNPROVEN, "open place", old)
    lab.seam.t += 50_000
    lab.run(named=True, plan=each_reload(Fault.ERROR))
    assert newer in lab.system.living()
    assert lab.run(named=True).why == "grace"
    assert lab.reload.told[-1] == old


def test_a_leaked_one_does_not_die_before_its_consumer_was_told_of_another():
    lab, old = unanswered("alternating")
    leaked = login(lab.record().current.credential)
    lab.system.refuses = True
    told = []

    class Order(FaultPlan):
        def effect(self, name, kind, call):
            told.append((name, leaked in lab.system.living()))
            return super().effect(name, kind, call)

    lab.run(Compromise("current"), named=True, plan=Order({}))
    assert ("reload", True) in told
    assert (leaked in lab.system.living(), lab.reload.told[-1]) == (False, old)


# ---- the ledger


def effects(lab, effect):
    return [each for each in lab.ledger.events if each.effect == effect]


@pytest.mark.parametrize("shape", ["in place", "alternating", "overlapping"])
def test_an_effect_that_a_later_fence_refuses_has_its_outcome_in_the_ledger(shape):
    lab = due(shape)
    lab.system.fence = 10**12
    result = lab.run()
    assert (result.exit, result.why) == (Exit.BUSY, "conflict")
    told = effects(lab, "set secret")
    assert [str(each.phase) for each in told] == ["intent", "outcome"]
    assert (str(told[-1].outcome), told[-1].error_type) == ("failure", "Conflict")


def test_of_a_record_that_another_runner_has_changed_there_is_no_outcome_of_an_effect():
    lab = due("alternating")

    def write(self, path, record):
        type(lab.truth).write(self, path, record.but(revision=-1))

    opened = lab.storage.store

    def store(runtime):
        one = opened(runtime)
        one.write = write.__get__(one)
        return one

    lab.storage.store = store
    assert lab.run().why == "conflict"
    assert [each for each in lab.ledger.events if each.error_type == "Conflict"] == []


@pytest.mark.parametrize("stored", ["memory", "disk"])
def test_half_a_character_in_a_human_s_reason_does_not_end_the_run(stored, fast_folder):
    lab = rotated("alternating") if stored == "memory" else rotated_on_disk(fast_folder)
    result = lab.run(HoldUntil(HALF, 1000.0), named=True)
    assert (result.exit, result.why, lab.record().hold is None) == (Exit.DONE, "hold", False)
    told = [each.reason for each in lab.ledger.events if each.event == "human.hold"]
    assert told == ["why \\udcff"]
    lab.seam.t += 60
    assert lab.run(named=True).why == "hold"
    lab.audited()
    assert lab.oracle.violations == []


def rotated_on_disk(folder):
    lab = Lab("alternating", on_disk(folder))
    lab.adopt()
    lab.at(10_010)
    lab.run()
    return lab


def test_other_words_are_told_as_they_were_given():
    lab = rotated("alternating")
    lab.run(HoldUntil("für die Nacht 🌙", 1000.0), named=True)
    assert [each.reason for each in lab.ledger.events if each.event == "human.hold"] == ["für die Nacht 🌙"]
