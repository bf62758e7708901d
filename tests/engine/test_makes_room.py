"""What stands in the way of a new one goes, or is named: an old one beside an expired current, a key that nobody knows."""

import json
from dataclasses import replace

import pytest
from expiring import LIFE, in_grace, until
from labs import ISSUE, LABEL, at_rest, before, fault_at, names, rotated, touched, with_target

from rotator.errors import Exit, Unfit
from rotator.model import Credential, Secret
from rotator.record import Hold
from rotator.rotate import Adopt, Compromise, Resolve
from rotator.testing.faults import Fault
from rotator.testing.lab import PATH, EverySlot, Lab, in_memory
from rotator.testing.twins import CONNECTION, TwinIssue, TwinIssueSettings, TwinKey

SECRET = "late-secret-0123456789-0123456789"


def leaked_old_one(shape):
    """Current has expired, and the old one, which leaked, lives."""
    lab = in_grace(shape, when=EverySlot(1e9))
    record = lab.record()
    lab.truth.write(PATH, record.but(compromised=frozenset({record.previous.id}), writes=("by hand",)))
    until(lab, lab.seam.t + 50_000)
    return lab


@pytest.mark.parametrize("shape", ISSUE)
def test_beside_an_expired_current_a_leaked_old_one_that_works_serves_until_a_new_one_is_shown(shape):
    lab = leaked_old_one(shape)
    result = lab.run(named=True)
    done = names(result)
    assert done.index("UNDO") < done.index("RESERVE")
    assert lab.shown("env") in lab.system.living()
    assert (result.exit, "key-0" in lab.system.keys) == (Exit.DONE, False)


@pytest.mark.parametrize("shape", ISSUE)
def test_beside_an_expired_current_a_leaked_old_one_that_is_dead_makes_room(shape):
    lab = leaked_old_one(shape)
    del lab.system.keys["key-0"]
    lab.oracle.living = lab.system.living()
    result = lab.run(named=True)
    assert names(result)[:5] == ["UNDO", "REVOKE", "REVOKE", "CONFIRM", "RESERVE"]
    assert (result.exit, lab.shown("env") in lab.system.living()) == (Exit.DONE, True)


def test_what_is_shown_already_where_nobody_can_read_is_not_written_again_after_a_look_that_failed():
    lab = Lab("alternating", in_memory(), attested=True)
    lab.oracle.start()
    lab.run(Adopt(credential=lab.first))
    before, writes = lab.record().marks, lab.storage.env.writes
    lab.run(plan=fault_at("read mark", Fault.ERROR))
    assert (lab.storage.env.writes, lab.record().marks["env"].told) == (writes, before["env"].told)
    assert lab.record().marks["env"].writing is None


def test_a_back_off_names_the_key_that_nobody_knows():
    lab = Lab("issue, two slots", in_memory(), attested=True)
    lab.oracle.start()
    lab.run(Adopt(credential=lab.first))
    lab.at(10_010)
    lab.run(plan=fault_at("mint", Fault.CRASH_AFTER))
    lab.seam.t += 400
    lab.storage.env.values["env"] = '{"fields": {"USER": "somebody", "PASSWORD": "else"}}'
    assert lab.run(Resolve(overwrite=frozenset({"env"})), named=True).exit is Exit.FAILED
    waits = lab.run()
    assert (waits.why, "key-1" in waits.message) == ("not_before", True)
    assert lab.run(Resolve(revoke="key-1", overwrite=frozenset({"env"})), named=True).exit in (Exit.DONE, Exit.UNPROVEN)
    assert "key-1" not in lab.system.keys


def test_a_dry_run_of_a_leak_foresees_the_end_of_an_orphan():
    lab = at_rest("issue, labels")
    lab.system.keys["key-late"] = TwinKey(SECRET, lab.seam.now(), label=LABEL)
    assert [str(each.name) for each in lab.dry(Compromise()).steps][:3] == ["SWEEP", "SWEEP", "RESERVE"]


def test_what_is_let_in_and_unfit_is_alive_to_an_adoption():
    lab = rotated("issue, labels")
    current = lab.record().current.credential

    def unfit(_self, credential):
        assert credential.name == current.name
        raise Unfit("let in, and may do nothing")

    given = Credential(name="key-0", secret=Secret(lab.first.secret.reveal()))
    result = with_target(lab, verify=unfit).run(Adopt(credential=given, retire=current.name), named=True)
    assert result.why == "refused"
    assert current.name in lab.system.keys


def test_whatever_ends_a_run_its_last_words_name_a_key_that_nobody_knows():
    lab = at_rest("issue, two slots")
    lab.system.keys["key-lost"] = TwinKey("a-secret-that-nobody-has-0123456789", lab.seam.now())
    lab.somebody_writes('{"fields": {"USER": "somebody", "PASSWORD": "else"}}')
    touched(lab)
    result = lab.run()
    assert (result.exit, result.why) == (Exit.HUMAN, "foreign_change of place")
    assert result.message.endswith("; nobody knows key-lost")


def spent_orphan(plan=None):
    """Current has expired, beside an orphan with our label whose grace and soak are over: nobody looked for days."""
    lab = in_grace("issue, labels", when=EverySlot(1e9))
    for seconds in (1_200, 400):
        lab.seam.t += seconds
        lab.run()
    lab.system.keys["key-late"] = TwinKey(SECRET, lab.seam.now(), label=LABEL)
    touched(lab)
    lab.run(plan=plan)
    assert lab.record().previous.orphan
    late = lab.system.keys["key-late"]
    until(lab, lab.seam.t + 3 * 86_400)
    lab.system.keys["key-late"] = late  # it lives longer than those of today
    touched(lab, broke=True)
    return lab


@pytest.mark.parametrize("plan", [None, fault_at("write record SWEEP", Fault.CRASH_AFTER)], ids=["in time", "killed"])
def test_an_orphan_whose_time_is_over_makes_room_for_what_replaces_an_expired_current(plan):
    lab = spent_orphan(plan)
    result = lab.run(named=True)
    assert names(result)[1:5] == ["REVOKE", "REVOKE", "CONFIRM", "RESERVE"]
    assert (result.exit, lab.system.living()) == (Exit.DONE, {lab.shown("env")})


def test_an_orphan_that_a_place_may_show_makes_no_room():
    lab = spent_orphan()
    lab.somebody_writes(json.dumps({"fields": {"USER": "key-late", "PASSWORD": SECRET}}))
    touched(lab)
    result = lab.run(named=True)
    assert (result.exit, result.why, "REVOKE" in names(result)) == (Exit.HUMAN, "expired", False)
    assert "key-late" in lab.system.keys


def test_an_orphan_that_comes_to_be_shown_in_mid_run_makes_no_room():
    lab = spent_orphan()
    somebody = before("write record CLAIM", lambda: lab.somebody_writes(json.dumps({"fields": {"USER": "key-late", "PASSWORD": SECRET}})))
    result = lab.run(plan=somebody, named=True)
    assert (result.exit, result.why, "key-late" in lab.system.keys) == (Exit.HUMAN, "foreign_change of place", True)


@pytest.mark.parametrize("why", ["hold", "retire"])
def test_an_orphan_that_is_held_or_that_nothing_replaces_makes_no_room(why):
    lab = spent_orphan()
    if why == "hold":
        known = lab.record().but(hold=Hold("somebody", "an audit", lab.seam.now() + 5_000), writes=("by hand",))
        lab.truth.write(PATH, known)
        lab.oracle.seen = lab.record()
    else:
        lab.spec = replace(lab.spec, retire=True)
    result = lab.run(named=True)
    assert (result.exit, "key-late" in lab.system.keys) == (Exit.HUMAN, True)


def test_an_orphan_that_somebody_uses_makes_no_room():
    lab = spent_orphan()
    settings = TwinIssueSettings(labels=True, max_live=0, lifetime=LIFE, tells_use=True)
    lab.target = lambda runtime: TwinIssue(CONNECTION, settings, runtime, lab.system)
    lab.system.keys["key-late"].last_used = lab.seam.now() - 5
    result = lab.run(named=True)
    assert (result.exit, result.why, "key-late" in lab.system.keys) == (Exit.HUMAN, "expired", True)


@pytest.mark.parametrize("shown", [False, True])
def test_an_old_one_whose_end_is_written_down_makes_room_unless_a_place_shows_it_again(shown):
    lab = in_grace("issue, labels", when=EverySlot(1e9))
    lab.seam.t += 1_200
    lab.run()
    lab.seam.t += 400
    assert lab.run(plan=fault_at("revoke", Fault.CRASH_BEFORE)) == "crashed"
    until(lab, lab.seam.t + 50_000)
    lab.system.keys["key-0"].enabled = True
    if shown:
        lab.somebody_writes(json.dumps({"fields": {"USER": "key-0", "PASSWORD": lab.first.secret.reveal()}}))
    touched(lab, broke=True)
    result = lab.run(named=True)
    assert (result.exit, "key-0" in lab.system.keys) == ((Exit.HUMAN, True) if shown else (Exit.DONE, False))
    assert not shown or lab.shown("env")[0] == "key-0"
