import itertools

import pytest
from ssm_world import World

from rotator.testing.destination_contract import DestinationContract


@pytest.fixture(scope="module")
def two(aws, common):
    """Two destinations for all tests: a session of boto3 takes its time."""
    world = World(aws, key=common)
    return [world.new() for _ in range(2)]


class TestAwsSsm(DestinationContract):
    holds_generation = False

    @pytest.fixture
    def destination(self, shared, two):
        self.world, each = shared, itertools.cycle(two)
        return lambda: next(each)

    @pytest.fixture
    def place(self, shared):
        return shared.one

    @pytest.fixture
    def misplaced(self, shared):
        return shared.destination(account="999999999999")

    def add_sibling(self, place):
        other = self.world.name + "-2"
        self.world.put("x", name=other)
        return lambda: self.world.shown(other)["Value"] == "x"
