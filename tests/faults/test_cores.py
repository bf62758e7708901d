"""Histories are told by one core for each process: what takes turns hands over there."""

import os

import pytest

from rotator.testing.soak.__main__ import workers

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not tell which cores may be used")


def cores(_=0):
    return tuple(os.sched_getaffinity(0))


def test_processes_that_tell_histories_share_out_the_cores():
    mine = cores()
    with workers(2 * len(mine)) as pool:
        seen = set(pool.map(cores, range(400)))
    assert {len(each) for each in seen} == {1}
    assert seen <= {(each,) for each in mine}
