"""A proxy loses a quarter of the requests and replies: nothing is lost, no conflict and no success is false."""

import json
from urllib.parse import urlsplit

import pytest
from aws_world import PATH, World, fields

from rotator.model import Place, same_values
from rotator.testing.proxy import LossyProxy
from rotator.testing.records import a_record
from tests.stores import lossy
from tests.stores.lossy import RATE, again

PLACE = Place("aws", "apps/lossy", {"TOKEN": "password"})


def port(world):
    return urlsplit(world.server.url).port


def landed(world):
    """The truth: the ids of all writes that were ever current, in their order; each was made from the one before it.

    A version that lost its race was put, and never became current: nothing that was written later was made from it.
    """
    root, made = world.root(), {}
    for each in root.list_secret_version_ids(SecretId=world.record(), IncludeDeprecated=True, MaxResults=5000)["Versions"]:
        document = json.loads(root.get_secret_value(SecretId=world.record(), VersionId=each["VersionId"])["SecretString"])
        made[document["writes"][-1]] = document
    ids, document = [], json.loads(world.value(world.record()))
    while document is not None:
        ids.insert(0, document["writes"][-1])
        before = document["writes"][-2:-1]
        assert not before or made[before[0]]["seq"] == document["seq"] - 1
        assert not before or document["writes"][:-1] == made[before[0]]["writes"][-15:]
        document = made[before[0]] if before else None
    return ids


def race(world, writes, seed):
    """`writes`: tries of all writers together."""
    world.store().write(PATH, a_record(1))
    said = lossy.race(
        lambda through: world.store(endpoint_url=f"http://127.0.0.1:{through}"), PATH, LossyProxy(port(world), seed=seed, rate=RATE), writes
    )
    lossy.told_truly(said, landed(world), "write-1")
    assert sum(map(len, said.values())) == writes
    return len(said["written"]), len(said["undecided"])


@pytest.mark.proof
def test_eight_writers_over_a_lossy_way_lose_nothing_and_hear_no_falsehood(world):
    written, undecided = race(world, 48, 11)
    assert written > 6
    assert undecided < 5


@pytest.mark.soak
def test_640_writes_over_a_lossy_way_lose_nothing_and_hear_no_falsehood(aws):
    written = undecided = rounds = 0
    while written < 640:
        more, unsure = race(World(aws), 320, rounds)
        written, undecided, rounds = written + more, undecided + unsure, rounds + 1
    assert undecided < written / 50


def test_a_place_over_a_lossy_way_shows_the_last_one_published_and_keeps_its_siblings(world):
    world.paths = (PLACE.path,)
    world.server.allow(world.user, world.policy())
    world.root().create_secret(Name=PLACE.path, SecretString='{"OTHER": 1.10}')
    with LossyProxy(port(world), seed=5, rate=RATE) as proxy:
        proxy.armed = True
        through = world.store(endpoint_url=f"http://127.0.0.1:{proxy.port}")
        for n in range(1, 9):
            again(lambda n=n: through.publish(PLACE, fields(n, PLACE), f"v{n}", n))
            assert same_values(world.store().published(PLACE), fields(n, PLACE))
    assert world.value(PLACE.path).startswith('{"OTHER": 1.10')
