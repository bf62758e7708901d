"""An old one that is about to die by itself is not gone back to: consumers would lose it a moment later."""

from datetime import UTC, datetime

import pytest
from expiring import in_grace, until
from labs import ISSUE, names

from rotator.errors import Exit
from rotator.plan import BRIEF
from rotator.rotate import Compromise, Undo
from rotator.testing.lab import EverySlot


def dying(shape, left):
    """A lab in grace whose old one dies by itself in so many seconds."""
    lab = in_grace(shape, when=EverySlot(1e9))
    for seconds in (11_200, 11_600):
        lab.at(seconds)
        lab.run()
    dies = lab.record().current.credential.expires.timestamp()
    until(lab, dies - left - 60)
    assert lab.run(named=True).why == "grace"
    assert lab.record().previous.credential.expires.timestamp() == dies
    until(lab, dies - left)
    return lab, dies


@pytest.mark.parametrize("shape", ISSUE)
def test_a_leaked_one_is_kept_alive_until_the_old_one_is_gone_and_then_replaced(shape):
    lab, dies = dying(shape, left=BRIEF - 5)
    leaked = lab.record().current.credential.name
    result = lab.run(Compromise("current"), named=True)
    assert ("UNDO" in names(result), result.exit, result.why) == (False, Exit.UNPROVEN, "leaked")
    assert lab.shown("env") == lab.shown("local") == (leaked, lab.system.keys[leaked].secret)
    assert result.wake == pytest.approx(dies, abs=1)
    until(lab, result.wake)
    result = lab.run()
    current = lab.record().current.credential.name
    assert (result.exit, current != leaked, lab.system.living()) == (Exit.DONE, True, {lab.shown("env")})
    assert lab.oracle.violations == []


def test_an_old_one_that_outlives_its_end_by_our_clock_is_looked_at_each_minute():
    lab, dies = dying("issue, labels", left=30)
    lab.run(Compromise("current"), named=True)
    until(lab, dies - 20)
    lab.seam.skew, lab.system.clock = 40.0, lambda: lab.seam.t
    assert lab.run().wake == pytest.approx(lab.seam.now() + 60, abs=1)


@pytest.mark.parametrize("shape", ISSUE)
def test_an_old_one_that_lasts_is_gone_back_to(shape):
    lab, _ = dying(shape, left=BRIEF + 60)
    result = lab.run(Compromise("current"), named=True)
    assert ("UNDO" in names(result), result.exit) == (True, Exit.DONE)
    assert lab.shown("env") in lab.system.living()
    assert lab.oracle.violations == []


def test_an_undo_to_one_that_is_about_to_die_is_refused_and_says_when_it_dies():
    lab, dies = dying("issue, labels", left=BRIEF - 5)
    before, told = lab.record().current.id, datetime.fromtimestamp(dies, UTC)
    result = lab.run(Undo(), named=True)
    assert (result.exit, result.why, lab.record().current.id) == (Exit.FAILED, "refused", before)
    assert f"expires at {told:%H:%M:%S} UTC: too soon" in result.message
