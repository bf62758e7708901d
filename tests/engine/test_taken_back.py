"""What is taken back, and what is not: the last one that works stays, and one that was given up is in nobody's way."""

from dataclasses import replace

import pytest
from labs import GRACE, THEIRS, broken, crash_at, due, names, rotated, touched

from rotator.errors import Exit
from rotator.rotate import Adopt, Compromise, Undo
from rotator.testing.oracle import login
from rotator.testing.twins import TwinKey

# ---- an undo that was done


@pytest.mark.parametrize("shape", GRACE)
def test_an_undo_may_be_undone_where_what_it_went_back_to_works_no_more(shape):
    lab = rotated(shape)
    newer = login(lab.record().current.credential)
    lab.run(Undo(), named=True)
    lab.seam.t += 60
    refused = lab.run(Undo(), named=True)
    assert (refused.why, "gone back already" in refused.message) == ("refused", True)
    broken(lab)
    result = lab.run(Undo(), named=True)
    assert ("UNDO" in names(result), result.exit) == (True, Exit.DONE)
    assert lab.shown("env") == lab.shown("local") == newer
    assert newer in lab.system.living()


# ---- what the new one of a rotation is worth where current is dead


@pytest.mark.parametrize("command", [Undo(), Compromise("pending")])
@pytest.mark.parametrize("shape", GRACE)
def test_the_only_one_that_works_is_not_taken_back(shape, command):
    lab = due(shape)
    lab.run(plan=crash_at("write record PROMOTE"))
    broken(lab)
    new = login(lab.record().pending.credential)
    lab.seam.t += 400
    result = lab.run(command, named=True)
    assert (result.exit, result.why, "current does not work any more" in result.message) == (Exit.FAILED, "refused", True)
    assert new in lab.system.living()
    assert lab.run(named=True).exit is Exit.DONE
    assert lab.shown("env") == new


@pytest.mark.parametrize("shape", GRACE)
def test_one_that_is_being_taken_back_stays_where_current_has_stopped_working_meanwhile(shape):
    lab = due(shape)
    lab.run(plan=crash_at("write record PROMOTE"))
    lab.seam.t += 400
    lab.run(Undo(), named=True, plan=crash_at("revoke"))
    assert lab.record().pending.failed
    new = login(lab.record().pending.credential)
    broken(lab)
    lab.seam.t += 400
    assert lab.run(named=True).exit is not Exit.DONE
    assert new in lab.system.living()


@pytest.mark.parametrize("shape", ["overlapping", "issue, labels"])
@pytest.mark.parametrize("command", [Undo(), Compromise("pending")])
def test_one_that_is_given_up_is_in_the_way_of_no_adoption(shape, command):
    lab = due(shape)
    lab.run(plan=crash_at("write record PROMOTE"))
    lab.seam.t += 400
    lab.run(command, named=True, plan=crash_at("revoke"))
    given_up, current = lab.record().pending.credential, lab.record().current.credential
    if shape == "overlapping":
        lab.system.users["app"].secrets = [THEIRS, given_up.secret.reveal()]
    else:
        lab.system.keys.pop(current.name)
        lab.system.keys["key-human"] = TwinKey(THEIRS, lab.seam.now())
    touched(lab, broke=True)
    lab.seam.t += 400
    theirs = replace(current, name="app" if shape == "overlapping" else "key-human", secret=type(current.secret)(THEIRS))
    result = lab.run(Adopt(credential=theirs, take_second=shape == "overlapping"), named=True)
    assert (result.exit, lab.record().current.credential.same(theirs)) == (Exit.DONE, True)
    lab.seam.t += 60
    lab.run(named=True)
    assert login(given_up) not in lab.system.living()
