"""A dry-run says what a run would do, and claims no more than could be seen."""

import pytest
from labs import due, rotated, with_target

from rotator.errors import Exit
from rotator.model import Finding, Level
from rotator.rotate import HoldUntil
from rotator.testing.lab import Lab, in_memory
from rotator.testing.memory import MemoryPlace


def missing(_self, _known, _accepted=()):
    return [Finding(Level.FAIL, "privilege.missing", "the admin lacks a right", "GRANT it")]


def test_a_place_that_cannot_be_read_is_seen_to_stay_open(shape):
    lab = due(shape)
    lab.storage.env.down = True
    foreseen = lab.dry()
    assert (foreseen.why, foreseen.exit, "env" in foreseen.message) == ("open place", lab.run().exit, True)
    assert foreseen.exit is not Exit.DONE


@pytest.mark.parametrize("due_now", [True, False])
def test_a_place_that_says_it_cannot_be_written_is_counted_only_where_something_is_to_be_published(due_now, monkeypatch):
    lab = due("alternating") if due_now else rotated("alternating")
    found = [Finding(Level.FAIL, "privilege.missing", "env is not writable", "chmod")]
    monkeypatch.setattr(MemoryPlace, "check", lambda place: found if type(place) is MemoryPlace else [])
    foreseen = lab.dry()
    assert (foreseen.why, foreseen.exit) == (("open place", Exit.UNPROVEN) if due_now else ("grace", Exit.DONE))


def test_before_the_adoption_it_tells_what_the_target_lacks():
    lab = with_target(Lab("alternating", in_memory()), check=missing)
    foreseen = lab.dry()
    assert (foreseen.why, foreseen.exit) == ("adopt", Exit.HUMAN)
    assert [each.fix for each in foreseen.findings] == ["GRANT it"]
    assert lab.ledger.events == []


def test_a_hold_says_until_when():
    lab = rotated("alternating")
    lab.run(HoldUntil("month end", 3_600.0))
    until = lab.record().hold.until
    assert until > lab.seam.now()
    assert "by a hold: until 1970-01-12T" in lab.run(named=True).message
