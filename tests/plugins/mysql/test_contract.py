"""The laws of the target contract, on a real server."""

import pytest

from rotator.testing.set_contract import SetTargetContract


class TestOverlapping(SetTargetContract):
    @pytest.fixture
    def bench(self, make_bench):
        return make_bench()


@pytest.mark.proof
class TestOverlappingByEd25519(SetTargetContract):
    @pytest.fixture
    def bench(self, make_bench):
        return make_bench(plugin="ed25519", ends_sessions=True)


class TestInPlace(SetTargetContract):
    @pytest.fixture
    def bench(self, make_bench):
        return make_bench(max_live=1, fence=False)
