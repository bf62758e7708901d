import sys
from pathlib import Path

import pytest

from rotator.testing.servers.gitlab import GitlabServer

sys.path.insert(0, str(Path(__file__).parent))
from gitlab_world import World


@pytest.fixture(scope="session")
def gitlab():
    with GitlabServer() as server:
        yield server


@pytest.fixture
def world(gitlab):
    return World(gitlab)
