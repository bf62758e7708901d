import json

import pytest

from rotator.model import Place
from rotator.testing.destination_contract import DestinationContract
from rotator.testing.store_contract import StoreContract


class TestAwsStore(StoreContract):
    writes_each = 4

    @pytest.fixture
    def store(self, world):
        world.paths = ("team/app", "team/shown")
        world.server.allow(world.user, world.policy())
        return world.store

    @pytest.fixture
    def misplaced(self, world):
        return world.store(region="eu-central-1")


class TestAwsAsADestinationBesideOthers(DestinationContract):
    @pytest.fixture
    def destination(self, world):
        self.world = world
        world.paths = ("apps/shared",)
        world.server.allow(world.user, world.policy())
        return world.store

    @pytest.fixture
    def place(self):
        return Place("aws", "apps/shared", {"API_USER": "username", "API_TOKEN": "password"})

    @pytest.fixture
    def misplaced(self, world):
        return world.store(region="eu-central-1")

    def add_sibling(self, place):
        others = '{ "OTHER": "kept", "list": [1, {"a": null}], "number": 1.10, "big": 12345678901234567890, "empty": "" }'
        self.world.root().create_secret(Name=place.path, SecretString=others)
        return lambda: (
            self.world.value(place.path).startswith(others[:-2])
            and json.loads(others).items() <= json.loads(self.world.value(place.path)).items()
        )
