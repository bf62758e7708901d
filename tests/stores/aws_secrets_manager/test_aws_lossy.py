"""A proxy loses a quarter of the requests and replies: nothing is lost, no conflict and no success is false."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from aws_world import PATH, World, fields

from rotator.errors import Conflict, Unreachable
from rotator.model import Place, same_values
from rotator.testing.proxy import LossyProxy
from rotator.testing.records import a_record

WRITERS, RATE = 8, 0.25
PLACE = Place("aws", "apps/lossy", {"TOKEN": "password"})


def port(world):
    return urlsplit(world.server.url).port


def again(call, times=5):
    """As the engine does: what had no answer is asked again, the very same."""
    for _ in range(times - 1):
        try:
            return call()
        except Unreachable:
            continue
    return call()


def writer(world, proxy, name, tries):
    """Write ids by what the store said of them."""
    lossy, said = world.store(endpoint_url=f"http://127.0.0.1:{proxy.port}"), {"written": [], "conflict": [], "undecided": []}
    for n in range(tries):
        record = a_record(1000 * name + n, before=again(lambda: lossy.read(PATH)))
        try:
            again(lambda record=record: lossy.write(PATH, record), 3)
            kind = "written"
        except Conflict:
            kind = "conflict"
        except Unreachable:
            kind = "undecided"
        said[kind].append(record.writes[-1])
    return said


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
    with LossyProxy(port(world), seed=seed, rate=RATE) as proxy:
        proxy.armed = True
        with ThreadPoolExecutor(WRITERS) as pool:
            futures = [pool.submit(writer, world, proxy, name, writes // WRITERS) for name in range(1, WRITERS + 1)]
            every = [each.result() for each in futures]
    said = {kind: {id for each in every for id in each[kind]} for kind in every[0]}
    truth = landed(world)
    assert len(truth) == len(set(truth)), "a write landed twice"
    assert said["written"] - set(truth) == set(), "false success"
    assert said["conflict"] & set(truth) == set(), "false conflict"
    assert set(truth) - said["written"] - said["undecided"] == {"write-1"}, "landed unknown to its writer"
    assert sum(map(len, said.values())) == writes
    assert min(proxy.lost.values()) > writes / 20
    return len(said["written"]), len(said["undecided"])


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
        lossy = world.store(endpoint_url=f"http://127.0.0.1:{proxy.port}")
        for n in range(1, 9):
            again(lambda n=n: lossy.publish(PLACE, fields(n, PLACE), f"v{n}", n))
            assert same_values(world.store().published(PLACE), fields(n, PLACE))
    assert world.value(PLACE.path).startswith('{"OTHER": 1.10')
