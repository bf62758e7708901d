"""Two and three runners at once on one spec: seeded interleavings, effect by effect."""

import random

import pytest
from labs import fault_at

from rotator.errors import Exit
from rotator.rotate import HoldUntil, RunResult, Undo
from rotator.testing.faults import Fault
from rotator.testing.interleave import Interleaving
from rotator.testing.lab import SHAPES, Lab, in_memory
from rotator.testing.pause import Paused

pytestmark = pytest.mark.proof  # random histories have two and three runners, too

SEEDS = range(40)
"""By five shapes: 200 interleavings of two runners."""
FEWER = range(100, 112)
"""By five shapes, each with a clock that jumps past the lease, and with lost requests and replies: 60."""


def lab_at(shape, seconds):
    lab = Lab(shape, in_memory())
    lab.adopt()
    lab.at(10_010)
    if seconds > 10_010:
        lab.run()
        lab.at(seconds)
    return lab


def one_mint_for_each_reservation(lab):
    keys = [each for each in lab.system.keys if each != "key-0"]
    assert len(keys) <= 1 + bool(lab.record().pending)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_runners_never_harm_each_other(shape, seed):
    seconds = random.Random(seed).choice([10_010, 12_300])
    lab = lab_at(shape, seconds)
    results = Interleaving(lab, seed).go([None, None])
    one_mint_for_each_reservation(lab)
    assert all(isinstance(each, RunResult) for each in results)
    assert {each.why for each in results} <= {"lease", "conflict", "grace", "at rest", "soak"}
    lab.clean_runs()
    assert lab.oracle.violations == []


@pytest.mark.parametrize("seed", FEWER)
def test_a_runner_that_slept_past_its_lease_harms_nothing(shape, seed):
    lab = lab_at(shape, random.Random(seed).choice([10_010, 12_300]))
    Interleaving(lab, seed, jump=310.0).go([None, None])
    lab.clean_runs()
    assert lab.oracle.violations == []


@pytest.mark.parametrize("seed", FEWER)
def test_two_runners_with_lost_requests_and_replies_harm_nothing(shape, seed):
    lab = lab_at(shape, random.Random(seed).choice([10_010, 12_300]))
    Interleaving(lab, seed, faults=0.04).go([None, None])
    lab.at(15_000)
    lab.run()
    lab.clean_runs()
    assert lab.oracle.violations == []


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("shape", [each for each in SHAPES if each != "in place"])
def test_a_human_s_command_beside_two_runners_is_done_or_refused(shape, seed):
    lab = lab_at(shape, 10_700)
    command = [HoldUntil("month end", 500.0), Undo()][seed % 2]
    Interleaving(lab, seed).go([None, command, None])
    lab.clean_runs()
    assert lab.oracle.violations == []


@pytest.mark.parametrize("shape", [each for each in SHAPES if not each.startswith("issue")])
def test_a_runner_paused_between_its_last_check_and_its_effect_changes_nothing_at_a_fence(shape):
    lab = lab_at(shape, 10_010)
    with Paused(lab, before="set secret", home="elsewhere") as late:
        for seconds in (10_400, 20_020):
            lab.at(seconds)
            lab.run(forced=True)
        alive = lab.system.living()
        assert late.resume().why == "conflict"
    assert lab.system.living() == alive
    assert lab.oracle.violations == []


def test_a_paused_runner_is_fenced_out_by_an_undo_that_changed_nothing():
    lab = lab_at("in place", 10_010)
    with Paused(lab, before="set secret", home="elsewhere") as late:
        lab.at(10_400)
        lab.run(Undo())
        assert late.resume().why == "conflict"
    assert (lab.first.name, lab.first.secret.reveal()) in lab.system.living()
    assert lab.oracle.violations == []


def test_an_apply_raises_the_fence_also_where_the_secret_is_set_already():
    lab = lab_at("in place", 10_010)
    assert lab.run(plan=fault_at("set secret", Fault.CRASH_AFTER)) == "crashed"
    before = lab.system.fence
    assert lab.run().exit is Exit.DONE
    assert lab.system.fence > before
