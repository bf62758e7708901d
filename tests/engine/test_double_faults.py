"""Two faults: the second strikes the run that heals the first. A fixed draw of every kind of the one with every kind of the other."""

import random
from collections import Counter
from itertools import product

import pytest

from rotator.testing.faults import Fault
from rotator.testing.histories import History, Moment, Teller
from rotator.testing.lab import as_objects

pytestmark = pytest.mark.no_cover  # hundreds of histories: the other tests of the engine reach every branch, and are counted

PAIRS = 6
"""Histories of each pair of kinds, in each shape, in which both struck: 5 x 8 x 8 x 6 = 1,920."""
TRIES = 60
FIRST, SECOND = range(8, 30), (*range(1, 9), *range(1, 9), *range(9, 25))
"""Effects of a rotation from its first write on, and of the run after it, which may be short."""


@pytest.mark.usefixtures("numbered")
@pytest.mark.parametrize("kind", list(Fault), ids=lambda fault: fault.value)
def test_no_second_fault_in_the_run_that_heals_the_first_breaks_a_law(shape, kind, record_property):
    draw, found, struck = random.Random(f"{shape} {kind}"), [], Counter()
    for second, _ in product(Fault, range(TRIES)):
        if struck[second] == PAIRS:
            continue
        first = Moment(10_010, "run", ((draw.choice(FIRST), kind.value),))
        heals = Moment(draw.choice([0.0, 400.0]), "named", ((draw.choice(SECOND), second.value),))
        history = History(shape, (first, heals), draw.random() < 0.5 or shape.startswith("issue"), again=False)
        teller = Teller(history, as_objects())
        told = teller.tell()
        struck[second] += told.faults == 2
        found += [f"{each}: {history.line()}" for each in told.violations]
    record_property("struck twice", struck.total())
    assert found == []
    assert struck == dict.fromkeys(Fault, PAIRS)
