"""Credentials that a provider makes: unknown mints, orphans, expiry."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from labs import ISSUE, LABEL, before, crash_at, due, fault_at, living, names, overtaken, rotated, with_can

from rotator.errors import Conflict, Exit
from rotator.model import Settle
from rotator.rotate import Adopt, Compromise, Resolve, Undo
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.lab import PATH, START, Lab, in_memory
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

    assert lab.run(plan=Twice({}), named=True).exit is Exit.FAILED
    assert lab.system.minted == 2
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


def test_a_late_orphan_with_our_label_goes_as_every_old_one_does_for_a_restored_record_would_not_know_who_holds_it():
    lab = due("issue, labels")
    lab.run()
    lab.system.keys["key-late"] = TwinKey("late-secret-0123456789-0123456789", lab.seam.now(), label=LABEL)
    lab.at(12_300)
    lab.run()
    lab.at(12_700)
    result = lab.run()
    assert ("SWEEP" in names(result), result.why) == (True, "grace")
    assert "was found, and is on its way out" in result.message
    assert "key-late" in living(lab)
    for seconds in (13_800, 14_100):
        lab.at(seconds)
        result = lab.run()
    assert (result.why, "key-late" in living(lab)) == ("at rest", False)


def test_a_key_that_carries_somebody_else_s_id_waits_for_a_human():
    lab = due("issue, labels")
    lab.run()
    lab.system.keys["key-x"] = TwinKey(
        "whose-secret-0123456789-0123456789", lab.seam.now(), label="terraform 01890a5d-ac96-774b-bcce-b302099a8057"
    )
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        result = lab.run()
    assert (result.why, "key-x" in living(lab)) == ("orphan.suspect", True)


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
    lab.system.keys["key-late"] = TwinKey("late-secret-0123456789-0123456789", lab.seam.now(), label=LABEL)
    lab.oracle.living = lab.system.living()
    result = lab.run(Compromise())
    assert names(result)[:3] == ["SWEEP", "SWEEP", "RESERVE"]
    assert "key-late" not in living(lab)


def test_a_key_is_taken_back_even_when_the_ledger_fails():
    lab = due("issue, labels", lag=5_000.0)

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


@pytest.mark.parametrize(("created", "used"), [(10_800, None), (10_100, 10_200)])
def test_a_key_that_was_made_too_late_or_is_used_is_no_orphan_of_ours(created, used):
    lab = due("issue, two slots")
    assert lab.run(plan=crash_at("mint")) == "crashed"
    lab.at(11_000)
    lab.system.keys["key-x"] = TwinKey(
        "whose-secret-0123456789-0123456789", START + created, last_used=None if used is None else START + used
    )
    lab.oracle.living = lab.system.living()
    result = lab.run()
    assert (result.why, result.exit) == ("orphan.suspect", Exit.HUMAN)
    assert "key-x" in living(lab)


def test_an_id_that_lived_before_the_mint_is_no_orphan_and_in_nobody_s_way():
    lab = with_can(due("issue, labels"), labels=False)
    lab.system.keys["key-x"] = TwinKey("whose-secret-0123456789-0123456789", lab.seam.now())
    lab.oracle.living = lab.system.living()
    assert lab.run(Compromise(), plan=fault_at("mint", Fault.CRASH_AFTER)) == "crashed"
    assert "ISSUE" in names(lab.run())
    assert "key-1" not in living(lab)
    assert "key-x" in living(lab)


def test_a_refused_mint_after_an_unknown_one_keeps_the_reservation():
    lab = due("issue, labels")
    assert lab.run(plan=crash_at("mint")) == "crashed"
    lab.system.refuses = True
    assert lab.run().exit is Exit.FAILED
    assert lab.record().pending is not None


def test_recovery_waits_until_the_list_must_show_an_orphan():
    lab = with_can(due("issue, labels", lag=20.0), appears=Settle(timedelta(seconds=30), 1, timedelta(seconds=5)))
    assert lab.run(plan=fault_at("mint", Fault.CRASH_AFTER)) == "crashed"
    assert lab.run().exit is Exit.DONE
    assert living(lab) == sorted(["key-0", lab.record().current.credential.name])


def test_a_human_s_key_with_a_note_of_his_own_is_never_taken_for_our_orphan():
    lab = due("issue, labels")
    lab.system.keys["key-human"] = TwinKey("a-secret-of-a-human-0123456789-abc", lab.seam.now(), label="made by hand")
    lab.oracle.strangers.add(("key-human", "a-secret-of-a-human-0123456789-abc"))
    lab.oracle.living = lab.system.living()
    for seconds in (10_010, 11_900, 12_300):
        lab.at(seconds)
        lab.run()
    assert "key-human" in living(lab)
    assert lab.oracle.violations == []
