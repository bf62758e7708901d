"""What a run does in every situation that an operator can meet: one test for each."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from labs import before, crash_at, due, fault_at, living, names, rotated

from rotator.errors import Exit
from rotator.record import Identity
from rotator.rotate import Adopt, Compromise, HoldUntil, Resolve, Undo
from rotator.spec import ReloadSpec
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.lab import PATH, SHAPES, Lab, in_memory
from rotator.testing.twins import TwinKey, TwinUser

GRACE = [each for each in SHAPES if each != "in place"]
ISSUE = ["issue, two slots", "issue, labels"]


def test_what_nobody_adopted_is_never_rotated(shape):
    lab = Lab(shape, in_memory())
    result = lab.run(named=True, forced=True)
    assert (result.exit, result.why) == (Exit.HUMAN, "adopt")
    assert "rotator adopt orders-db" in result.fix
    assert lab.record().revision is None


def test_a_dry_run_says_what_adopting_anew_would_kill(shape):
    lab = Lab(shape, in_memory())
    told = lab.dry().message
    assert "--new" in told
    assert ("would stop working" in told) == (not shape.startswith("issue"))


@pytest.mark.parametrize("shape", [each for each in SHAPES if each != "issue, two slots"])
def test_adopting_anew_is_a_first_rotation(shape):
    lab = Lab(shape, in_memory())
    lab.oracle.start()
    lab.oracle.human_broke_current = True
    result = lab.run(Adopt(new=True))
    assert result.exit is Exit.DONE
    assert {"VERIFY", "PROMOTE", "PUBLISH"} <= set(names(result))
    assert lab.shown("env") == lab.shown("local")


def test_adopting_anew_is_refused_where_there_is_a_current(shape):
    result = due(shape).run(Adopt(new=True))
    assert (result.why, result.exit) == ("refused", Exit.FAILED)
    assert "--force" in result.message


def test_adoption_is_refused_while_a_rotation_is_unfinished(shape):
    lab = due(shape)
    lab.run(plan=crash_at("login", 2))
    assert lab.record().pending is not None
    assert lab.run(Adopt(credential=lab.first)).why == "refused"


def test_adoption_is_refused_where_the_others_leave_no_slot():
    lab = Lab("issue, two slots", in_memory())
    lab.system.keys["key-other"] = TwinKey("another-secret-0123456789-0123456789", lab.seam.now())
    lab.oracle.strangers.add(("key-other", "another-secret-0123456789-0123456789"))
    lab.oracle.start()
    refused = lab.run(Adopt(credential=lab.first))
    assert (refused.why, "--retire" in refused.fix) == ("refused", True)
    assert lab.run(Adopt(credential=lab.first, retire="key-nobody")).why == "refused"
    assert lab.run(Adopt(new=True)).why == "refused"
    lab.oracle.strangers.clear()
    assert lab.run(Adopt(credential=lab.first, retire="key-other")).why == "grace"
    lab.at(1_500)
    lab.run()
    lab.at(2_000)
    assert lab.run().why == "at rest"
    assert living(lab) == ["key-0"]


def test_other_ids_are_accepted_at_adoption_and_left_alone():
    lab = Lab("issue, labels", in_memory())
    lab.system.keys["key-other"] = TwinKey("another-secret-0123456789-0123456789", lab.seam.now())
    lab.oracle.strangers.add(("key-other", "another-secret-0123456789-0123456789"))
    lab.adopt()
    lab.at(10_010)
    lab.run()
    lab.clean_runs()
    assert "key-other" in living(lab)
    assert lab.oracle.violations == []


def test_a_place_that_shows_a_stranger_s_value_is_overwritten_only_when_asked(shape):
    lab = Lab(shape, in_memory())
    lab.storage.env.values["env"] = '{"fields": {"USER": "somebody", "PASSWORD": "else"}}'
    lab.oracle.start()
    refused = lab.run(Adopt(credential=lab.first))
    assert (refused.why, "--overwrite" in refused.fix) == ("refused", True)
    assert lab.run(Adopt(credential=lab.first, overwrite=frozenset({"env"}))).exit is Exit.DONE
    assert lab.shown("env")[0] == lab.first.name


def test_a_stranger_s_value_in_a_place_stops_the_run_until_it_is_resolved(shape):
    lab = rotated(shape)
    kept = lab.storage.env.values["env"]
    lab.storage.env.values["env"] = '{"fields": {"USER": "somebody", "PASSWORD": "else"}}'
    stopped = lab.run()
    assert (stopped.exit, stopped.why) == (Exit.HUMAN, "foreign_change of place")
    assert "somebody" in lab.storage.env.values["env"]
    assert lab.run(Resolve(overwrite=frozenset({"nowhere"}))).why == "refused"
    assert lab.run(Resolve(overwrite=frozenset({"env"}))).exit is Exit.DONE
    assert lab.storage.env.values["env"] == kept or lab.shown("env") == lab.shown("local")


def test_another_runner_s_lease_is_waited_out_and_a_dead_one_s_taken_over(shape):
    lab = due(shape)
    lab.run(plan=crash_at("mint" if shape.startswith("issue") else "set secret"), home="elsewhere")
    busy = lab.run()
    assert (busy.exit, busy.why) == (Exit.BUSY, "lease")
    assert lab.run(home="elsewhere").exit is Exit.DONE
    assert any(each.event == "lease.taken_over" for each in lab.ledger.events)


def test_another_identity_is_left_alone_until_adopted_anew(shape):
    lab = due(shape)
    lab.spec = replace(lab.spec, identity=Identity("production", "twin", "elsewhere", lab.spec.principals))
    assert (lab.run().why, lab.run().exit) == ("identity", Exit.HUMAN)
    assert lab.run(Adopt(credential=lab.first)).exit is Exit.DONE
    assert lab.run().exit is Exit.DONE


def test_a_record_of_a_newer_format_is_left_alone(shape):
    lab = due(shape)
    store = lab.storage.store(lab.runtime())
    store.write(PATH, lab.record().but(format=2))
    result = lab.run()
    assert (result.why, result.exit) == ("format", Exit.HUMAN)


def test_a_record_that_is_no_record_is_never_taken_for_empty():
    lab = Lab("in place", in_memory())
    store = lab.storage.store(lab.runtime())
    store.shelf.records[PATH] = (7, '{"format": "nonsense"}')
    result = lab.run(Adopt(credential=lab.first))
    assert result.exit is Exit.HUMAN


def test_a_renamed_spec_keeps_its_record_and_leaves_one_event(shape):
    lab = due(shape)
    lab.spec = replace(lab.spec, name="orders-main")
    lab.run()
    lab.at(10_020)
    lab.run()
    assert sum(each.event == "spec.renamed" for each in lab.ledger.events) == 1


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
    assert again.exit is Exit.DONE


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
    old = lab.record().current.credential.name
    lab.storage.env.down = True
    result = lab.run()
    assert (result.exit, result.why) == (Exit.UNPROVEN, "open place")
    lab.at(19_000)
    assert lab.run().exit is Exit.UNPROVEN
    assert old in living(lab)
    lab.storage.env.down = False
    lab.at(19_900)
    lab.run(named=True)
    assert lab.record().revoke_after is not None
    assert lab.record().revoke_after >= lab.seam.now() + 990
    assert lab.oracle.violations == []


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


def test_a_hold_switches_a_disabled_old_one_on_again():
    lab = rotated("issue, two slots")
    lab.at(12_300)
    assert lab.run().why == "soak"
    old = lab.record().previous.credential.name
    assert old not in living(lab)
    assert lab.run(HoldUntil("month end", 3000)).why == "hold"
    assert old in living(lab)
    lab.at(16_000)
    assert lab.run().why == "soak"


def test_a_hold_without_an_old_one_is_refused(shape):
    assert due(shape).run(HoldUntil("month end", 10)).why == "refused"


@pytest.mark.parametrize("shape", GRACE)
def test_undo_goes_back_and_grace_starts_again(shape):
    lab = rotated(shape)
    new = lab.record().current.credential.name
    result = lab.run(Undo())
    assert (result.exit, result.why) == (Exit.DONE, "grace")
    assert lab.record().previous.credential.name == new
    lab.at(12_300)
    lab.run()
    lab.at(12_700)
    lab.run()
    assert lab.record().previous is None
    assert lab.oracle.violations == []


def test_undo_without_anything_to_go_back_to_is_refused(shape):
    lab = rotated(shape) if shape == "in place" else due(shape)
    assert lab.run(Undo()).why == "refused"


def test_undo_before_the_new_one_is_current_takes_it_back(shape):
    lab = due(shape)
    lab.run(plan=crash_at("write record PROMOTE"))
    result = lab.run(Undo())
    assert result.why == "not_before"
    assert lab.record().pending is None
    assert lab.record().current.credential.same(lab.first)
    lab.at(10_800)
    assert lab.run().why == "at rest"


def test_a_first_rotation_in_place_cannot_be_undone():
    lab = Lab("in place", in_memory())
    lab.run(Adopt(new=True), plan=crash_at("write record PROMOTE"))
    assert lab.run(Undo()).why == "refused"


@pytest.mark.parametrize("shape", GRACE)
def test_an_old_one_that_refuses_is_not_gone_back_to(shape):
    lab = rotated(shape)
    q = lab.record().previous.credential
    for user in lab.system.users.values():
        user.secrets = [each for each in user.secrets if each != q.secret.reveal()]
    lab.system.keys.pop(q.name, None)
    lab.oracle.living = lab.system.living()
    result = lab.run(Undo())
    assert lab.record().current.credential.name in living(lab)
    assert result.exit is Exit.DONE


def test_a_leak_at_rest_is_rotated_at_once_and_dies_without_grace(shape):
    lab = Lab(shape, in_memory())
    lab.adopt()
    result = lab.run(Compromise(), trigger="leak")
    assert result.exit is Exit.DONE
    assert (lab.first.name, lab.first.secret.reveal()) not in lab.system.living()
    assert lab.record().previous is None
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_a_leak_in_grace_goes_back_to_the_old_one_first(shape):
    lab = rotated(shape)
    leaked = lab.record().current.credential
    result = lab.run(Compromise())
    assert "UNDO" in names(result)
    assert (leaked.name, leaked.secret.reveal()) not in lab.system.living()
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_a_leaked_old_one_dies_at_once(shape):
    lab = rotated(shape)
    leaked = lab.record().previous.credential
    assert lab.run(Compromise("previous")).exit is Exit.DONE
    assert (leaked.name, leaked.secret.reveal()) not in lab.system.living()


def test_a_leaked_pending_is_taken_back(shape):
    lab = due(shape)
    lab.run(plan=crash_at("write record PROMOTE"))
    leaked = lab.record().pending.credential
    assert "ABORT" in names(lab.run(Compromise("pending")))
    assert (leaked.name, leaked.secret.reveal()) not in lab.system.living()


def test_marking_what_is_not_there_is_refused(shape):
    assert due(shape).run(Compromise("pending")).why == "refused"


def test_a_retired_spec_finishes_and_begins_nothing(shape):
    lab = due(shape)
    lab.run(plan=crash_at("write record PROMOTE"))
    lab.spec = replace(lab.spec, retire=True)
    lab.run()
    lab.at(12_300)
    lab.run()
    lab.at(12_700)
    lab.run()
    lab.at(30_000)
    assert lab.run().why == "at rest"
    assert lab.record().last_slot < lab.seam.now() - 15_000


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


def test_a_run_whose_lease_has_lapsed_stops_before_its_next_effect(shape):
    lab = due(shape)
    effect = "write record RESERVE" if shape.startswith("issue") else "write record STAGE"

    def sleep():
        lab.seam.t += 400

    result = lab.run(plan=before(effect, sleep), run_time=10_000.0)
    assert result.why in ("lapsed", "not_before", "failed", "grace", "at rest")
    lab.clean_runs()
    assert lab.oracle.violations == []


def test_a_run_out_of_time_releases_and_the_next_goes_on(shape):
    lab = due(shape)
    result = lab.run(run_time=5.0)
    assert (result.why, result.exit) == ("time", Exit.FAILED)
    assert lab.record().lease is None
    assert lab.run().exit is Exit.DONE


def test_a_run_that_is_asked_to_stop_ends_after_its_step(shape):
    lab = due(shape)
    asked = iter([False, False] + [True] * 20)
    result = lab.run(stop=lambda: next(asked))
    assert (result.why, result.exit) == ("stopped", Exit.DONE)
    if shape == "in place":  # between APPLY and the last place consumers are cut off: it goes on until they are not
        assert lab.shown("local") == lab.shown("env") == ("app", lab.record().current.credential.secret.reveal())
    else:
        assert len(result.steps) == 2
    assert lab.record().lease is None
    assert lab.run().exit is Exit.DONE


def test_a_wall_clock_that_is_off_stops_the_run_before_it_writes(shape):
    lab = due(shape)
    lab.seam.skew = -20_000.0
    seq = lab.record().seq
    result = lab.run(forced=True)
    assert (result.why, result.exit, lab.record().seq) == ("clock", Exit.UNPROVEN, seq)


@pytest.mark.parametrize("shape", GRACE)
def test_a_clock_that_jumps_ahead_after_the_claim_revokes_nothing(shape):
    lab = rotated(shape)
    lab.at(10_400)
    open_store, true_now = lab.storage.store, lab.seam.ticks

    def with_clock(runtime):
        store = open_store(runtime)
        store.clock = lambda: datetime.fromtimestamp(true_now(), UTC)
        return store

    lab.storage.store = with_clock

    def jump():
        lab.seam.skew = 5_000.0

    lab.storage.env.values.pop("env")
    result = lab.run(plan=before("publish", jump))
    assert lab.record().previous.revoke_intent is None
    assert result.exit in (Exit.DONE, Exit.UNPROVEN)
    lab.at(11_900)
    lab.seam.skew = 5_000.0
    assert lab.run().why == "clock"
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


def test_an_expired_tombstone_is_dropped(shape):
    lab = rotated(shape)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        lab.run()
    assert len(lab.record().tombstones) == 1
    lab.spec = replace(lab.spec, retire=True)
    lab.at(200_000)
    lab.run()
    assert lab.record().tombstones == ()


def test_a_dead_secret_that_comes_back_is_killed_again(shape):
    lab = rotated(shape)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        lab.run()
    dead = lab.record().tombstones[0].credential
    user = lab.system.users.get(dead.name)
    if user is None:
        lab.system.keys[dead.name] = TwinKey(dead.secret.reveal(), lab.seam.now())
    elif shape == "in place":
        user.secrets = [dead.secret.reveal()]
        lab.oracle.human_broke_current = True
    else:
        user.secrets, user.enabled = [*user.secrets, dead.secret.reveal()], True
    lab.oracle.living = lab.system.living()
    lab.at(13_000)
    result = lab.run()
    assert "BURY" in names(result)
    assert (dead.name, dead.secret.reveal()) not in lab.system.living()
    current = lab.record().current.credential
    assert (current.name, current.secret.reveal()) in lab.system.living()
