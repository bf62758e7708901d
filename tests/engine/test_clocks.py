"""Leases and clocks: ours goes on, the wall's may jump."""

from datetime import UTC, datetime

import pytest
from labs import GRACE, before, due, rotated

from rotator.errors import Exit
from rotator.rotate import Resolve


def with_true_clock(lab):
    """The lab's store, that tells the right time."""
    open_store, true_now = lab.storage.store, lab.seam.ticks

    def with_clock(runtime):
        store = open_store(runtime)
        store.clock = lambda: datetime.fromtimestamp(true_now(), UTC)
        return store

    lab.storage.store = with_clock
    return lab


def test_a_run_whose_lease_has_lapsed_stops_before_its_next_effect(shape):
    lab = due(shape)
    effect = "write record RESERVE" if shape.startswith("issue") else "write record STAGE"

    def sleep():
        lab.seam.t += 400

    result = lab.run(plan=before(effect, sleep), run_time=10_000.0)
    assert result.why in ("lapsed", "not_before", "failed", "grace", "at rest")
    lab.clean_runs()
    assert lab.oracle.violations == []


def test_a_wall_clock_that_is_set_back_prolongs_no_lease(shape):
    lab = due(shape)
    alive = lab.system.living()
    effect = "write record RESERVE" if shape.startswith("issue") else "write record STAGE"

    def sleep():
        lab.seam.t += 400
        lab.seam.skew = -400.0

    assert lab.run(plan=before(effect, sleep), run_time=10_000.0).why == "lapsed"
    assert lab.system.living() == alive


def test_a_run_out_of_time_releases_and_the_next_goes_on(shape):
    lab = due(shape)
    result = lab.run(run_time=5.0)
    assert (result.why, result.exit) == ("time", Exit.FAILED)
    assert lab.record().lease is None
    assert lab.run().exit is Exit.DONE


def test_a_wall_clock_that_is_off_stops_the_run_before_it_writes(shape):
    lab = due(shape)
    lab.seam.skew = -20_000.0
    seq = lab.record().seq
    result = lab.run(forced=True)
    assert (result.why, result.exit, lab.record().seq) == ("clock", Exit.UNPROVEN, seq)


@pytest.mark.parametrize("shape", GRACE)
def test_a_clock_that_jumps_past_the_end_of_grace_is_seen_at_the_gate(shape):
    lab = with_true_clock(rotated(shape))
    lab.at(10_400)

    def jump():
        lab.seam.skew = 5_000.0

    result = lab.run(Resolve(overwrite=frozenset({"env"})), plan=before("write record CLAIM", jump))
    assert (result.why, result.exit) == ("clock", Exit.UNPROVEN)
    q = lab.record().previous
    assert (q.disable_intent, q.revoke_intent) == (None, None)
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", GRACE)
def test_a_clock_that_jumps_ahead_after_the_claim_revokes_nothing(shape):
    lab = with_true_clock(rotated(shape))
    lab.at(10_400)

    def jump():
        lab.seam.skew = 5_000.0

    lab.storage.env.values.pop("env")
    result = lab.run(plan=before("publish", jump))
    assert lab.record().previous.revoke_intent is None
    assert result.exit in (Exit.DONE, Exit.UNPROVEN)
    lab.at(11_900)
    lab.seam.skew = 5_000.0
    assert lab.run().why == "clock"
    assert lab.oracle.violations == []
