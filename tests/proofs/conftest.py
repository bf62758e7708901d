"""Stands that are started once for all tests of this folder, and worlds on them."""

import itertools

import pytest

from rotator.testing.stands import STANDS, World

NUMBERS = itertools.count(1)


@pytest.fixture(scope="package", params=sorted(STANDS))
def stand(request):
    """Each of the seven shapes at a real server."""
    if needs := STANDS[request.param].missing():
        pytest.skip(f"needs {needs}")
    with STANDS[request.param]() as started:
        yield started


@pytest.fixture
def new_world(stand, tmp_path):
    """Makes a world with a principal of its own; options as `World` has them."""

    def make(**options):
        number = next(NUMBERS)
        return World(stand, tmp_path / str(number), f"user-{number}", **options)

    return make
