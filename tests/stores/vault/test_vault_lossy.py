"""A proxy loses a quarter of the requests and replies: nothing is lost, no conflict and no success is false."""

import json
import random

import pytest

from rotator.model import Place, Secret, same_values
from rotator.stores.vault import records
from rotator.testing.proxy import LossyProxy
from rotator.testing.records import a_record
from tests.stores import lossy
from tests.stores.lossy import RATE, again

PATH = "team/app"
PLACE = Place("vault", "apps/x", {"TOKEN": "password"})


def landed(world):
    """The truth: the write id of each version that there ever was, and that each was made from the one before it."""
    ids = []
    for version in range(1, world.store().read(PATH).revision + 1):
        document = json.loads(world.call("GET", f"data/rotator/records/{PATH}?version={version}")["data"]["data"]["record"])
        assert document["seq"] == version
        assert document["writes"][:-1] == ids[-15:]
        ids.append(document["writes"][-1])
    return ids


def race(world, bao, monkeypatch, writes):
    """`writes`: tries of all writers together. The server keeps every version, so that nothing that happened is hidden."""
    monkeypatch.setitem(records.WANTED, "max_versions", 5000)
    world.store().write(PATH, a_record(1))
    said = lossy.race(
        lambda through: world.store(address=f"http://127.0.0.1:{through}"), PATH, LossyProxy(bao.port, seed=11, rate=RATE), writes
    )
    lossy.told_truly(said, landed(world), "write-1")
    assert sum(map(len, said.values())) == writes
    return len(said["written"]), len(said["undecided"])


@pytest.mark.proof
def test_eight_writers_over_a_lossy_way_lose_nothing_and_hear_no_falsehood(world, bao, monkeypatch):
    written, undecided = race(world, bao, monkeypatch, 80)
    assert written > 10
    assert undecided < 8


@pytest.mark.soak
def test_640_writes_over_a_lossy_way_lose_nothing_and_hear_no_falsehood(world, bao, monkeypatch):
    written = undecided = 0
    while written < 640:
        more, unsure = race(world, bao, monkeypatch, 640)
        written, undecided = written + more, undecided + unsure
        world.mount = bao.mount()
    assert undecided < written / 100


def test_a_place_over_a_lossy_way_shows_the_last_one_published_and_keeps_its_siblings(world, bao):
    world.call("POST", f"data/{PLACE.path}", {"data": {"OTHER": "kept"}})
    with LossyProxy(bao.port, seed=5, rate=RATE) as proxy:
        proxy.armed = True
        through = world.store(address=f"http://127.0.0.1:{proxy.port}")
        for n in range(1, 31):
            values = {"TOKEN": Secret(f"value number {n:020d}")}
            again(lambda n=n, values=values: through.publish(PLACE, values, f"v{n}", n))
            assert same_values(world.store().published(PLACE), values)
    assert world.call("GET", f"data/{PLACE.path}")["data"]["data"]["OTHER"] == "kept"


def test_of_a_login_over_a_lossy_way_one_is_enough(world, bao):
    policy = f'path "{world.mount}/*" {{ capabilities = ["create", "read", "update", "list"] }}'
    bao.call("PUT", "sys/policies/acl/lossy", {"policy": policy})
    if "approle/" not in bao.call("GET", "sys/auth")["data"]:
        bao.call("POST", "sys/auth/approle", {"type": "approle"})
    bao.call("POST", "auth/approle/role/lossy", {"token_policies": "lossy"})
    role = bao.call("GET", "auth/approle/role/lossy/role-id")["data"]["role_id"]
    secret = Secret(bao.call("POST", "auth/approle/role/lossy/secret-id", {})["data"]["secret_id"])
    with LossyProxy(bao.port, seed=random.Random(3).random().hex(), rate=RATE) as proxy:
        proxy.armed = True
        auth = {"approle": {"role_id": role, "secret_id": {"env": "ID"}}}
        store = world.store(address=f"http://127.0.0.1:{proxy.port}", auth=auth, secrets={"ID": secret})
        for _ in range(10):
            assert again(lambda: store.read(PATH), 20).revision is None  # a login is sent once, whatever becomes of it
            store.close()
