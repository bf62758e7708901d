"""The judges of the histories: what they must see, and what they must not blame."""

import json
from dataclasses import replace

import pytest
from labs import GRACE, ISSUE, at_rest, due, rotated

from rotator import plan
from rotator.audit import EventName
from rotator.errors import Exit
from rotator.model import Place, Secret
from rotator.rotate import Adopt, Compromise, HoldUntil, Resolve, Run, Undo
from rotator.spec import ReloadSpec
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.histories import RENEWAL, History, Moment, Teller
from rotator.testing.lab import Lab, as_objects, in_memory
from rotator.testing.oracle import login

LIFETIME = 9_000.0
STRANGER = '{"fields": {"USER": "somebody", "PASSWORD": "else"}}'


def expiring(shape="issue, labels", **changes):
    """A lab in the grace of its first rotation to a key that expires."""
    return rotated(shape, lifetime=LIFETIME, changes=changes)


def resting(shape="issue, labels", **changes):
    """The same once the old one, which a human made, is gone."""
    lab = expiring(shape, **changes)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        lab.run()
    return lab


def passes(lab, seconds):
    lab.seam.t += seconds
    lab.oracle.expire()


def kill_previous(lab):
    """Somebody who is none of the humans kills the old one: as an engine would that does not keep its promise."""
    old = lab.record().previous.credential
    if old.name in lab.system.keys:
        del lab.system.keys[old.name]
    else:
        lab.system.users[old.name].secrets.remove(old.secret.reveal())
    lab.oracle.after_effect("revoke")


def laws(lab):
    return [each.partition(":")[0] for each in lab.oracle.violations]


# ---- what expires


def test_an_expired_key_lets_nobody_in_and_is_listed_still():
    lab = resting()
    mine = login(lab.record().current.credential)
    lab.seam.t += LIFETIME + 1
    assert not lab.system.lets_in(*mine)
    assert lab.system.living() == set()
    assert [each.id for each in lab.target(lab.runtime()).live()] == [mine[0]]


def test_a_clock_of_the_runner_that_is_off_lets_nothing_expire():
    lab = resting()
    lab.seam.skew = 86_400.0
    assert len(lab.system.living()) == 1


def test_a_current_that_expires_while_nobody_runs_is_nobody_s_fault():
    lab = resting()
    passes(lab, 30_000)
    lab.run()
    assert lab.oracle.violations == []


def test_a_current_that_expires_though_runs_come_whenever_they_are_asked_for_is():
    lab = resting()
    lab.oracle.watched = lab.seam.t
    passes(lab, 30_000)
    assert laws(lab) == ["I1 expiry"]


def test_a_run_in_time_that_does_not_renew_what_expires_is_seen():
    lab = resting()
    lab.spec = replace(lab.spec, retire=True)
    passes(lab, 5_500)
    lab.run()
    assert laws(lab) == ["I1 expiry"]


def test_a_run_in_time_that_renews_it_is_none():
    lab = resting()
    passes(lab, 5_500)
    before = lab.record().current.id
    lab.run()
    assert lab.record().current.id != before
    assert lab.oracle.violations == []


def test_an_old_one_that_dies_by_itself_is_killed_by_nobody():
    lab = expiring(grace=20_000.0)
    lab.oracle.expiry[login(lab.first)] = lab.seam.t
    del lab.system.keys["key-0"]
    lab.oracle.after_effect("revoke")
    assert lab.oracle.violations == []


def test_a_dead_current_that_has_not_expired_is_blamed_as_ever():
    lab = resting()
    del lab.system.keys[lab.record().current.credential.name]
    lab.oracle.after_effect("revoke")
    assert "I1" in laws(lab)


def test_a_history_whose_runs_come_as_they_are_asked_for_never_lets_current_expire():
    teller = Teller(History("issue, labels", (Moment(10_010, "run"), Moment(0.0, "watch")), lifetime=LIFETIME), as_objects())
    teller.lab.adopt()
    for each in (10_010.0, 0.0, RENEWAL, 0.0):
        teller.passes(teller.comes(each))
        teller.watch(teller.lab.seam.t + 10_100.0)
    assert teller.lab.system.minted > 3
    assert (teller.lab.oracle.ran_out, laws(teller.lab)) == (set(), [])


# ---- places of somebody else's


@pytest.mark.parametrize("attested", [False, True])
def test_what_somebody_else_put_into_a_place_may_not_be_written_over_unasked(attested):
    lab = rotated("alternating", attested=attested)
    lab.somebody_writes(STRANGER)
    current = lab.record().current.credential
    lab.storage.env.values["env"] = json.dumps({"fields": {"USER": current.name, "PASSWORD": current.secret.reveal()}})
    lab.oracle.after_effect("publish")
    assert laws(lab) == ["HUMAN place"]


@pytest.mark.parametrize("attested", [False, True])
@pytest.mark.parametrize("command", [Resolve(overwrite=frozenset({"env"})), "adopt"])
def test_a_human_may_give_it_up(attested, command):
    lab = rotated("alternating", attested=attested)
    lab.oracle.strangers.add(("somebody", "else"))
    lab.somebody_writes(STRANGER)
    current = lab.record().current.credential
    lab.run(Adopt(credential=current, overwrite=frozenset({"env"})) if command == "adopt" else command, named=True)
    lab.run()
    assert lab.shown("env") == lab.shown("local")
    assert (lab.oracle.theirs, laws(lab)) == ({}, [])


def test_an_old_value_of_ours_that_was_brought_back_is_ours_where_it_can_be_read():
    lab = Lab("alternating", in_memory())
    lab.adopt()
    before = lab.storage.env.values["env"]
    lab.at(10_010)
    lab.run()
    lab.somebody_writes(before)
    lab.run()
    assert lab.shown("env") == lab.shown("local")
    assert laws(lab) == []


def test_what_nobody_could_note_is_nobody_s_where_it_cannot_be_read():
    lab = rotated("alternating", attested=True)
    place = Place("env", "env", {"USER": "username", "PASSWORD": "password"})
    lab.ports().places["env"].publish(place, {"USER": Secret("app_b"), "PASSWORD": Secret("ours-0123456789")}, "v", 1)
    lab.somebody_writes(STRANGER)
    assert lab.oracle.theirs == {}


# ---- holds


@pytest.mark.parametrize("shape", GRACE)
def test_a_hold_that_the_record_has_lost_is_a_promise_still(shape):
    lab = rotated(shape)
    assert lab.run(HoldUntil("month end", 5_000.0)).exit is Exit.DONE
    lab.truth.write("orders/db", lab.record().but(hold=None, writes=("by hand",)))
    lab.oracle.seen = lab.record()
    lab.seam.t += 3_000
    kill_previous(lab)
    assert laws(lab) == ["I2 hold"]


@pytest.mark.parametrize("shape", GRACE)
def test_a_hold_that_is_over_is_none(shape):
    lab = rotated(shape)
    lab.run(HoldUntil("month end", 1_500.0))
    lab.seam.t += 1_600
    kill_previous(lab)
    assert laws(lab) == []


@pytest.mark.parametrize("command", [Undo(), Compromise("previous"), Adopt(new=True), Resolve(revoke="key-0")])
def test_a_human_who_gives_up_what_is_held_is_taken_at_his_word(command):
    lab = rotated("issue, labels")
    lab.run(HoldUntil("month end", 5_000.0))
    lab.oracle.asked(command)
    assert lab.oracle.held is None


@pytest.mark.parametrize("command", [Adopt(new=True), Resolve(revoke="key-0")])
def test_a_command_that_is_refused_gives_up_nothing(command):
    lab = rotated("issue, labels")
    lab.run(HoldUntil("month end", 5_000.0))
    assert lab.run(command, named=True).why == "refused"
    assert lab.oracle.held[0][0] == "key-0"


def test_what_is_held_and_becomes_current_is_held_no_more():
    lab = rotated("issue, labels")
    lab.run(HoldUntil("month end", 5_000.0))
    lab.run(Compromise("current"), named=True)
    assert lab.record().previous.credential.name == "key-0"  # it was current, and so was its successor made
    assert lab.oracle.held is None


# ---- what histories draw


@pytest.mark.parametrize("shape", ISSUE)
def test_a_lab_whose_keys_expire_and_whose_place_nobody_reads_comes_to_rest(shape):
    lab = Lab(shape, in_memory(), lifetime=LIFETIME, attested=True, reloads=(ReloadSpec("app", 3),))
    lab.adopt()
    lab.at(10_010)
    lab.run()
    lab.at(12_300)
    lab.run()
    lab.at(12_700)
    assert lab.run().why == "at rest"
    assert lab.record().current.credential.expires is not None
    assert lab.oracle.violations == []


def test_an_engine_that_never_rotates_is_seen(monkeypatch):
    monkeypatch.setattr(plan, "ROWS", [each for each in plan.ROWS if each is not plan.row_24])
    lab = due("overlapping")
    result = lab.run()
    assert result.why == "at rest"
    lab.oracle.at_rest(result)
    assert [each for each in lab.oracle.violations if each.startswith("I6: a slot is due at rest")]


def test_a_slot_that_comes_once_the_last_run_has_begun_is_not_held_against_it():
    lab = at_rest("overlapping")
    lab.at(19_950)
    result = lab.run()
    lab.at(20_100)
    lab.oracle.at_rest(result)
    assert lab.oracle.violations == []


def test_what_a_dead_run_had_sent_may_arrive_after_its_key_expired():
    lab = due("issue, two slots", lifetime=LIFETIME)
    lab.run(plan=FaultPlan({16: Fault.LATE, 17: Fault.CRASH_BEFORE}))
    assert lab.record().pending is not None
    lab.seam.t += 2 * LIFETIME
    lab.run()
    assert lab.oracle.violations == []


def test_a_ledger_that_says_something_else_than_the_exit_code_is_seen(monkeypatch):
    tell = Run.tell

    def at_rest_always(self, phase=None, event=EventName.STEP, **more):
        return tell(self, phase, event, **more | ({"reason": "at rest"} if event is EventName.RUN_END else {}))

    monkeypatch.setattr(Run, "tell", at_rest_always)
    assert laws(rotated("issue, labels")) == ["I13"]
