"""Corners of the protocol: what is rare, and must still end well."""

import pytest
from labs import GRACE, SET, before, crash_at, due, failing, fault_at, names, rotated, with_target

from rotator.errors import Conflict, Exit, Unreachable
from rotator.model import Secret
from rotator.rotate import Adopt, Compromise, HoldUntil, Undo
from rotator.target import Rejected
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.lab import Lab, in_memory
from rotator.testing.memory import MemoryPlace


def test_a_secret_that_lets_nobody_in_is_taken_back_and_the_next_one_works(shape):
    lab = due(shape)
    lab.system.next_is_dud = True
    result = lab.run()
    assert (result.why, result.exit) == ("not_before", Exit.FAILED)
    assert "ABORT" in names(result)
    assert lab.record().pending is None
    assert lab.run().exit is Exit.DONE, "nothing is open, and it was told"
    lab.at(10_800)
    assert lab.run().exit is Exit.DONE
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", ["in place", "overlapping"])
def test_a_first_secret_that_lets_nobody_in_is_kept_where_there_is_nothing_to_go_back_to(shape):
    lab = Lab(shape, in_memory())
    lab.oracle.start()
    lab.oracle.human_broke_current = True
    lab.system.next_is_dud = True
    assert lab.run(Adopt(new=True)).exit is Exit.FAILED
    kept = lab.record().pending
    assert kept is not None
    lab.system.duds.clear()
    lab.at(400)
    assert lab.run().exit is Exit.DONE
    assert lab.record().current.id == kept.id


@pytest.mark.parametrize("shape", SET)
def test_a_first_secret_that_the_target_refuses_leaves_nothing_to_rotate(shape):
    lab = Lab(shape, in_memory())
    lab.oracle.start()
    lab.oracle.human_broke_current = True
    lab.system.refuses = True
    result = lab.run(Adopt(new=True))
    if shape == "alternating":  # the user that was to be taken over is still somebody's: it is locked by hand, and then given up
        assert (result.why, result.exit) == ("foreign_change", Exit.HUMAN)
        lab.system.users["app_a"].enabled = False
        lab.oracle.living = lab.system.living()
        lab.run(named=True)
    assert lab.record().pending is None
    assert lab.record().current is None


@pytest.mark.parametrize("shape", GRACE)
def test_a_hold_after_the_revoke_was_written_down_is_too_late(shape):
    lab = rotated(shape)
    lab.at(12_300)
    if shape.startswith("issue"):
        lab.run()
        lab.at(12_700)
    lab.run(plan=crash_at("revoke"))
    assert "too late" in lab.run(HoldUntil("month end", 3000)).message


@pytest.mark.parametrize("shape", GRACE)
def test_what_must_live_on_is_handed_to_every_call_that_kills(shape):
    kept = []
    lab = rotated(shape)
    made = lab.target

    def target(runtime):
        one = made(runtime)
        revoke = one.revoke

        def watched(credential, keep):
            kept.append((credential.name, sorted(each.name for each in keep)))
            return revoke(credential, keep)

        one.revoke = watched
        return one

    lab.target = target
    lab.run(Compromise())
    assert kept
    assert all(keep and (name not in keep or shape == "overlapping") for name, keep in kept)


def test_in_place_a_crash_in_the_middle_of_taking_back_is_known_as_ours():
    lab = due("in place")
    lab.system.next_is_dud = True
    lab.run(plan=crash_at("set secret again"))
    assert lab.record().pending.failed.acked
    result = lab.run()
    assert "ABORT" in names(result)
    assert lab.record().current.credential.same(lab.first)


def test_a_store_that_does_not_answer_is_a_failure_that_says_so():
    lab = due("in place")

    class Gone(FaultPlan):
        def effect(self, name, kind, call):
            if name == "read record":
                raise Unreachable("no answer from the store")
            return super().effect(name, kind, call)

    result = lab.run(plan=Gone({}))
    assert (result.exit, result.why) == (Exit.FAILED, "failed")
    assert "no answer from the store" in result.message


@pytest.mark.parametrize("shape", SET)
def test_without_a_fence_a_secret_that_is_set_already_is_not_set_again(shape):
    lab = due(shape, fences=False)
    lab.run(plan=fault_at("set secret", Fault.CRASH_AFTER))
    result = lab.run()
    assert result.exit is Exit.DONE
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", ["in place", "overlapping"])
def test_a_human_s_password_in_mid_rotation_stops_apply(shape):
    lab = due(shape)
    lab.run(plan=crash_at("set secret"))
    lab.system.users["app"].secrets = ["a-human-chose-this-0123456789-0123"]
    lab.oracle.human_broke_current = True
    made = [False, False]

    def late(self, credential):
        """CHECK still sees current; APPLY does not."""
        made[0] = made[0] or credential.same(lab.record().pending.credential)
        if not made[0] and credential.same(lab.first):
            return credential.name
        raise Rejected("wrong password")

    result = with_target(lab, verify=late).run()
    assert (result.why, result.exit) == ("foreign_change", Exit.HUMAN)


def test_in_place_an_undo_before_anything_was_set_changes_nothing():
    lab = due("in place", fences=False)
    lab.run(plan=crash_at("set secret"))
    assert lab.run(Undo()).why == "not_before"
    assert lab.record().current.credential.same(lab.first)
    assert not any(each.effect == "set secret again" for each in lab.ledger.events)


def test_a_place_that_shows_something_else_than_was_published_stays_open():
    lab = due("alternating")
    opened = lab.storage.place

    class Deaf(MemoryPlace):
        def publish(self, place, values, version, generation):
            """It says that it did."""

    lab.storage.place = lambda runtime: Deaf(opened(runtime).config, runtime, lab.storage.env)
    result = lab.run()
    assert (result.why, result.exit) == ("open place", Exit.UNPROVEN)
    assert lab.record().revoke_after is None


def test_a_value_that_consumers_read_and_that_does_not_log_in_completes_no_place():
    lab = due("alternating")
    refuse = iter([False, False, True] + [True] * 9)

    def verify(self, credential):
        if next(refuse):
            raise Rejected("wrong password")
        return credential.name

    result = with_target(lab, verify=verify).run()
    assert result.exit is not Exit.DONE
    assert lab.record().revoke_after is None


def test_confirm_stops_where_current_itself_is_refused():
    lab = rotated("overlapping")
    lab.at(12_300)
    lab.oracle.human_broke_current = True

    class Breaks(FaultPlan):
        def effect(self, name, kind, call):
            answer = super().effect(name, kind, call)
            if name == "revoke":
                lab.system.users["app"].secrets = ["a-human-chose-this-0123456789-0123"]
            return answer

    result = lab.run(plan=Breaks({}))
    assert (result.why, result.exit) == ("foreign_change", Exit.HUMAN)


@pytest.mark.parametrize("refused", ["before", "after"])
def test_a_death_is_confirmed_between_two_logins_of_current(refused):
    lab, asked = rotated("overlapping"), []
    lab.at(12_300)

    def control(self, credential):
        if (refused == "after") == bool(asked):
            raise Rejected("wrong password")
        return credential.name

    def dead(_self, _credential):
        asked.append(True)
        return "28P01"

    result = with_target(lab, control=control, confirm_dead=dead).run()
    assert (result.why, result.exit) == ("foreign_change", Exit.HUMAN)
    assert lab.record().previous.revoked


def test_secrets_are_chosen_by_the_seam_and_no_two_are_alike():
    lab = due("in place")
    lab.run()
    assert lab.record().current.credential.secret.matches(Secret(lab.system.users["app"].secrets[0]))
    assert not lab.record().current.credential.same(lab.first)


@pytest.mark.parametrize("shape", GRACE)
@pytest.mark.parametrize("command", [Undo(), Compromise()])
def test_while_the_old_one_lives_undo_is_the_way_out_of_a_current_that_somebody_killed(shape, command):
    lab = rotated(shape)
    current, old = lab.record().current.credential, lab.record().previous.credential
    lab.system.keys.pop(current.name, None)
    for name, user in lab.system.users.items():
        user.secrets = [each for each in user.secrets if (name, each) != (current.name, current.secret.reveal())]
    lab.oracle.living, lab.oracle.human_broke_current = lab.system.living(), True
    assert lab.run().why == "foreign_change"
    lab.run(command)
    assert any(each.event == "foreign_change" for each in lab.ledger.events)
    living_now = lab.record().current.credential
    assert (living_now.name, living_now.secret.reveal()) in lab.system.living()
    assert living_now.same(old) or isinstance(command, Compromise)


def test_adopting_another_credential_does_not_call_our_own_old_one_a_stranger_s():
    lab = due("in place")
    lab.run()
    lab.system.users["app"].secrets = ["a-human-chose-this-0123456789-0123"]
    lab.oracle.human_broke_current = True
    chosen = Secret("a-human-chose-this-0123456789-0123")
    result = lab.run(Adopt(credential=type(lab.first)(name="app", secret=chosen)))
    assert result.exit is Exit.DONE
    assert lab.shown("env") == ("app", "a-human-chose-this-0123456789-0123")


@pytest.mark.parametrize(("error", "why"), [(Unreachable("gone"), "failed"), (Conflict("moved"), "conflict")])
def test_a_last_write_that_does_not_land_is_not_claimed(shape, error, why):
    lab = due(shape)
    result = lab.run(plan=failing("write record RELEASE", error))
    assert (result.why, result.exit) == (why, result.exit)
    assert result.exit is not Exit.DONE
    lab.at(10_400)
    assert lab.run().exit is Exit.DONE
    assert lab.oracle.violations == []


def test_a_ledger_that_fails_at_the_last_write_is_told(shape):
    lab = due(shape)
    last = "confirm dead" if shape == "in place" else "publish"
    result = lab.run(plan=before(last, lambda: None))
    assert result.exit is Exit.DONE
    lab = due(shape)

    class Fails(FaultPlan):
        def effect(self, name, kind, call):
            answer = super().effect(name, kind, call)
            if str(lab_run(lab)) == "complete" or name == "confirm dead":
                lab.ledger.fails = True
            return answer

    def lab_run(lab):
        r = lab.record()
        return (
            "complete"
            if r.current and all(r.places.get(each) == r.current.id for each in lab.spec.place_names) and r.pending is None and r.previous
            else ""
        )

    assert lab.run(plan=Fails({})).why == "ledger"
    assert lab.run().exit is Exit.DONE
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_a_lease_that_lapses_before_the_last_write_is_told(shape):
    lab = due(shape)

    class Sleeps(FaultPlan):
        def effect(self, name, kind, call):
            answer = super().effect(name, kind, call)
            r = lab.record()
            if name == "write record PUBLISH" and r.current and all(r.places.get(each) == r.current.id for each in lab.spec.place_names):
                lab.seam.t += 400
            return answer

    assert lab.run(plan=Sleeps({}), run_time=10_000.0).why in ("lapsed", "grace")
    lab.clean_runs()
    assert lab.oracle.violations == []


def test_in_place_a_password_that_a_human_sets_before_the_taking_back_stays():
    lab = due("in place")
    lab.run(plan=crash_at("set secret"))
    lab.oracle.human_broke_current = True

    def changed():
        lab.system.users["app"].secrets = ["a-human-chose-this-0123456789-0123"]

    result = lab.run(Undo(), plan=before("write record CLAIM", changed))
    assert (result.why, result.exit) == ("foreign_change", Exit.HUMAN)
    assert lab.system.users["app"].secrets == ["a-human-chose-this-0123456789-0123"]


def test_a_named_run_makes_one_attempt(shape):
    lab = due(shape)
    lab.system.next_is_dud = True
    result = lab.run(named=True)
    assert result.why == "not_before"
    assert [names(result).count(each) for each in ("STAGE", "RESERVE")] in ([1, 0], [0, 1])
