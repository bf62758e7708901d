"""The laws of the target contract, on real servers."""

import pytest

from rotator.testing.set_contract import SetTargetContract

SYSTEMS = pytest.mark.parametrize(
    ("server", "admin_is"),
    [*(pytest.param("debian", each, marks=pytest.mark.proof) for each in ("createrole", "superuser")), ("newest", "createrole")],
    ids=lambda each: each,
)


@SYSTEMS
class TestInPlace(SetTargetContract):
    @pytest.fixture
    def bench(self, make_bench, server, admin_is):
        return make_bench(server, shape="in place", admin_is=admin_is)


@SYSTEMS
class TestAlternating(SetTargetContract):
    @pytest.fixture
    def bench(self, make_bench, server, admin_is):
        return make_bench(server, shape="alternating", admin_is=admin_is)
