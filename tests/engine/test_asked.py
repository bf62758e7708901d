"""What a human asked is done, or said not to be: leaks, undos, holds, decisions; and nothing is written over or killed unseen."""

from dataclasses import replace

import pytest
from labs import THEIRS, at_rest, crash_at, due, living, rotated

from rotator.errors import Exit
from rotator.rotate import Adopt, Compromise, HoldUntil, Resolve, Undo
from rotator.testing.lab import PATH, Lab, in_memory
from rotator.testing.twins import TwinKey


def unreadable_once(lab):
    """The first read of the place gets no answer."""
    made, reads = lab.storage.place, []

    def place(runtime):
        one = made(runtime)
        read = one.published

        def published(where):
            reads.append(where)
            if len(reads) == 1:
                raise TimeoutError
            return read(where)

        one.published = published
        return one

    lab.storage.place = place


def test_a_leak_that_cannot_be_rotated_away_yet_is_not_called_done():
    lab = at_rest("alternating")
    lab.spec = replace(lab.spec, retire=True)
    result = lab.run(Compromise(), named=True)
    assert (result.exit, result.why) == (Exit.UNPROVEN, "leaked")
    lab = Lab("issue, two slots", in_memory())
    lab.system.keys["key-old"] = TwinKey("another-secret-0123456789-0123456789", lab.seam.now())
    lab.oracle.start()
    lab.run(Adopt(credential=lab.first, retire="key-old"), named=True)
    result = lab.run(Compromise(), named=True)
    assert (result.exit, "--version previous" in result.fix) == (Exit.UNPROVEN, True)
    assert lab.run(Compromise("previous"), named=True).why in ("at rest", "grace")
    assert "key-0" not in living(lab)


@pytest.mark.parametrize("command", [Compromise(), HoldUntil("month end", 5000), Undo()])
def test_a_command_that_is_not_in_the_record_is_to_be_given_again(command):
    lab = rotated("alternating")
    made = lab.target

    def target(runtime):
        one = made(runtime)
        one.check = lambda *_: (_ for _ in ()).throw(RuntimeError("no"))
        return one

    lab.target = target
    result = lab.run(command, named=True)
    assert result.exit is Exit.FAILED
    assert (result.fix or "").endswith("give the same command again: nothing of it was kept")
    lab.target = made
    assert "again" not in (lab.run(named=True).fix or "")


def test_a_hold_ends_with_the_old_one_that_it_held():
    lab = rotated("alternating")
    lab.run(HoldUntil("an audit", 1_000_000), named=True)
    lab.run(Compromise("previous"), named=True)
    assert lab.record().hold is None
    lab.at(20_020)
    assert lab.run().why == "grace"
    lab.run(HoldUntil("an audit", 1_000_000), named=True)
    lab.run(Undo(), named=True)
    assert lab.record().hold is None


def test_a_leaked_old_one_is_not_gone_back_to():
    lab = rotated("alternating")
    lab.storage.env.down = True
    lab.run(Compromise("previous"), named=True)
    lab.storage.env.down = False
    assert lab.run(Undo(), named=True).why == "refused"


def test_a_place_that_could_not_be_read_is_read_before_it_is_written():
    lab = at_rest("alternating")
    lab.storage.env.values["env"] = '{"fields": {"USER": "somebody", "PASSWORD": "else"}}'
    unreadable_once(lab)
    result = lab.run(named=True)
    assert (result.exit, result.why) == (Exit.HUMAN, "foreign_change of place")
    assert "none of ours" in result.message
    assert lab.shown("env") == ("somebody", "else")


def two_suspects():
    """A mint whose answer was lost, and a human's key made at the same time."""
    lab = Lab("issue, two slots", in_memory())
    lab.adopt()
    lab.system.slots = 9
    lab.at(10_010)
    lab.run(plan=crash_at("write record ISSUE"))
    lab.system.keys["key-human"] = TwinKey(THEIRS, lab.seam.now())
    lab.oracle.living = lab.system.living()
    return lab


@pytest.mark.parametrize("how", ["accept", "revoke"])
def test_to_decide_about_one_suspect_decides_nothing_about_another(how):
    lab = two_suspects()
    assert lab.run(named=True).why == "orphan.suspect"
    orphan = next(each for each in living(lab) if each not in ("key-0", "key-human"))
    lab.run(Resolve(**{"accept": "key-human"} if how == "accept" else {"revoke": orphan}), named=True)
    assert "key-human" in living(lab)
    assert lab.oracle.violations == []


def test_to_go_back_twice_is_to_go_back_once():
    lab = rotated("alternating")
    bad = lab.record().current.id
    lab.storage.env.down = True
    assert lab.run(Undo(), named=True).why == "open place"
    lab.storage.env.down = False
    result = lab.run(Undo(), named=True)
    assert (result.why, "rotator run" in (result.fix or "")) == ("refused", True)
    assert lab.run(named=True).exit is Exit.DONE
    assert lab.record().previous.id == bad


def test_with_a_record_of_yesterday_nothing_is_killed_that_a_place_may_show():
    lab = Lab("issue, labels", in_memory())
    lab.adopt()
    lab.at(10_010)
    yesterday = lab.record()
    lab.run()
    shown = lab.shown("env")[0]
    lab.truth.write(PATH, yesterday.but(revision=lab.record().revision))
    lab.oracle.living = lab.system.living()
    for command in (None, Compromise(), Resolve(revoke=shown)):
        lab.run(command, named=True)
        assert shown in living(lab)


def test_a_leaked_old_one_is_not_held():
    lab = rotated("alternating")
    lab.storage.env.down = True
    lab.run(Compromise("previous"), named=True)
    assert lab.run(HoldUntil("an audit", 1000), named=True).why == "refused"


def test_an_undo_that_was_stopped_before_it_began_says_so():
    lab = rotated("alternating")
    result = lab.run(Undo(), named=True, stop=lambda: True)
    assert (result.exit, result.why, result.fix) == (Exit.FAILED, "not begun", "give the same command again")
    assert lab.run(Undo(), named=True).exit is Exit.DONE


def test_a_leak_whose_earlier_one_is_refused_is_rotated_forward():
    lab = rotated("alternating")
    leaked, old = lab.record().current.credential, lab.record().previous.credential
    lab.system.users[old.name].secrets.clear()
    lab.oracle.living = lab.system.living()
    assert lab.run(Compromise(), named=True).exit is Exit.DONE
    assert (leaked.name, leaked.secret.reveal()) not in lab.system.living()
    assert lab.record().current.credential.name == old.name


def test_a_place_that_could_not_be_read_and_shows_ours_is_written():
    lab = due("alternating")
    unreadable_once(lab)
    assert lab.run().why == "grace"
    assert lab.shown("env")[0] == lab.record().current.credential.name
