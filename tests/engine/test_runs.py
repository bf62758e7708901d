"""What a run does in every situation that an operator can meet: one test for each."""

from dataclasses import replace

import pytest
from labs import GRACE, ISSUE, before, due, fault_at, living, names, rotated, with_target

from rotator.errors import Denied, Exit, Unreachable
from rotator.model import Finding, Level, Place
from rotator.rotate import Adopt, HoldUntil
from rotator.settings import Settings
from rotator.spec import Named, PlaceSpec, ReloadSpec
from rotator.testing.faults import Fault
from rotator.testing.lab import Lab, in_memory
from rotator.testing.memory import MemoryPlace
from rotator.testing.twins import TwinUser


def test_what_is_not_due_is_left_alone_and_writes_nothing(shape):
    lab = Lab(shape, in_memory())
    lab.adopt()
    seq = lab.record().seq
    result = lab.run(named=True)
    assert (result.exit, result.why, lab.record().seq) == (Exit.DONE, "at rest", seq)
    assert lab.ledger.events[-1].chain == "ledger"


def test_force_makes_one_slot_due_and_skips_no_grace(shape):
    lab = Lab(shape, in_memory())
    lab.adopt()
    first = lab.record().current.id
    result = lab.run(named=True, forced=True)
    assert lab.record().current.id != first
    assert result.why == ("at rest" if shape == "in place" else "grace")
    second = lab.record().current.id
    again = lab.run(named=True, forced=True)
    assert (lab.record().current.id == second) == (shape != "in place")
    assert (again.why, again.exit) == (("at rest", Exit.DONE) if shape == "in place" else ("not forced", Exit.FAILED))
    assert lab.oracle.violations == []


def test_a_failed_run_waits_and_a_named_one_does_not(shape):
    lab = due(shape)
    effect = "mint" if shape.startswith("issue") else "set secret"
    assert lab.run(plan=fault_at(effect, Fault.DENIED)).exit is Exit.FAILED
    waits = lab.run()
    assert waits.why == "not_before"
    assert waits.exit is (Exit.FAILED if not shape.startswith("issue") else Exit.DONE)
    assert lab.run(named=True).exit is Exit.DONE
    assert lab.record().attempts == 0


def test_back_off_doubles_to_six_hours_and_is_at_least_an_hour_where_the_store_counts_writes():
    lab = due("in place")
    waits = []
    for _ in range(12):
        lab.run(plan=fault_at("set secret", Fault.DENIED), named=True)
        waits.append(lab.record().not_before - lab.seam.now())
    assert waits[1] == pytest.approx(120, abs=5)
    assert max(waits) == pytest.approx(6 * 3600, abs=5)
    counting = due("in place", changes={"backoff_least": 3600.0})
    counting.run(plan=fault_at("set secret", Fault.DENIED))
    assert counting.record().not_before - counting.seam.now() == pytest.approx(3600, abs=5)


def test_in_place_the_message_says_that_a_consumer_may_be_cut_off():
    lab = due("in place")
    result = lab.run(plan=fault_at("publish", Fault.ERROR, nth=1))
    assert result.exit is Exit.DONE
    lab.at(20_020)

    def down():
        lab.storage.env.down = True

    result = lab.run(plan=before("publish", down))
    assert (result.exit, result.why) == (Exit.FAILED, "open place")
    lab.storage.env.down = False
    lab.at(20_400)
    assert lab.run().exit is Exit.DONE


@pytest.mark.parametrize("shape", GRACE)
def test_one_place_that_is_down_keeps_the_old_one_alive(shape):
    lab = due(shape)
    old = lab.record().current

    def down():
        lab.storage.env.down = True

    result = lab.run(plan=before("publish", down))
    assert (result.exit, result.why) == (Exit.UNPROVEN, "open place")
    lab.at(19_000)
    assert lab.run().exit is Exit.UNPROVEN
    assert lab.record().previous.id == old.id
    assert old.credential.name in living(lab)
    lab.storage.env.down = False
    lab.at(19_900)
    assert lab.run(named=True).why == "grace"
    assert lab.record().previous.id == old.id
    assert lab.record().revoke_after >= lab.seam.now() + 990
    assert lab.oracle.violations == []


def test_a_place_that_cannot_be_read_is_said_before_anything_is_done_and_once():
    lab = due("alternating")
    opened = lab.storage.place

    class Closed(MemoryPlace):
        def published(self, _place):
            raise Denied("this path may not be read", "grant read on env")

        def check(self):
            return [Finding(Level.WARN, "place.missing", "it is slow", None), *more]

    lab.storage.place = lambda runtime: Closed(opened(runtime).config, runtime, lab.storage.env)
    more = []
    said = [f"{each.level} {each.text}. {each.fix}" for each in lab.dry().findings if "read" in each.text]
    assert said == ["warn env: this path may not be read. grant read on env"]
    more = [Finding(Level.FAIL, "place.missing", "this path may not be read", "grant read on env")]
    assert len([each for each in lab.dry().findings if "may not be read" in each.text]) == 1


@pytest.mark.parametrize("shape", GRACE)
def test_a_place_that_goes_down_at_the_gate_holds_the_revoke(shape):
    lab = rotated(shape)
    lab.at(12_300)

    def down():
        lab.storage.env.down = True

    result = lab.run(plan=before("write record CLAIM", down))
    assert result.exit is Exit.FAILED
    assert lab.record().previous.revoke_intent is None


@pytest.mark.parametrize("shape", GRACE)
def test_a_place_that_drifts_at_the_gate_is_published_again_and_grace_starts_again(shape):
    lab = rotated(shape)
    lab.at(12_300)

    def drift():
        lab.storage.env.values.pop("env")

    result = lab.run(plan=before("write record CLAIM", drift))
    assert result.why == "grace"
    assert lab.shown("env") == lab.shown("local")


@pytest.mark.parametrize("shape", GRACE)
def test_a_place_that_is_added_in_grace_makes_it_begin_anew(shape):
    lab = rotated(shape)
    lab.at(10_800)
    keys = {"USER": lab.fields[0], "PASSWORD": lab.fields[1]}
    lab.spec = replace(lab.spec, places=(*lab.spec.places, PlaceSpec(Place("late", "late", keys), Named("memory", "env", Settings()))))
    assert lab.run().why == "grace"
    assert lab.record().revoke_after >= lab.seam.now() + 990


@pytest.mark.parametrize("shape", GRACE)
def test_somebody_s_new_password_is_reported_and_never_overwritten(shape):
    lab = due(shape)
    for user in lab.system.users.values():
        user.secrets = ["a-human-chose-this-0123456789-0123"] if user.enabled else []
    lab.system.keys.pop("key-0", None)
    lab.oracle.human_broke_current = True
    result = lab.run()
    assert (result.exit, result.why) == (Exit.HUMAN, "foreign_change")


def test_current_that_dies_at_the_gate_stops_the_run():
    lab = rotated("issue, two slots")
    lab.at(12_300)
    lab.oracle.human_broke_current = True
    current = lab.record().current.credential.name
    result = lab.run(plan=before("write record CLAIM", lambda: lab.system.keys.pop(current)))
    assert (result.exit, result.why) == (Exit.HUMAN, "foreign_change")


def test_a_reload_is_sent_and_one_that_fails_stays_open(shape):
    lab = Lab(shape, in_memory(), reloads=(ReloadSpec("app", 2),))
    lab.adopt()
    assert len(lab.reload.told) == 1
    lab.at(10_010)
    failed = lab.run(plan=fault_at("reload", Fault.DENIED))
    assert failed.exit in (Exit.FAILED, Exit.UNPROVEN)
    lab.at(10_400)
    assert lab.run(named=True).exit is Exit.DONE
    assert lab.record().reloads["app"].version == lab.record().current.id


def test_a_place_that_is_mended_is_reloaded_again(shape):
    lab = Lab(shape, in_memory(), reloads=(ReloadSpec("app", 2),))
    lab.adopt()
    lab.storage.env.values.pop("env")
    lab.at(100)
    assert lab.run().exit is Exit.DONE
    assert lab.reload.told == [lab.record().current.id] * 2


def test_without_a_ledger_nothing_is_done(shape):
    lab = due(shape)
    before_all = lab.documents()
    result = lab.run(plan=before("read record", lambda: setattr(lab.ledger, "fails", True)))
    assert (result.exit, result.why) == (Exit.FAILED, "ledger")
    assert lab.documents() == before_all


def test_an_idle_look_that_cannot_be_written_down_is_a_failure(shape):
    lab = Lab(shape, in_memory())
    lab.adopt()
    result = lab.run(plan=before("read record", lambda: setattr(lab.ledger, "fails", True)))
    assert (result.exit, result.why) == (Exit.FAILED, "ledger")


@pytest.mark.parametrize("shape", ISSUE)
def test_a_ledger_that_fails_after_the_mint_does_not_lose_the_key(shape):
    lab = due(shape)
    result = lab.run(plan=before("mint", lambda: setattr(lab.ledger, "fails", True)))
    assert result.why == "ledger"
    assert lab.record().pending.credential is not None
    assert lab.run().exit is Exit.DONE
    assert lab.system.minted == 1


def test_a_login_without_an_answer_is_no_rejection(shape):
    lab = due(shape)
    original, first = lab.target, lab.first

    def silent(self, credential):
        if not credential.same(first):
            raise Unreachable("no answer")
        return credential.name

    result = with_target(lab, verify=silent).run()
    kept = lab.record().pending
    assert result.exit is Exit.FAILED
    assert "ABORT" not in names(result)
    assert kept.failed is None
    lab.target = original
    assert lab.run(named=True).exit is Exit.DONE
    assert lab.record().current.id == kept.id


def test_a_run_that_is_asked_to_stop_ends_after_its_step(shape):
    lab = due(shape)
    asked = iter([False, False] + [True] * 20)
    result = lab.run(stop=lambda: next(asked))
    assert (result.why, result.exit) == ("stopped", Exit.FAILED)
    if shape == "in place":  # between APPLY and the last place consumers are cut off: it goes on until they are not
        assert lab.shown("local") == lab.shown("env") == ("app", lab.record().current.credential.secret.reveal())
        assert lab.shown("env") in lab.system.living()
    else:
        assert len(result.steps) == 2
    assert lab.record().lease is None
    assert lab.run().exit is Exit.DONE


def test_a_run_that_is_stopped_before_it_began_says_that_nothing_was_kept(shape):
    lab = due(shape)
    before = lab.record()
    result = lab.run(stop=lambda: True, forced=True)
    assert (result.why, result.exit, "give the same command again" in result.fix) == ("not begun", Exit.FAILED, True)
    assert lab.record().revision == before.revision


@pytest.mark.parametrize("shape", GRACE)
@pytest.mark.parametrize("waits", ["grace", "hold"])
def test_what_was_forced_and_has_to_wait_is_no_success(shape, waits):
    lab = rotated(shape)
    if waits == "hold":
        lab.run(HoldUntil("month end", 5_000.0))
    current = lab.record().current.id
    result = lab.run(forced=True, named=True)
    assert (result.why, result.exit, waits in result.message) == ("not forced", Exit.FAILED, True)
    assert lab.record().current.id == current
    assert lab.run(named=True).exit is Exit.DONE
    while lab.run(named=True).why != "at rest":
        lab.seam.t += 1_000
    assert lab.run(forced=True).exit is Exit.DONE
    assert lab.record().current.id != current
    assert lab.oracle.violations == []


def test_current_that_is_older_than_its_policy_allows_is_overdue(shape):
    lab = Lab(shape, in_memory(), changes={"max_age": 5000.0})
    lab.adopt()
    lab.at(6_000)
    result = lab.run()
    assert (result.why, result.exit) == ("overdue", Exit.UNPROVEN)


def test_a_stray_second_user_is_found_before_a_rotation_begins():
    lab = due("alternating")
    lab.system.users["app_b"] = TwinUser(["a-human-chose-this-0123456789-0123"])
    result = lab.run()
    assert (result.why, result.exit) == ("check", Exit.FAILED)
    assert lab.record().pending is None


def test_a_second_secret_of_an_overlapping_user_is_dropped_only_when_asked():
    lab = Lab("overlapping", in_memory())
    lab.system.users["app"].secrets.append("a-human-chose-this-0123456789-0123")
    lab.oracle.start()
    assert lab.run(Adopt(credential=lab.first)).why == "refused"
    assert lab.run(Adopt(credential=lab.first, take_second=True)).exit is Exit.DONE
    assert len(lab.system.users["app"].secrets) == 1


def test_a_credential_of_another_user_is_not_adopted():
    lab = Lab("in place", in_memory())
    assert lab.run(Adopt(credential=replace(lab.first, name="root"))).why == "refused"
