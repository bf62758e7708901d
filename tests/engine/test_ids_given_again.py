"""A provider may give the id of a dead key again: an id in the record's past says nothing about what lives."""

import pytest
from labs import ISSUE, at_rest, before, due, fault_at, living, rotated, touched

from rotator.errors import Exit
from rotator.rotate import Resolve, RunResult, Undo
from rotator.testing.faults import Fault
from rotator.testing.twins import TwinKey


def gone_back(shape):
    """A lab whose newest key has been taken back and is dead; its id is the next one's."""
    lab = rotated(shape)
    lab.system.reuses = True
    dead = lab.record().current.credential.name
    lab.seam.t += 10
    lab.run(Undo(), named=True)
    for wait in (1_100, 400):
        lab.seam.t += wait
        lab.run()
    assert dead not in living(lab)
    assert dead in [each.credential.name for each in lab.record().tombstones]
    assert lab.system.next_id() == dead
    return lab, dead


@pytest.mark.parametrize("shape", ISSUE)
@pytest.mark.parametrize("fault", [Fault.CRASH_AFTER, Fault.TIMEOUT])
def test_a_lost_key_that_has_the_id_of_a_dead_one_is_revoked_before_another_is_minted(shape, fault):
    lab, _dead = gone_back(shape)
    lab.seam.t += 20_000
    lab.run(plan=fault_at("mint", fault))
    result = lab.run()
    assert isinstance(result, RunResult)
    assert (result.exit, result.why) == (Exit.DONE, "grace")
    record = lab.record()
    assert living(lab) == sorted(each.credential.name for each in (record.current, record.previous))
    assert lab.oracle.violations == []


def test_a_key_that_no_list_shows_yet_is_taken_back_though_it_has_the_id_of_a_dead_one():
    lab, dead = gone_back("issue, labels")
    lab.system.lag = 5_000.0
    lab.seam.t += 20_000
    begun = lab.seam.t

    def faster():
        lab.seam.t = begun + 400
        assert lab.run(home="elsewhere").exit is Exit.DONE
        lab.seam.t = begun + 20

    assert lab.run(plan=before("write record ISSUE", faster)).why == "conflict"
    assert living(lab) == sorted(["key-0", lab.record().current.credential.name])
    assert dead not in living(lab)


def test_a_stranger_s_key_that_has_the_id_of_a_dead_one_is_revoked_where_a_human_says_so():
    lab, dead = gone_back("issue, two slots")
    lab.system.keys[dead] = TwinKey("a-secret-of-a-human-0123456789", lab.seam.now())
    touched(lab)
    assert lab.run().why == "orphan.suspect"
    assert lab.run(Resolve(revoke=dead)).exit is Exit.DONE
    assert dead not in living(lab)


def accepted_and_gone(shape):
    """A lab that knows of somebody's key, which its owner has deleted since; its id is the next one's."""
    lab = at_rest(shape)
    lab.system.reuses = True
    theirs = lab.system.next_id()
    lab.system.keys[theirs] = TwinKey("a-secret-of-a-human-0123456789", lab.seam.now())
    touched(lab)
    assert lab.run(Resolve(accept=theirs)).exit is Exit.DONE
    del lab.system.keys[theirs]
    touched(lab)
    assert lab.system.next_id() == theirs
    lab.seam.t += 20_000
    return lab, theirs


@pytest.mark.parametrize("fault", [Fault.CRASH_AFTER, Fault.TIMEOUT])
def test_a_lost_key_that_has_the_id_of_an_accepted_one_is_revoked_before_another_is_minted(fault):
    lab, theirs = accepted_and_gone("issue, labels")
    lab.run(plan=fault_at("mint", fault))
    assert lab.run().why == "grace"
    record = lab.record()
    assert living(lab) == sorted(each.credential.name for each in (record.current, record.previous))
    assert theirs not in record.base
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", ISSUE)
def test_an_id_that_we_were_given_is_accepted_no_more(shape):
    lab, theirs = accepted_and_gone(shape)
    assert lab.run().why == "grace"
    record = lab.record()
    assert (record.current.credential.name, record.base) == (theirs, frozenset())


def test_a_lost_key_that_a_human_accepts_is_left_alone():
    lab = due("issue, labels")
    lab.run(plan=fault_at("mint", Fault.CRASH_AFTER))
    lost = next(each for each in living(lab) if each != "key-0")
    assert lab.run(Resolve(accept=lost)).exit is Exit.DONE
    lab.run()
    assert lost in living(lab)
    assert lost in lab.record().base


def test_an_accepted_key_that_is_still_there_stays_accepted_over_a_rotation():
    lab = at_rest("issue, labels")
    lab.system.keys["key-theirs"] = TwinKey("a-secret-of-a-human-0123456789", lab.seam.now())
    touched(lab)
    assert lab.run(Resolve(accept="key-theirs")).exit is Exit.DONE
    for wait in (20_000, 1_900, 400):
        lab.seam.t += wait
        last = lab.run()
    assert (last.why, lab.record().base) == ("at rest", {"key-theirs"})
    assert "key-theirs" in living(lab)
