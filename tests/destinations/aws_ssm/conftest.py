import sys
from pathlib import Path

import pytest

from rotator.destinations.aws_ssm import AwsSsmSettings
from rotator.destinations.aws_ssm.policy import Policy
from rotator.testing.servers.moto import ACCOUNT, REGION, MotoServer

sys.path.insert(0, str(Path(__file__).parent))
from ssm_world import World


@pytest.fixture(scope="session", autouse=True)
def models():
    """Each destination has a session of its own, and each session reads and parses the models of its services: here they are kept."""
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
