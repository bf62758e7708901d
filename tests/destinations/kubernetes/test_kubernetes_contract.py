import pytest
from cluster_world import NAME, PLACE

from rotator.destination import Place
from rotator.testing.destination_contract import DestinationContract


class TestKubernetesSecret(DestinationContract):
    @pytest.fixture
    def destination(self, world):
        self.world = world
        return world.destination

    @pytest.fixture
    def place(self):
        return PLACE

    @pytest.fixture
    def misplaced(self, world):
        return world.destination(namespace="nowhere")

    def add_sibling(self, place):
        more = {"immutable": False, "metadata": {"name": NAME, "labels": {"team": "a"}, "annotations": {"of": "another"}}}
        self.world.put({"OTHER": "a b", "DB_PASSWORD": ""}, **more)

        def untouched():
            meta = self.world.secret["metadata"]
            return self.world.text["OTHER"] == "a b" and meta["labels"] == {"team": "a"} and meta["annotations"]["of"] == "another"

        return untouched


class TestKubernetesSecretUnderThePluginsNames(TestKubernetesSecret):
    @pytest.fixture
    def place(self):
        return Place("cluster", NAME)

    def add_sibling(self, place):
        return lambda: True
