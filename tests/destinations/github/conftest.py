import sys
from pathlib import Path

import pytest

from rotator.testing.servers.github import GithubServer

sys.path.insert(0, str(Path(__file__).parent))
from github_world import World


@pytest.fixture(scope="session")
def github():
    with GithubServer() as server:
        yield server


@pytest.fixture
def world(github):
    return World(github)
