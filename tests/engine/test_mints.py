"""Credentials that a provider makes: unknown mints, orphans, expiry."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from labs import ISSUE, before, due, fault_at, living, names, overtaken, rotated, with_can

from rotator.errors import Conflict, Exit
from rotator.rotate import Adopt, Compromise, Resolve, Undo
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.lab import PATH, Lab, in_memory
from rotator.testing.twins import TwinKey


def test_an_expiring_token_is_due_before_it_dies():
    lab = Lab("issue, labels", in_memory(), changes={"grace": 100.0, "soak": 0.0})
    lab.adopt()
    current = lab.record().current
    expires = datetime.fromtimestamp(lab.seam.now() + 500, UTC)
    store = lab.storage.store(lab.runtime())
    store.write(PATH, lab.record().but(current=replace(current, credential=replace(current.credential, expires=expires)), writes=("x",)))
    assert lab.run().why == "at rest"
    lab.at(420)
    assert "ISSUE" in names(lab.run())


@pytest.mark.parametrize("shape", ISSUE)
def test_a_mint_with_an_unknown_outcome_is_recovered_and_minted_once_more(shape):
    lab = due(shape)
    assert lab.run(plan=fault_at("mint", Fault.TIMEOUT)).exit is Exit.DONE
    assert lab.system.minted == 2
    assert len(living(lab)) == 2
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", ISSUE)
def test_a_second_unknown_mint_in_one_run_stops_it(shape):
    lab = due(shape)

    class Twice(FaultPlan):
        def effect(self, name, kind, call):
            if name == "mint":
                self.plan[self.count + 1] = Fault.TIMEOUT
            return super().effect(name, kind, call)

    assert lab.run(plan=Twice({})).exit is Exit.FAILED
    lab.at(10_400)
    assert lab.run().exit is Exit.DONE
    assert len(living(lab)) == 2
    assert lab.oracle.violations == []


def test_a_provider_that_refuses_leaves_nothing_behind():
    lab = due("issue, two slots")
    lab.system.refuses = True
    result = lab.run()
    assert (result.exit, lab.record().pending) == (Exit.FAILED, None)
    lab.system.refuses = False
    assert lab.run(named=True).exit is Exit.DONE


def test_a_target_that_refuses_the_secret_takes_it_back(shape):
    if shape.startswith("issue"):
        return
    lab = due(shape)
    lab.system.refuses = True
    assert lab.run().why == "not_before"
    lab.system.refuses = False
    lab.at(10_800)
    assert lab.run(named=True).exit is Exit.DONE
    assert lab.oracle.violations == []


def test_a_late_orphan_with_our_label_is_swept():
    lab = due("issue, labels")
    lab.run()
    lab.system.keys["key-late"] = TwinKey("late-secret-0123456789-0123456789", lab.seam.now(), label="some-rotation")
    lab.at(12_300)
    lab.run()
    lab.at(12_700)
    result = lab.run()
    assert "SWEEP" in names(result)
    assert "key-late" not in living(lab)


@pytest.mark.parametrize("settle", ["accept", "revoke"])
def test_a_stranger_that_may_be_ours_waits_for_a_human(settle):
    lab = rotated("issue, two slots")
    lab.at(12_300)
    lab.run()
    lab.at(12_700)
    lab.run()
    lab.system.keys["key-x"] = TwinKey("whose-secret-0123456789-0123456789", lab.seam.now())
    lab.oracle.living = lab.system.living()
    assert (lab.run().why, lab.run().exit) == ("orphan.suspect", Exit.HUMAN)
    assert lab.run(Resolve(accept="key-nobody")).why == "refused"
    assert lab.run(Resolve(**{settle: "key-x"})).exit is Exit.DONE
    assert ("key-x" in living(lab)) == (settle == "accept")


@pytest.mark.parametrize("shape", ISSUE)
def test_a_reservation_that_is_undone_is_recovered_first(shape):
    lab = due(shape)
    lab.run(plan=fault_at("mint", Fault.CRASH_AFTER))
    result = lab.run(Undo())
    assert names(result)[:3] == ["RECOVER", "RECOVER", "ABORT"]
    assert living(lab) == ["key-0"]
    assert lab.oracle.violations == []


def test_a_leak_never_goes_back_to_a_key_whose_secret_nobody_knows():
    lab = Lab("issue, labels", in_memory())
    lab.system.keys["key-other"] = TwinKey("another-secret-0123456789-0123456789", lab.seam.now())
    lab.oracle.start()
    lab.run(Adopt(credential=lab.first, retire="key-other"))
    assert "UNDO" not in names(lab.run(Compromise()))


def test_a_leak_sweeps_a_late_orphan_before_it_begins_anew():
    lab = Lab("issue, labels", in_memory())
    lab.adopt()
    lab.system.keys["key-late"] = TwinKey("late-secret-0123456789-0123456789", lab.seam.now(), label="a-rotation")
    lab.oracle.living = lab.system.living()
    result = lab.run(Compromise())
    assert names(result)[:3] == ["SWEEP", "SWEEP", "RESERVE"]
    assert "key-late" not in living(lab)


def test_a_key_is_taken_back_even_when_the_ledger_fails():
    lab = due("issue, labels")

    class Overtaken(FaultPlan):
        def effect(self, name, kind, call):
            if name == "write record ISSUE" and not self.hit:
                self.hit = True
                lab.at(10_400)
                assert lab.run(home="elsewhere").exit is Exit.DONE
                lab.seam.t = 1_010_020.0
                lab.ledger.fails = True
            return super().effect(name, kind, call)

    result = lab.run(plan=Overtaken({}))
    assert result.why in ("conflict", "ledger")
    assert len([each for each in lab.system.keys if each != "key-0"]) == 1


def test_an_orphan_is_not_revoked_where_current_stops_working():
    lab = rotated("issue, two slots")
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        lab.run()
    lab.system.keys["key-x"] = TwinKey("whose-secret-0123456789-0123456789", lab.seam.now())
    current = lab.record().current.credential.name
    lab.oracle.human_broke_current = True
    lab.oracle.living = lab.system.living()
    result = lab.run(Resolve(revoke="key-x"), plan=before("disable orphan", lambda: lab.system.keys.pop(current)))
    assert (result.why, result.exit) == ("foreign_change", Exit.HUMAN)
    assert "key-x" in lab.system.keys


def test_an_unknown_mint_beside_a_stranger_s_new_key_waits_for_a_human():
    lab = with_can(due("issue, two slots"), max_live=0)
    lab.run(plan=fault_at("mint", Fault.CRASH_AFTER))
    lab.system.keys["key-x"] = TwinKey("whose-secret-0123456789-0123456789", lab.seam.now())
    lab.oracle.living = lab.system.living()
    result = lab.run()
    assert (result.why, result.exit) == ("orphan.suspect", Exit.HUMAN)
    assert "no free slot" in lab.run(Resolve(accept="key-x"), named=True).message
    assert "key-x" in living(lab)


def test_a_recovery_stops_where_current_no_longer_works():
    lab = due("issue, two slots")
    lab.run(plan=fault_at("mint", Fault.CRASH_AFTER))
    lab.oracle.human_broke_current = True
    result = lab.run(plan=before("disable orphan", lambda: lab.system.keys.pop("key-0")))
    assert (result.why, result.exit) == ("foreign_change", Exit.HUMAN)


def test_a_key_that_the_record_knows_is_never_taken_back():
    lab = due("issue, labels")

    class Lands(FaultPlan):
        def effect(self, name, kind, call):
            answer = super().effect(name, kind, call)
            if name == "write record ISSUE":
                raise Conflict("moved")
            return answer

    assert lab.run(plan=Lands({})).why == "conflict"
    assert not any(each.effect == "take back" for each in lab.ledger.events)
    lab.at(10_400)
    assert lab.run().exit is Exit.DONE
    assert lab.system.minted == 1


def test_a_key_that_no_list_shows_yet_is_taken_back_by_the_run_that_minted_it():
    lab = due("issue, labels", lag=5_000.0)
    assert lab.run(plan=overtaken(lab)).why == "conflict"
    assert lab.system.minted == 2
    assert living(lab) == sorted(["key-0", lab.record().current.credential.name])
