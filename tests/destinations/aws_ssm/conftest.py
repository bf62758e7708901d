import sys
from pathlib import Path

import pytest

from rotator.destinations.aws_ssm import AwsSsmSettings
from rotator.destinations.aws_ssm.policy import Policy
from rotator.testing.servers.aws_models import read_once
from rotator.testing.servers.moto import ACCOUNT, REGION, MotoServer

sys.path.insert(0, str(Path(__file__).parent))
from ssm_world import World


@pytest.fixture(scope="session", autouse=True)
def models():
    """Each destination has a session of its own: what AWS's services are is read once."""
    with read_once():
        yield


@pytest.fixture(scope="session")
def aws():
    with MotoServer(parameters=True) as server:
        yield server


@pytest.fixture(scope="session")
def common(aws):
    """A key that may write all parameters of these tests."""
    return aws.create_admin("rotator", Policy(AwsSsmSettings(region=REGION, account=ACCOUNT)).document(["/team*"]))


@pytest.fixture
def shared(aws, common):
    """A world without a login of its own: that takes three calls."""
    return World(aws, key=common)


@pytest.fixture
def world(aws):
    return World(aws)
