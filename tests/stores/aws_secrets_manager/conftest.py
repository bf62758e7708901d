"""One moto for all tests of this folder; each test has an admin and a prefix of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.testing.servers.moto import MotoServer

sys.path.insert(0, str(Path(__file__).parent))
from aws_world import World


@pytest.fixture(scope="session", autouse=True)
def models() -> Iterator[None]:
    """Each store has a session of its own, and each session reads and parses the models of its services: here they are kept."""
    from botocore.loaders import JSONFileLoader, Loader

    def kept(owner, name, key):
        original, known = getattr(owner, name), {}

        def method(self, *arguments, **named):
            asked = key(self, *arguments, **named)
            if asked not in known:
                known[asked] = original(self, *arguments, **named)
            return known[asked]

        patch.setattr(owner, name, method)

    with pytest.MonkeyPatch.context() as patch:
        kept(JSONFileLoader, "load_file", lambda _, path: path)
        kept(Loader, "list_available_services", lambda loader, type_name: (type_name, *loader.search_paths))
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
