"""One moto for all tests of this folder; each test has an admin and a prefix of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.testing.servers.aws_models import read_once
from rotator.testing.servers.moto import MotoServer

sys.path.insert(0, str(Path(__file__).parent))
from aws_world import World


@pytest.fixture(scope="session", autouse=True)
def models() -> Iterator[None]:
    """Each store has a session of its own: what AWS's services are is read once."""
    with read_once():
        yield


@pytest.fixture(scope="session")
def aws() -> Iterator[MotoServer]:
    with MotoServer(secrets=True) as server:
        yield server


@pytest.fixture(scope="session")
def full() -> Iterator[MotoServer]:
    """With AWS's quota of versions."""
    with MotoServer(secrets=True, versions_per_day=100) as server:
        yield server


@pytest.fixture
def world(aws: MotoServer) -> Iterator[World]:
    made = World(aws)
    yield made
    root = made.root()
    for each in made.paths:
        root.delete_secret(SecretId=each, ForceDeleteWithoutRecovery=True)
