"""The one door: what a port raises, what a run may do, and what stands in the ledger."""

import itertools
from datetime import timedelta

import pytest
from labs import at_rest, due, names, rotated, with_can, with_target

from rotator.audit import EventName, Phase, Result
from rotator.errors import Conflict, Denied, Exit, Unreachable
from rotator.model import Can, Credential, Finding, Level, Secret, Settle
from rotator.record import Lease
from rotator.rotate import Adopt, Kind
from rotator.rotate.door import Door, scrubbed
from rotator.rotate.order import Order, Stopped
from rotator.seam import Interrupted
from rotator.step import Name, Seen
from rotator.target import Foreign, Rejected, Unfit
from rotator.testing.faults import FaultPlan
from rotator.testing.lab import SHAPES, Lab, in_memory
from rotator.testing.memory import MemoryPlace


def test_what_a_port_raises_carries_nothing_but_our_words():
    original = Denied("no right", "GRANT it", "42501")
    original.__cause__ = ValueError("secret")
    original.pgconn = object()
    clean = scrubbed(original)
    assert (clean.what, clean.fix, clean.code) == ("no right", "GRANT it", "42501")
    assert clean.__cause__ is None
    assert not hasattr(clean, "pgconn")
    late = Unreachable("slow down")
    late.retry_after = 7.0
    assert scrubbed(late).retry_after == 7.0
    assert isinstance(scrubbed(Interrupted()), Unreachable)


def test_an_interrupted_call_is_an_unknown_outcome_and_its_connection_is_dropped():
    lab, closed = due("in place"), []

    def hangs(_self, _credential, _keep):
        raise Interrupted

    result = with_target(lab, apply=hangs, close=lambda _self: closed.append(True)).run()
    assert "deadline" in result.message
    assert len(closed) >= 2
    assert any(each.outcome is Result.UNKNOWN for each in lab.ledger.events)


def test_a_fenced_out_run_stops_as_overtaken():
    lab = due("in place")
    lab.system.fence = int(lab.seam.now()) + 1_000
    result = lab.run()
    assert (result.why, result.exit) == ("conflict", Exit.BUSY)


def test_somebody_s_change_that_a_plugin_reports_stops_the_run():
    lab = due("in place")

    def foreign(_self, _credential, _keep):
        raise Foreign("a stranger's secret")

    result = with_target(lab, apply=foreign).run()
    assert (result.why, result.exit) == ("foreign_change", Exit.HUMAN)
    assert lab.record().pending is not None


def test_every_change_has_its_intent_before_and_its_outcome_after(shape):
    lab = rotated(shape)
    changes = [each for each in lab.ledger.events if each.phase is Phase.INTENT]
    assert changes
    for each in changes:
        outcome = [
            other
            for other in lab.ledger.events
            if other.phase is Phase.OUTCOME
            and other.run == each.run
            and (other.step, other.effect) == (each.step, each.effect)
            and other.seq > each.seq
        ]
        assert outcome, each


def test_no_event_has_a_field_that_could_hold_a_secret(shape):
    lab = rotated(shape)
    told = "\n".join(each.line() for each in lab.ledger.events)
    assert all(each.secret.reveal() not in told for each in lab.record().known())


def test_a_late_truth_is_waited_for_and_counted_in_a_row():
    lab = with_can(due("in place"), appears=Settle(timedelta(seconds=10), 2, timedelta(seconds=1)))
    answers = iter([True, True, False, True, True] + [True] * 50)

    def flickers(self, credential):
        if not next(answers) or not self.system.lets_in(credential.name, credential.secret.reveal()):
            raise Rejected("not yet")
        return credential.name

    assert with_target(lab, verify=flickers).run().exit is Exit.DONE


def test_good_answers_count_only_in_a_row():
    lab = with_can(due("in place"), appears=Settle(timedelta(seconds=10), 2, timedelta(seconds=1)))
    answers = iter([True, True, True, False, True, False, True] + [False] * 50)

    def flickers(_self, credential):
        if not next(answers):
            raise Rejected("not yet")
        return credential.name

    assert "PROMOTE" not in names(with_target(lab, verify=flickers).run())


def test_an_old_one_that_is_slow_to_die_is_waited_for():
    lab = with_can(rotated("issue, two slots"), disappears=Settle(timedelta(seconds=30), 1, timedelta(seconds=5)))
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        result = lab.run()
    assert result.why == "at rest"


def test_an_old_one_that_lives_on_is_revoked_once_more_and_then_needs_a_human():
    lab = with_target(rotated("issue, two slots"), confirm_dead=lambda _self, _credential: (_ for _ in ()).throw(Unfit("still works")))
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        result = lab.run()
    assert (result.why, result.exit) == ("revoked and still alive", Exit.HUMAN)
    assert names(result).count("REVOKE") == 3


def test_in_place_an_old_one_that_lives_on_means_current_is_applied_again():
    lab = due("in place")
    refuse = iter([True, False])

    def dead(self, credential):
        if next(refuse, False):
            raise Unfit("still works")
        return "28P01"

    result = with_target(lab, confirm_dead=dead).run()
    assert result.why == "at rest"
    assert "REVOKE" in names(result)


def test_where_a_dead_probe_counts_a_good_login_stands_between_two():
    lab = with_can(due("in place"), dead_probes=1)
    lab.run()
    lab.at(20_020)
    lab.run()
    lab.at(20_100)
    lab.run()
    logins = [each.effect for each in lab.ledger.events if (each.effect or "").startswith("login") and each.step == "CHECK"]
    assert "login of a dead one" in logins
    assert not any(a == b == "login of a dead one" for a, b in itertools.pairwise(logins))


def test_that_a_dead_one_is_refused_is_no_failure(shape):
    lab = at_rest(shape)
    lab.at(20_020)
    lab.run()
    looks = [(each.outcome, each.error_type) for each in lab.ledger.events if each.effect == "login of a dead one"]
    assert {*looks} == {(Result.SUCCESS, None)}
    assert not any(each.outcome is Result.FAILURE for each in lab.ledger.events if each.step == "CHECK")


@pytest.mark.parametrize("finds", ["what is missing", "nothing"])
def test_where_an_admin_cannot_tell_whether_a_dead_one_lives_what_the_target_finds_is_said_first(finds):
    lab = at_rest("overlapping")
    dead, verify = lab.record().tombstones[0].credential, lab.ports().target.verify

    def look(_self, credential):
        if credential.same(dead):
            raise Denied("nobody could look whether the user holds it")
        return verify(credential)

    missing = [Finding(Level.FAIL, "privilege.missing", "the admin lacks SELECT", "GRANT SELECT")] if finds == "what is missing" else []
    for dry in (False, True):
        result = with_target(lab, verify=look, check=lambda *_: missing).run(named=True) if not dry else lab.dry(named=True)
        assert result.exit is Exit.FAILED
        assert ("lacks SELECT" in result.message, result.fix == "GRANT SELECT") == (bool(missing), bool(missing))
        assert ("nobody could look" in result.message) == (not missing)


def test_where_a_dead_secret_must_never_be_tried_it_is_not():
    lab = with_can(due("in place"), dead_probes=0)
    lab.run()
    lab.at(10_900)
    tried = len([each for each in lab.ledger.events if each.effect == "login"])
    lab.run(forced=True)
    assert len([each for each in lab.ledger.events if each.effect == "login"]) > tried
    assert lab.oracle.violations == []


def test_an_old_one_that_is_still_in_use_is_not_revoked():
    lab = with_can(rotated("issue, two slots"), tells_use=True)
    old = lab.record().previous.credential.name
    lab.at(11_900)
    lab.system.keys[old].last_used = lab.seam.now() - 10
    result = lab.run()
    assert (result.why, result.exit) == ("used", Exit.UNPROVEN)
    assert result.wake == pytest.approx(lab.seam.now() - 10 + 500, abs=15)
    assert any(each.event is EventName.OLD_USED for each in lab.ledger.events)
    lab.at(12_600)
    assert lab.run().why == "soak"


def test_our_own_logins_do_not_count_as_use():
    lab = with_can(rotated("issue, two slots"), tells_use=True)
    lab.system.keys[lab.record().previous.credential.name].last_used = lab.record().previous.probed
    lab.at(11_900)
    assert lab.run().why == "soak"


def test_current_that_is_let_in_but_unfit_holds_back_a_new_rotation():
    lab = due("in place")

    def unfit(self, credential):
        raise Unfit("no CONNECT on orders", "GRANT CONNECT")

    result = with_target(lab, verify=unfit).run()
    assert (result.why, result.exit) == ("check", Exit.FAILED)
    assert "CONNECT" in result.message


def test_current_that_becomes_unfit_at_the_gate_holds_the_revoke():
    lab = rotated("overlapping")
    lab.at(12_300)
    logins = iter([0, 1, 2, 3])

    def later_unfit(self, credential):
        if next(logins) >= 1:
            raise Unfit("no CONNECT on orders")
        return credential.name

    result = with_target(lab, verify=later_unfit).run()
    assert (result.why, result.exit) == ("failed", Exit.FAILED)
    assert lab.record().previous.revoke_intent is None


def test_a_place_whose_check_fails_is_a_warning_and_stops_nothing():
    lab = due("in place")
    opened = lab.storage.place

    class Broken(MemoryPlace):
        def check(self):
            raise Denied("the directory is not there", "mkdir it")

    class Loud(MemoryPlace):
        def check(self):
            return [Finding(Level.FAIL, "place.missing", "it is not there"), Finding(Level.OK, "ok", "fine")]

    for kind in (Broken, Loud):
        lab.storage.place = lambda runtime, kind=kind: kind(opened(runtime).config, runtime, lab.storage.env)
        result = lab.run(forced=True)
        assert result.exit is Exit.DONE
        assert any(each.level is Level.WARN for each in result.findings)


def test_a_target_that_lists_nothing_is_not_asked():
    lab = with_can(due("issue, two slots"), lists=False)
    asked = sum(each.effect == "list" for each in lab.ledger.events)
    lab.run()
    assert sum(each.effect == "list" for each in lab.ledger.events) == asked


def test_a_run_that_was_overtaken_by_its_own_look_raises_no_alarm():
    lab = due("alternating")

    class Overtaken(FaultPlan):
        def effect(self, name, kind, call):
            if name == "read place" and not self.hit:
                self.hit = True
                assert lab.run(home="elsewhere").exit is Exit.DONE
            return super().effect(name, kind, call)

    result = lab.run(plan=Overtaken({}))
    assert (result.why, result.exit) == ("conflict", Exit.BUSY)


def test_a_store_that_fails_when_asked_again_leaves_the_alarm_as_it_is():
    lab = due("in place")
    lab.system.users["app"].secrets = ["a-human-chose-this-0123456789-0123"]
    lab.oracle.human_broke_current = True

    class Fails(FaultPlan):
        def effect(self, name, kind, call):
            if name == "read record again":
                raise Unreachable("gone")
            return super().effect(name, kind, call)

    assert lab.run(plan=Fails({})).why == "foreign_change"


def test_a_lapsed_run_does_not_even_release():
    lab = due("in place")
    door = Door(lab.spec, lab.ports(), lab.ledger, Order(run="r", home="h"), lab.seam)
    door.until, door.lease = lab.seam.ticks() - 1, Lease("r", 0.0, "h")
    with pytest.raises(Stopped, match="lapsed"):
        door.do(Name.APPLY, "x", lambda: None, port=lab.ports().target)
    assert door.do(Name.APPLY, "x", lambda: 5, port=lab.ports().target, exempt=True) == 5


def test_a_conflict_is_never_tried_again():
    lab, tries = due("in place"), []
    door = Door(lab.spec, lab.ports(), lab.ledger, Order(run="r", home="h"), lab.seam)

    def moved():
        tries.append(1)
        raise Conflict("moved")

    with pytest.raises(Conflict):
        door.do(Name.CLAIM, "write", moved, port=lab.ports().store, kind=Kind.WRITE, tries=3)
    assert tries == [1]


def test_a_take_back_revokes_only_what_the_record_does_not_know():
    lab = due("issue, labels")

    class Overtaken(FaultPlan):
        def effect(self, name, kind, call):
            if name == "write record ISSUE" and not self.hit:
                self.hit = True
                lab.at(10_400)
                assert lab.run(home="elsewhere").exit is Exit.DONE
                lab.seam.t = 1_010_020.0
            return super().effect(name, kind, call)

    before = lab.system.minted
    result = lab.run(plan=Overtaken({}))
    assert result.why == "conflict"
    assert lab.system.minted == before + 2
    assert len([each for each in lab.system.keys if each != "key-0"]) == 1


def test_nothing_is_adopted_that_the_target_s_check_forbids():
    lab = Lab("in place", in_memory())
    lab.oracle.start()

    def failing(_self, _known, _accepted=()):
        return [Finding(Level.FAIL, "privilege.missing", "no right", "GRANT it")]

    result = with_target(lab, check=failing).run(Adopt(credential=lab.first))
    assert (result.why, result.fix) == ("check", "GRANT it; then give the same command again: nothing of it was kept")


def test_the_shapes_of_the_labs_are_what_their_twins_can():
    assert {each["shape"] for each in SHAPES.values()} == {Lab(each, in_memory()).spec.shape for each in SHAPES}
    assert Seen().but(run="x").run == "x"
    assert Can().max_live == 1
    assert Credential(name="a", secret=Secret("x")).same(Credential(name="a", secret=Secret("x")))


def test_a_place_that_denies_us_never_stops_the_others():
    lab = due("alternating")
    opened = lab.storage.store

    def store(runtime):
        one = opened(runtime)

        def denied(*_args):
            raise Denied("no right to write there", "grant it")

        one.publish = denied
        return one

    lab.storage.store = store
    result = lab.run()
    assert (result.why, result.exit) == ("open place", Exit.UNPROVEN)
    assert "no right to write there" in result.message
    assert lab.record().places["env"] == lab.record().current.id
