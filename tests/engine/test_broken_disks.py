"""The store's disk fails at every call that it makes during a run: once, or until it is mended. The oracle finds nothing."""

import errno

import pytest

from rotator.testing.broken_disk import BrokenDisk
from rotator.testing.lab import SHAPES, Lab, on_disk

ENDS = 300
"""More calls than the longest run makes."""
CASES = [(shape, code, stays) for shape in SHAPES for code in (errno.ENOSPC, errno.EIO) for stays in (False, True)]
QUICK = [("in place", errno.ENOSPC, False), ("issue, two slots", errno.EIO, True)]
"""The others only `make soak` tells."""


def history(shape, folder, code, number, *, stays):
    """A rotation whose disk fails at its call with this number, and whether it was reached."""
    disk = BrokenDisk(0, code)
    lab = Lab(shape, on_disk(folder, disk))
    lab.adopt()
    lab.at(10_010)
    disk.at, disk.stays = disk.calls + number, stays
    lab.run()
    disk.at, disk.stays = 0, False
    lab.at(10_400)
    lab.run()
    lab.clean_runs()
    return lab, bool(disk.failed)


@pytest.mark.parametrize(
    ("kind", "code", "stays"), [pytest.param(*each, marks=pytest.mark.proof if each in QUICK else pytest.mark.soak) for each in CASES]
)
def test_no_fault_of_the_disk_at_any_call_of_a_run_breaks_a_law(kind, code, stays, fast_folder, record_property):
    found, count = [], 0
    for number in range(1, ENDS):
        lab, hit = history(kind, fast_folder / str(number), code, number, stays=stays)
        if not hit:
            break
        found += [f"call {number}: {each}" for each in lab.oracle.violations]
        count += 1
    record_property("histories", count)
    assert 20 < count < ENDS
    assert found == []
