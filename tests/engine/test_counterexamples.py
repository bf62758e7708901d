"""Eleven ways in which the first draft of the protocol broke its promise, each named after what must hold."""

import pytest
from labs import due, fault_at, rotated

from rotator.errors import Exit
from rotator.model import Credential, Secret
from rotator.rotate import Adopt, Compromise, HoldUntil, Undo
from rotator.testing.faults import Crash, Fault, FaultPlan
from rotator.testing.lab import Lab, in_memory
from rotator.testing.pause import Paused
from rotator.testing.twins import TwinKey

ALL = ["in place", "alternating", "overlapping", "issue, two slots", "issue, labels"]
GRACE = ALL[1:]


def living_names(lab):
    return sorted(name for name, _ in lab.system.living())


def test_in_place_a_crash_after_apply_heals_without_a_human():
    lab = due("in place")
    assert lab.run(plan=fault_at("set secret", Fault.CRASH_AFTER)) == "crashed"
    assert lab.run().why == "at rest"
    lab.clean_runs()
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", ["issue, two slots", "issue, labels"])
def test_a_minted_key_whose_write_landed_is_never_taken_back(shape):
    lab = due(shape)
    with Paused(lab, before="write record ISSUE", home="elsewhere") as sleeper:
        pass_through = sleeper.plan
        pass_through.plan[pass_through.count + 1] = Fault.TIMEOUT
        sleeper_record = lab.record()
        assert sleeper_record.pending.credential is None
        result = sleeper.resume()
    assert result.exit is Exit.DONE
    assert lab.system.minted == 1
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", ["issue, two slots", "issue, labels"])
def test_a_key_that_another_run_promoted_is_not_taken_back_by_the_run_that_minted_it(shape):
    lab = due(shape)

    class LandsThenSleeps(FaultPlan):
        def effect(self, name, kind, call):
            if name == "write record ISSUE" and not self.hit:
                self.hit = True
                self.perform(name, kind, call)
                lab.at(10_400)
                other = lab.run(home="elsewhere")
                assert other.exit is Exit.DONE
                lab.seam.t = 1_010_020.0
            return super().effect(name, kind, call)

    result = lab.run(plan=LandsThenSleeps({}))
    assert result.why == "conflict"
    assert lab.record().current.credential.name in living_names(lab)
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_an_undo_that_was_accepted_is_never_overtaken_by_a_late_revoke(shape):
    lab = rotated(shape)
    lab.at(12_300)
    old = lab.record().previous.credential
    first = "disable" if shape != "overlapping" else "revoke"
    with Paused(lab, before="write record " + first.upper(), home="elsewhere") as sleeper:
        lab.at(12_700)
        assert lab.run(Undo()).exit is Exit.DONE
        assert lab.record().current.credential.same(old)
        assert sleeper.resume().why == "conflict"
    lab.clean_runs()
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_an_undo_after_the_revoke_was_written_down_is_refused_as_too_late(shape):
    lab = rotated(shape)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        if shape.startswith("issue") and seconds == 12_300:
            lab.run()
            continue
        with Paused(lab, before="revoke", home="elsewhere") as sleeper:
            lab.at(seconds + 400)
            refused = lab.run(Undo())
            assert (refused.why, refused.exit) == ("refused", Exit.FAILED)
            assert "too late" in refused.message
            sleeper.resume()
        break
    lab.clean_runs()
    assert lab.oracle.violations == []


@pytest.mark.parametrize("command", [Undo(), Compromise("current")], ids=["undone", "leaked"])
@pytest.mark.parametrize("shape", GRACE)
def test_a_late_publish_of_a_version_that_is_no_longer_current_is_repaired_by_the_next_run(shape, command):
    lab = due(shape)

    with Paused(lab, before="publish", home="elsewhere") as sleeper:
        lab.at(10_400)
        lab.run()
        assert lab.run(command).exit is Exit.DONE
        sleeper.resume()
    assert lab.shown("local")[1] == lab.record().current.credential.secret.reveal()  # it holds the generation
    gaps = [each for each in lab.oracle.violations if not each.startswith("I1 place")]
    assert gaps == []
    lab.run()
    current = lab.record().current.credential
    assert {lab.shown(place)[0] for place in lab.spec.place_names} == {current.name}
    assert {lab.shown(place)[1] for place in lab.spec.place_names} == {current.secret.reveal()}


def test_overlapping_a_lost_reply_of_apply_never_costs_the_current_secret():
    lab = due("overlapping")
    assert lab.run(plan=fault_at("set secret", Fault.TIMEOUT)).exit is Exit.DONE
    assert len(lab.system.users["app"].secrets) == 2
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", ["issue, two slots", "issue, labels"])
def test_a_slow_run_never_sweeps_the_key_that_a_faster_one_promoted(shape):
    lab = due(shape)
    with Paused(lab, before="write record RESERVE", home="elsewhere") as slow:
        assert lab.run().exit is Exit.DONE
        assert slow.resume().why == "conflict"
    assert lab.record().current.credential.name in living_names(lab)
    assert lab.oracle.violations == []


def test_a_key_that_a_human_minted_in_the_last_slot_is_never_deleted_as_our_orphan():
    lab = due("issue, two slots")
    with Paused(lab, before="mint") as run:
        lab.system.keys["key-human"] = TwinKey("a-secret-of-a-human-0123456789-abc", lab.seam.now())
        lab.oracle.strangers.add(("key-human", "a-secret-of-a-human-0123456789-abc"))
        assert run.resume().exit is Exit.FAILED
    assert lab.record().pending is None
    lab.at(10_800)
    assert lab.run(named=True).exit in (Exit.HUMAN, Exit.FAILED)
    assert "key-human" in living_names(lab)
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_a_hold_that_was_accepted_keeps_the_old_one_alive(shape):
    lab = rotated(shape)
    old = lab.record().previous.credential
    lab.at(12_300)
    first = "DISABLE" if shape != "overlapping" else "REVOKE"
    with Paused(lab, before=f"write record {first}", home="elsewhere") as sleeper:
        lab.at(12_700)
        assert lab.run(HoldUntil("month end", 3000)).exit is Exit.DONE
        assert sleeper.resume().why == "conflict"
    assert old.name in living_names(lab)
    lab.at(13_000)
    assert lab.run().why == "hold"
    assert old.name in living_names(lab)
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_an_undo_does_not_make_the_same_slot_due_again(shape):
    lab = rotated(shape)
    assert lab.run(Undo()).exit is Exit.DONE
    undone = lab.record().current.id
    lab.at(10_800)
    assert lab.run().exit is Exit.DONE
    assert lab.record().current.id == undone


def test_alternating_a_second_user_that_lives_is_never_taken_by_surprise():
    lab = Lab("alternating", in_memory())
    lab.system.users["app_b"].secrets, lab.system.users["app_b"].enabled = ["somebody-elses-0123456789-0123456"], True
    lab.oracle.start()
    refused = lab.run(Adopt(credential=lab.first))
    assert (refused.exit, refused.why) == (Exit.FAILED, "refused")
    assert "--take-second" in refused.fix
    assert "app_b" in living_names(lab)
    taken = lab.run(Adopt(credential=lab.first, take_second=True))
    assert taken.exit is Exit.DONE
    assert living_names(lab) == ["app_a"]


def test_in_place_a_human_s_new_password_is_not_overwritten_by_an_abort():
    lab = due("in place")
    assert lab.run(plan=fault_at("login", Fault.CRASH_BEFORE, nth=2)) == "crashed"
    lab.system.users["app"].secrets = ["a-human-chose-this-0123456789-0123"]
    lab.oracle.human_broke_current = True
    lab.oracle.strangers.add(("app", "a-human-chose-this-0123456789-0123"))
    stopped = lab.run(Undo())
    assert (stopped.why, stopped.exit) == ("foreign_change", Exit.HUMAN)
    assert lab.system.users["app"].secrets == ["a-human-chose-this-0123456789-0123"]


def test_a_crash_is_caught_by_nothing_in_the_engine():
    lab = due("in place")
    plan = fault_at("read record", Fault.CRASH_BEFORE)
    assert lab.run(plan=plan) == "crashed"
    assert issubclass(Crash, BaseException)
    assert not issubclass(Crash, Exception)


def test_adopting_what_does_not_log_in_is_refused(shape):
    lab = Lab(shape, in_memory())
    wrong = Credential(name=lab.first.name, secret=Secret("not-the-one-0123456789-0123456789"))
    result = lab.run(Adopt(credential=wrong))
    assert (result.exit, result.why) == (Exit.FAILED, "refused")
    assert lab.record().current is None
