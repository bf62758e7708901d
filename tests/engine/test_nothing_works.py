"""Nothing works that anybody knows: each message names a command that is not refused, and nothing that consumers may hold dies before."""

from labs import THEIRS, at_rest, crash_at, due, living, restored, theirs, touched

from rotator.errors import Exit
from rotator.rotate import Adopt, Compromise, Resolve
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.lab import PATH
from rotator.testing.twins import TwinKey


def gone(lab, *names):
    """Somebody has deleted these keys."""
    for each in names:
        del lab.system.keys[each]
    touched(lab, broke=True)
    return lab


def a_human_makes(lab, name="key-human"):
    lab.system.keys[name] = TwinKey(THEIRS, lab.seam.now())
    lab.oracle.living = lab.system.living()
    return theirs(name)


def with_an_old_one_that_nobody_can_show():
    """A key was taken over with `--retire`: its id is all that is known. Then somebody deletes current."""
    lab = due("issue, labels")
    a_human_makes(lab)
    assert lab.run(Adopt(credential=lab.first, retire="key-human"), named=True).exit is Exit.DONE
    return gone(lab, "key-0")


def test_no_new_one_is_made_while_consumers_may_have_an_old_one_whose_secret_nobody_knows():
    lab = with_an_old_one_that_nobody_can_show()
    result = lab.run(Adopt(new=True), named=True)
    assert (result.why, "key-human lives" in result.message) == ("refused", True)
    assert all(each in result.fix for each in ("--from", "delete it there", "--new"))
    assert living(lab) == ["key-human"]


def test_an_id_that_is_a_secret_is_not_told_where_no_new_one_is_made():
    lab = due("issue, labels")
    secret = lab.first.secret.reveal()
    a_human_makes(lab, secret)
    assert lab.run(Adopt(credential=lab.first, retire=secret), named=True).exit is Exit.DONE
    result = gone(lab, "key-0").run(Adopt(new=True), named=True)
    assert (result.why, secret in repr(result)) == ("refused", False)


def test_once_such_an_old_one_is_deleted_a_new_one_is_made():
    lab = gone(with_an_old_one_that_nobody_can_show(), "key-human")
    assert lab.run(Adopt(new=True), named=True).exit is Exit.DONE
    assert lab.shown("local") == lab.shown("env") in lab.system.living()


def test_who_finds_the_secret_of_such_an_old_one_adopts_it():
    lab = with_an_old_one_that_nobody_can_show()
    assert lab.run(Adopt(credential=theirs("key-human")), named=True).exit is Exit.DONE
    assert lab.shown("local") == lab.shown("env") == ("key-human", THEIRS)


def stuck_between_two_dead_ones():
    """Both slots are taken by what works no more: current was deleted, and the new one, which nobody had proven yet, expires meanwhile."""
    lab = due("issue, two slots", lifetime=9_000.0)
    lab.run(plan=crash_at("login", 2))
    pending = lab.record().pending.credential.name
    gone(lab, "key-0")
    lab.seam.t += 20_000
    lab.oracle.expire()
    return lab, pending, a_human_makes(lab)


def test_an_expired_new_one_gives_its_slot_to_a_rotation_from_what_a_human_made():
    lab, pending, made = stuck_between_two_dead_ones()
    result = lab.run(Adopt(credential=made, retire=pending), named=True)
    assert (result.exit, result.why) == (Exit.DONE, "grace")
    assert lab.record().previous.credential.name == pending
    for seconds in (2_100, 400):
        lab.seam.t += seconds
        result = lab.run()
    assert (result.why, lab.system.keys.keys()) == ("at rest", {"key-human"})


def test_another_key_is_not_retired_beside_an_expired_new_one_and_the_message_says_what_is_possible():
    lab, _, made = stuck_between_two_dead_ones()
    lab.system.keys["key-other"] = TwinKey(THEIRS, lab.seam.now())
    result = lab.run(Adopt(credential=made, retire="key-other"), named=True)
    assert (result.why, "leave out --retire" in result.fix) == ("refused", True)
    assert "key-other" in lab.system.keys


def test_a_new_one_that_works_still_keeps_another_from_being_retired():
    lab = due("issue, labels")
    lab.run(plan=crash_at("login", 2))
    pending = lab.record().pending.credential.name
    gone(lab, "key-0")
    result = lab.run(Adopt(credential=a_human_makes(lab), retire=pending), named=True)
    assert (result.why, "let it end" in result.message) == ("refused", True)
    assert pending in living(lab)


def test_where_an_accepted_key_has_the_last_slot_it_is_named_with_what_frees_it():
    lab = at_rest("issue, two slots")
    a_human_makes(lab)
    lab.run(Resolve(accept="key-human"), named=True)
    result = lab.run(Compromise(), named=True)
    fix = result.fix or "none"
    assert ("no free slot" in result.message, "key-human" in fix, "delete there" in fix) == (True, True, True)


def leaked_after_a_restore():
    """The record is from before the last rotation, and what it calls current leaked; the places show what is newer."""
    lab = due("issue, labels")
    before = lab.truth.shelf.records[PATH][1]
    lab.run()
    restored(lab, before)
    assert lab.run(Compromise(), named=True).why == "orphan.suspect"
    return lab, lab.shown("env")


def test_an_orphan_that_a_place_shows_lives_until_the_place_shows_the_next_one():
    lab, shown = leaked_after_a_restore()
    result = lab.run(Resolve(overwrite=frozenset({"env", "local"})), named=True)
    assert (result.exit, lab.shown("env") != shown) == (Exit.DONE, True)
    assert [each for each in lab.oracle.violations if each.startswith("I2:")] == []


def test_where_the_next_one_cannot_be_made_such_an_orphan_stays_alive():
    lab, shown = leaked_after_a_restore()
    lab.run(Resolve(overwrite=frozenset({"env", "local"})), named=True, plan=refused_mints())
    assert shown in lab.system.living()


def refused_mints():
    """The provider makes no new one."""

    class Refused(FaultPlan):
        def effect(self, name, kind, call):
            if name == "mint":
                self.plan[self.count + 1] = Fault.DENIED
            return super().effect(name, kind, call)

    return Refused({})
