"""Where nothing that anybody knows works any more, a first rotation begins anew: only then, and nothing of ours lives on unknown."""

import pytest
from labs import GRACE, ISSUE, SET, THEIRS, at_rest, broken, crash_at, due, living, rotated

from rotator.errors import Exit
from rotator.rotate import Adopt, Compromise, Undo
from rotator.testing.lab import Lab, in_memory
from rotator.testing.oracle import login
from rotator.testing.twins import TwinKey

NEW = Adopt(new=True)


def ends(lab, times=5):
    """Time passes until nothing is left to do; the last result."""
    for _ in range(times):
        lab.seam.t += 1500
        last = lab.run()
    return last


def held(lab):
    """All that the record knows as a login."""
    return {login(each) for each in lab.record().known()}


# ---- allowed


def test_where_current_works_no_more_the_way_out_is_named_and_leads_out(shape):
    lab = broken(at_rest(shape))
    lost = lab.run(named=True)
    assert (lost.why, "rotator adopt orders-db --new" in lost.fix.format(spec="orders-db")) == ("foreign_change", True)
    result = lab.run(NEW, named=True)
    assert result.exit is Exit.DONE, result
    current = login(lab.record().current.credential)
    assert current in lab.system.living()
    assert lab.shown("env") == lab.shown("local") == current
    assert lab.record().base == frozenset()


def test_what_died_is_watched_over_and_what_a_human_has_is_left_alone(shape):
    lab = at_rest(shape)
    dead = lab.record().current.credential
    broken(lab).run(NEW, named=True)
    assert any(each.credential.same(dead) for each in lab.record().tombstones)
    assert lab.record().pending is None
    last = ends(lab)
    assert (last.exit, last.why) in ((Exit.DONE, "at rest"), (Exit.FAILED, "check"))
    if shape == "alternating":
        assert lab.system.users[dead.name].secrets == [THEIRS]
    elif shape in ISSUE:
        assert living(lab) == [lab.record().current.credential.name]


@pytest.mark.parametrize("shape", ISSUE)
def test_where_a_rotation_was_going_on_its_key_is_not_taken_for_somebody_else_s(shape):
    lab = due(shape)
    lab.run(plan=crash_at("write record ISSUE"))
    orphan = next(each for each in living(lab) if each != "key-0")
    broken(lab)
    lab.seam.t += 400
    result = lab.run(NEW, named=True)
    assert result.exit in (Exit.DONE, Exit.HUMAN), result
    assert orphan not in lab.record().base
    assert lab.record().current.credential.name in living(lab)
    if shape == "issue, labels":
        ends(lab)
        assert living(lab) == [lab.record().current.credential.name]


def test_an_old_key_with_our_label_that_no_record_knows_is_not_taken_for_somebody_else_s():
    lab = at_rest("issue, labels")
    lab.system.keys["key-lost"] = TwinKey(THEIRS, lab.seam.now(), label=lab.system.keys["key-1"].label)
    lab.system.keys["key-human"] = TwinKey("of-a-human-0123456789-0123456789-0", lab.seam.now(), label="by hand")
    broken(lab).run(NEW, named=True)
    assert lab.record().base == {"key-human"}
    ends(lab)
    assert living(lab) == sorted(["key-human", lab.record().current.credential.name])


def test_an_old_key_that_is_gone_is_in_nobody_s_way():
    lab = Lab("issue, labels", in_memory())
    lab.system.keys["key-other"] = TwinKey(THEIRS, lab.seam.now())
    lab.oracle.start()
    lab.run(Adopt(credential=lab.first, retire="key-other"))
    del lab.system.keys["key-other"]
    lab.seam.t += 100
    result = broken(lab).run(NEW, named=True)
    assert (result.exit, living(lab)) == (Exit.DONE, [lab.record().current.credential.name])


@pytest.mark.parametrize("shape", SET)
@pytest.mark.parametrize("effect", ["set secret", "write record PROMOTE", "publish"])
def test_cut_off_in_the_middle_it_goes_on(shape, effect):
    lab = broken(at_rest(shape))
    lab.run(NEW, named=True, plan=crash_at(effect))
    lab.seam.t += 400
    assert lab.run(named=True).exit is Exit.DONE
    assert lab.shown("env") == login(lab.record().current.credential)
    assert lab.shown("env") in lab.system.living()


# ---- refused


def test_while_current_works_it_is_refused(shape):
    lab = at_rest(shape)
    before = lab.system.living()
    result = lab.run(NEW, named=True)
    assert (result.why, "works" in result.message, "rotator run orders-db --force" in (result.fix or "")) == ("refused", True, True)
    assert (lab.system.living(), lab.oracle.violations) == (before, [])


@pytest.mark.parametrize("shape", GRACE)
def test_while_the_old_one_works_it_is_refused_and_undo_leads_out(shape):
    lab = broken(rotated(shape))
    before = lab.system.living()
    result = lab.run(NEW, named=True)
    assert (result.why, "undo it" in result.message) == ("refused", True)
    assert lab.system.living() == before
    assert lab.run(Undo(), named=True).exit is not Exit.FAILED
    assert lab.shown("env") == login(lab.first)


def test_while_an_old_key_lives_whose_secret_nobody_knows_it_is_refused():
    lab = Lab("issue, labels", in_memory())
    lab.system.keys["key-other"] = TwinKey(THEIRS, lab.seam.now())
    lab.oracle.start()
    lab.run(Adopt(credential=lab.first, retire="key-other"))
    assert broken(lab).run(NEW, named=True).why == "refused"
    assert living(lab) == ["key-other"]


@pytest.mark.parametrize("effect", ["set secret", "write record PROMOTE"])
@pytest.mark.parametrize("shape", SET)
def test_while_a_first_rotation_is_unfinished_it_is_refused(shape, effect):
    lab = Lab(shape, in_memory())
    lab.oracle.start()
    lab.oracle.human_broke_current = True
    lab.run(NEW, named=True, plan=crash_at(effect))
    pending = lab.record().pending.id
    result = lab.run(NEW, named=True)
    assert (result.why, lab.record().pending.id) == ("refused", pending)
    assert lab.run(named=True).exit is Exit.DONE


def test_while_the_new_one_of_a_rotation_works_it_is_refused_and_the_run_goes_on(shape):
    lab = due(shape)
    lab.run(plan=crash_at("write record PROMOTE"))
    if shape != "in place":
        broken(lab)
    lab.seam.t += 400
    assert lab.run(NEW, named=True).why == "refused"
    assert lab.run(named=True).exit is Exit.DONE
    assert lab.shown("env") in lab.system.living()


# ---- what leaked, or was being ended, is not forgotten


@pytest.mark.parametrize("shape", GRACE)
def test_an_old_one_that_leaked_does_not_live_on(shape):
    lab = rotated(shape)
    lab.run(Compromise("previous"), named=True, plan=crash_at("revoke"))
    old = login(lab.first)
    assert old in lab.system.living()
    broken(lab)
    lab.seam.t += 400
    lab.run(NEW, named=True)
    assert old not in lab.system.living() or old in held(lab)
    ends(lab, 2)
    assert old not in lab.system.living()


def test_a_second_user_that_leaked_does_not_live_on_while_the_first_one_is_taken_anew():
    lab = at_rest("alternating")
    lab.at(20_010)
    lab.run()
    old = login(lab.record().previous.credential)
    lab.seam.t += 100
    lab.run(Compromise("previous"), named=True, plan=crash_at("revoke"))
    assert (old[0], old in lab.system.living()) == ("app_b", True)
    broken(lab)
    lab.seam.t += 400
    lab.run(NEW, named=True)
    ends(lab, 2)
    assert lab.record().current.credential.name == "app_a"
    assert old not in lab.system.living()


@pytest.mark.parametrize("shape", GRACE)
def test_an_old_one_whose_end_had_begun_does_not_live_on_unknown(shape):
    lab = rotated(shape)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        if lab.run(plan=crash_at("revoke")) == "crashed":
            break
    assert lab.record().previous.revoke_intent
    old = lab.first.name
    broken(lab)
    lab.seam.t += 400
    lab.run(NEW, named=True)
    known = {each.name for each in lab.record().known()}
    gone = old not in lab.system.keys if shape in ISSUE else login(lab.first) not in lab.system.living()
    assert gone or old in known


def test_no_mark_of_a_leak_outlives_what_it_was_about(shape):
    lab = at_rest(shape)
    lab.system.refuses = True
    lab.run(Compromise("current"), named=True)
    lab.system.refuses = False
    assert lab.record().compromised
    broken(lab).run(NEW, named=True)
    ends(lab)
    assert lab.record().compromised == frozenset()
