"""Histories that go astray: random ones, and as tests of their own the ways without an end that they have found."""

import random

import pytest
from labs import THEIRS, crash_at, due, fault_at, living, restored, rotated, theirs, touched, what_get_shows

from rotator.model import Credential, Secret
from rotator.rotate import Adopt, Compromise, Resolve
from rotator.testing.astray.history import WITHIN, WORLD, Astray, Turn, draw, less
from rotator.testing.astray.teller import Teller, broken
from rotator.testing.faults import Fault
from rotator.testing.lab import PATH, Lab, in_memory
from rotator.testing.oracle import login
from rotator.testing.shrink import shorter
from rotator.testing.twins import TwinKey, TwinUser

EACH = 100
"""Histories of one test."""


@pytest.mark.proof
@pytest.mark.usefixtures("numbered")
@pytest.mark.parametrize("first", range(0, 8 * EACH, EACH))
def test_no_history_that_goes_astray_breaks_a_law_or_has_no_way_out(first):
    assert [each for each in map(broken, range(first, first + EACH)) if each] == []


def test_strangers_act_between_runs_and_within_them_and_backups_come_back():
    turns = [turn for number in range(200) for turn in draw(random.Random(number)).turns]
    assert {turn.act for turn in turns} >= set(WORLD)
    assert {turn.within[1] for turn in turns if turn.within} == set(WITHIN)


def test_a_fifth_has_a_place_that_nobody_reads():
    drawn = [draw(random.Random(number)) for number in range(1000)]
    assert 0.15 < sum(each.attested for each in drawn) / len(drawn) < 0.25


@pytest.mark.parametrize("attested", [False, True])
def test_an_old_value_that_somebody_brings_back_within_a_run_is_his_from_then_on_where_nobody_can_read_it(attested):
    turns = (Turn(10_010.0, "run", 0), Turn(30.0, "run", 0, within=(3, "place back")))
    teller = Teller(Astray("alternating", fences=True, turns=turns, attested=attested))
    teller.lab.adopt()
    teller.world.keep()
    for each in turns:
        teller.lab.seam.t += each.after
        teller._act(each)
    assert teller.lab.oracle.theirs == ({"env": login(teller.lab.first)} if attested else {})
    assert teller.lab.oracle.violations == []


def test_a_failing_one_loses_what_it_does_not_need():
    history = draw(random.Random(3))
    least = shorter(history, lambda each: len(each.turns) >= 1, less)
    assert len(least.turns) == 1
    assert (least.turns[0].faults, least.turns[0].within) == ((), None)


def test_an_operator_who_finds_no_way_out_is_told_of(monkeypatch):
    monkeypatch.setattr(Teller, "_named", lambda _self, _last: None)
    told = Teller(Astray("alternating", fences=True, turns=(Turn(0.0, "current's password", 0),))).tell()
    assert [each.partition(":")[0] for each in told] == ["WAY OUT"]


def test_a_suspect_that_the_record_once_knew_is_named_too():
    """A restored record gave it up as current: it is none that CHECK finds, and the message alone can name it."""
    lab = Lab("issue, labels", in_memory())
    lab.adopt()
    old, values = lab.truth.shelf.records[PATH][1], lab.truth.shelf.values[PATH]
    lab.at(10_010)
    lab.run()
    lab.at(12_300)
    assert lab.run().why == "soak"
    restored(lab, old)
    lab.truth.shelf.values[PATH] = values
    name, secret = lab.shown("env")
    lab.run(Adopt(credential=Credential(name=name, secret=Secret(secret))), named=True)
    result = lab.run(named=True)
    assert (result.why, result.message.endswith(": key-0")) == ("orphan.suspect", True)
    assert lab.run(Resolve(revoke="key-0"), named=True).why == "at rest"


@pytest.mark.parametrize("command", [Resolve, Adopt])
def test_a_key_of_ours_that_only_a_lost_record_knew_has_its_grace_once_its_place_is_written_over(command):
    lab = Lab("issue, labels", in_memory())
    lab.adopt()
    old, values = lab.truth.shelf.records[PATH][1], lab.truth.shelf.values[PATH]
    lab.at(10_010)
    lab.run()
    restored(lab, old)
    lab.truth.shelf.values[PATH] = values
    lab.at(10_100)
    over = frozenset({"env"})
    asked = Resolve(overwrite=over) if command is Resolve else Adopt(credential=lab.first, overwrite=over)
    assert lab.run(asked, named=True).why == "grace"
    assert living(lab) == ["key-0", "key-1"]
    lab.at(11_500)
    assert lab.run(named=True).why == "soak"
    assert lab.oracle.violations == []


def test_an_old_key_that_only_a_lost_record_knew_has_its_grace_after_an_adoption():
    lab = Lab("issue, labels", in_memory())
    lab.adopt()
    old = lab.truth.shelf.records[PATH][1]
    for seconds in (10_010, 12_300, 12_700, 20_010):
        lab.at(seconds)
        lab.run()
    assert living(lab) == ["key-1", "key-2"]
    restored(lab, old)
    lab.at(20_400)
    assert lab.run(Adopt(credential=what_get_shows(lab)), named=True).why == "grace"
    assert living(lab) == ["key-1", "key-2"]
    lab.at(22_000)
    lab.run()
    assert (living(lab), lab.oracle.violations) == (["key-2"], [])


@pytest.mark.parametrize("shape", ["alternating", "overlapping"])
def test_what_is_adopted_may_end_a_leaked_one_that_a_restored_record_calls_current(shape):
    lab = due(shape)
    old = lab.truth.shelf.records[PATH][1]
    lab.run()
    restored(lab, old)
    lab.at(10_100)
    assert lab.run(Compromise("current"), named=True).why == "check"
    later = what_get_shows(lab)
    result = lab.run(Adopt(credential=later, take_second=True), named=True)
    assert (result.why, len(lab.system.living())) == ("at rest", 1)
    assert lab.record().current.credential.same(later)


@pytest.mark.parametrize("unread", [0, 2, 4])  # never, by CHECK, by the adoption's own look
def test_no_place_that_shows_the_leaked_one_is_cut_off_unless_a_human_says_so(unread):
    lab = due("alternating")
    old = lab.truth.shelf.records[PATH][1]
    lab.run()
    later = what_get_shows(lab)
    restored(lab, old)
    lab.at(10_100)
    lab.run(Resolve(overwrite=frozenset({"env"})), named=True)
    lab.run(Compromise("current"), named=True)
    before = lab.system.living()
    result = lab.run(Adopt(credential=later, take_second=True), named=True, plan=fault_at("read place", Fault.ERROR, unread))
    words = "env shows what cannot be read now" if unread == 4 else "env shows the leaked one"
    assert (result.why, words in result.message, "--overwrite" in (result.fix or "")) == ("refused", True, True)
    assert lab.system.living() == before
    assert lab.run(Adopt(credential=later, take_second=True, overwrite=frozenset({"env"})), named=True).why == "at rest"


def test_the_old_one_that_is_adopted_is_no_longer_on_its_way_out():
    """One user with two secrets: current was lost, so a human adopts the one before it, which its rotation was about to kill."""
    lab = rotated("overlapping")
    old = lab.record().previous.credential
    lab.system.users["app"].secrets = [old.secret.reveal()]
    touched(lab, broke=True)
    lab.run(Adopt(credential=old), named=True)
    assert lab.record().previous is None
    lab.at(12_300)
    assert lab.run(named=True).why == "at rest"
    assert lab.system.living() == {(old.name, old.secret.reveal())}


@pytest.mark.parametrize("shape", ["alternating", "overlapping"])
def test_a_leaked_one_that_is_adopted_for_nothing_else_works_stays_leaked(shape):
    lab = rotated(shape)
    record = lab.record()
    lab.storage.env.down = True  # so that nothing is revoked yet
    lab.run(Compromise("previous"))
    lab.storage.env.down = False
    user = lab.system.users[record.current.credential.name]
    user.secrets = [each for each in user.secrets if each != record.current.credential.secret.reveal()] + [THEIRS]
    touched(lab, broke=True)
    lab.seam.t += 400
    assert lab.run(named=True).why == "foreign_change"
    result = lab.run(Adopt(credential=record.previous.credential, take_second=True), named=True)
    assert result.message.startswith("taken over; rotated")
    lab.seam.t += 2_000
    lab.run(named=True)
    assert record.previous.credential.secret.reveal() not in {secret for _, secret in lab.system.living()}


def test_a_key_that_nobody_has_named_yet_is_retired_by_the_adoption_that_needs_its_slot():
    lab = due("issue, two slots")
    lab.run(plan=crash_at("write record ISSUE"))
    del lab.system.keys["key-0"]
    lab.system.keys["key-human"] = TwinKey(THEIRS, lab.seam.now())
    touched(lab, broke=True)
    lab.seam.t += 400
    assert lab.run(named=True).why == "foreign_change"
    assert "--retire" in lab.run(Adopt(credential=theirs("key-human")), named=True).fix
    lab.run(Adopt(credential=theirs("key-human"), retire="key-1"), named=True)
    for _ in range(3):
        lab.seam.t += 1_500
        lab.run(named=True)
    assert living(lab) == ["key-human"]


def test_a_locked_user_that_a_human_took_before_it_was_proven_dead_is_not_written_over():
    lab = rotated("alternating")
    lab.at(12_300)
    lab.run(plan=fault_at("write record REVOKE", Fault.CRASH_AFTER, 2))
    assert lab.record().previous.revoked
    lab.system.users["app_a"] = TwinUser([THEIRS], enabled=True)
    lab.oracle.strangers.add(("app_a", THEIRS))
    touched(lab)
    lab.at(20_100)
    result = lab.run(named=True)
    assert (result.why, "app_a" in result.message) == ("check", True)
    assert lab.system.users["app_a"].secrets == [THEIRS]


def test_an_old_key_that_is_gone_keeps_no_other_from_being_retired():
    """Two slots; the restored record calls one current that a later rotation has switched off, and one the old one that is gone."""
    lab = rotated("issue, two slots")
    old = lab.truth.shelf.records[PATH][1]
    for seconds in (12_300, 12_700, 20_010, 22_300):
        lab.at(seconds)
        lab.run()
    later = what_get_shows(lab)
    restored(lab, old)
    lab.at(22_400)
    assert lab.run(named=True).why == "foreign_change"
    assert "--retire" in lab.run(Adopt(credential=later), named=True).fix
    assert lab.run(Adopt(credential=later, retire="key-1"), named=True).why == "grace"
    for _ in range(3):
        lab.seam.t += 1_500
        lab.run()
    assert list(lab.system.keys) == [later.name]
