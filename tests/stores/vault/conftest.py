"""One real OpenBao for all tests; each test gets a mount of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.testing.servers.openbao import OpenBaoServer

sys.path.insert(0, str(Path(__file__).parent))
from vault_world import World


@pytest.fixture(scope="session")
def bao() -> Iterator[OpenBaoServer]:
    with OpenBaoServer(tls=True) as server:
        yield server


@pytest.fixture
def own_bao() -> Iterator[OpenBaoServer]:
    """One that a test may seal, stop and freeze."""
    with OpenBaoServer() as server:
        yield server


@pytest.fixture
def world(bao: OpenBaoServer) -> World:
    return World(bao, bao.mount(), bao.root)
