"""What somebody else has written where nobody can read stays his, whatever happens since, until a human gives it up."""

import json

import pytest

from rotator.errors import Exit
from rotator.rotate import Adopt, Compromise, HoldUntil, Resolve, Undo
from rotator.testing.lab import PATH, Lab, in_memory

THEIRS = {"USER": "somebody", "PASSWORD": "somebody-elses-0123456789abcdef"}
OVERWRITE = frozenset({"env"})


def rotated(shape="alternating"):
    """A lab in the grace of its first rotation, with a place that nobody can read."""
    lab = Lab(shape, in_memory(), attested=True)
    lab.oracle.start()
    lab.run(Adopt(credential=lab.first))
    lab.oracle.start()
    lab.at(10_010)
    lab.run(named=True)
    lab.seam.t += 100
    return lab


def written_by_a_stranger(lab):
    lab.storage.env.values["env"] = json.dumps({"version": "x", "mark": "a stranger's", "fields": THEIRS})
    lab.oracle.strangers.add(tuple(THEIRS.values()))
    lab.oracle._flips()
    return lab


def shown(lab):
    return json.loads(lab.storage.env.values["env"])["fields"]


@pytest.mark.parametrize("runs_before", [0, 1, 2])
@pytest.mark.parametrize("command", [HoldUntil("somebody misses it", 100.0), Compromise("current"), Undo(), None])
def test_a_stranger_s_value_stays_whatever_is_asked_of_the_credential(command, runs_before):
    lab = written_by_a_stranger(rotated())
    for _ in range(runs_before):
        assert lab.run(named=True).why == "foreign_change of place"
    for each in (command, None, None):
        result = lab.run(each, named=True, forced=each is None)
        assert (shown(lab), result.exit) == (THEIRS, Exit.HUMAN)
        lab.seam.t += 60


@pytest.mark.parametrize("shape", ["in place", "alternating", "issue, labels"])
def test_a_stranger_s_value_stays_though_a_later_rotation_makes_another_one_current(shape):
    lab = rotated(shape)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        lab.run()
    before = lab.record().current.id
    written_by_a_stranger(lab)
    assert lab.run(named=True).why == "foreign_change of place"
    lab.run(Compromise("current"), named=True)
    assert lab.record().current.id != before
    for _ in range(3):
        lab.seam.t += 400
        assert (lab.run(named=True).why, shown(lab)) == ("foreign_change of place", THEIRS)


def test_a_stranger_s_value_stays_though_another_place_has_lost_its_own():
    lab = written_by_a_stranger(rotated())
    lab.run(named=True)
    lab.truth.shelf.values.pop(PATH)
    lab.oracle._flips()
    for _ in range(3):
        result = lab.run(named=True)
        assert (result.why, shown(lab)) == ("foreign_change of place", THEIRS)
        lab.seam.t += 60


@pytest.mark.parametrize("runs_before", [0, 1])
def test_a_stranger_s_value_is_not_lost_by_an_adoption_that_does_not_say_so(runs_before):
    lab = written_by_a_stranger(rotated())
    for _ in range(runs_before):
        lab.run(named=True)
    current = lab.record().current.credential
    result = lab.run(Adopt(credential=current), named=True)
    assert (result.why, "env" in result.message, shown(lab)) == ("refused", True, THEIRS)
    lab.run(Adopt(credential=current, overwrite=OVERWRITE), named=True)
    assert lab.shown("env") == (current.name, current.secret.reveal())


@pytest.mark.parametrize("held", [False, True])
def test_what_a_human_gives_up_is_written_over_and_is_ours_from_then_on(held):
    lab = written_by_a_stranger(rotated())
    lab.run(HoldUntil("somebody misses it", 1000.0) if held else None, named=True)
    assert shown(lab) == THEIRS
    result = lab.run(Resolve(overwrite=OVERWRITE), named=True)
    current = lab.record().current
    assert (result.why, lab.shown("env")) == ("not observed", (current.credential.name, current.credential.secret.reveal()))
    assert lab.run(named=True).why == "not observed"
    assert lab.oracle.violations == []


def test_a_place_whose_stranger_s_value_was_taken_away_is_written_again():
    lab = written_by_a_stranger(rotated())
    lab.run(named=True)
    del lab.storage.env.values["env"]
    lab.oracle._flips()
    assert lab.run(named=True).why == "not observed"
    assert lab.shown("env") == lab.shown("local")


def test_a_stranger_s_value_is_remembered_while_the_place_does_not_answer():
    lab = written_by_a_stranger(rotated())
    lab.run(named=True)
    lab.storage.env.down = True
    lab.run(HoldUntil("somebody misses it", 5000.0), named=True)
    lab.storage.env.down = False
    lab.seam.t += 60
    assert (lab.run(named=True).why, shown(lab)) == ("foreign_change of place", THEIRS)
