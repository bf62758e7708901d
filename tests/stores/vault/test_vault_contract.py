import random

import pytest

from rotator.model import Place
from rotator.testing.destination_contract import DestinationContract
from rotator.testing.store_contract import StoreContract


class TestVaultStore(StoreContract):
    @pytest.fixture
    def store(self, world):
        return world.store

    @pytest.fixture
    def misplaced(self, world):
        return world.store(mount="mian")


@pytest.mark.proof
class TestVaultStoreInANamespaceOnAMountThatKeepsVersions(StoreContract):
    """Where the mount keeps versions, each write destroys what it replaced."""

    @pytest.fixture
    def store(self, bao, world):
        name = f"team{random.randrange(10**9)}"
        bao.call("POST", f"sys/namespaces/{name}", {})
        world.namespace, world.mount = name, bao.mount(namespace=name, max_versions=5)
        return world.store

    @pytest.fixture
    def misplaced(self, world):
        return world.store(namespace="nowhere")


class TestVaultAsADestinationBesideOthers(DestinationContract):
    @pytest.fixture
    def destination(self, world):
        self.world = world
        return world.store

    @pytest.fixture
    def place(self):
        return Place("vault", "apps/shared", {"API_USER": "username", "API_TOKEN": "password"})

    @pytest.fixture
    def misplaced(self, world):
        return world.store(mount="mian")

    def add_sibling(self, place):
        others = {"OTHER": "kept", "list": [1, {"a": None}], "number": 7, "empty": ""}
        self.world.call("POST", f"data/{place.path}", {"data": others})
        return lambda: others.items() <= self.world.call("GET", f"data/{place.path}")["data"]["data"].items()


class TestVaultReadBackAsAConsumer(TestVaultAsADestinationBesideOthers):
    @pytest.fixture
    def destination(self, world):
        self.world = world
        reader = world.server.token(f'path "{world.mount}/data/apps/*" {{ capabilities = ["read"] }}')
        return lambda: world.store(secrets={"READER": reader}, consumer={"token": {"env": "READER"}})
