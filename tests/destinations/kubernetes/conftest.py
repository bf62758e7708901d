import sys
from pathlib import Path

import pytest

from rotator.testing.servers.kubernetes import KubernetesServer

sys.path.insert(0, str(Path(__file__).parent))
from cluster_world import World


@pytest.fixture(scope="session")
def cluster():
    with KubernetesServer() as server:
        yield server


@pytest.fixture
def world(cluster):
    return World(cluster)
