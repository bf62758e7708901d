"""A world whose record is at a server: killed and healed as with files, and what a foreign client reads there logs in."""

import json
import subprocess
import sys

import pytest

from rotator.model import Credential, Secret
from rotator.testing.kill.__main__ import LOSSY, RANDOM, parts_of
from rotator.testing.kill.boundaries import Worlds, one_kill
from rotator.testing.kill.stories import STORIES
from rotator.testing.kill.worker import Point
from rotator.testing.servers.moto import REGION
from rotator.testing.stands import STANDS, STORES, InPlace

BOTO3 = """
import boto3, sys
id, secret, url, region, path = sys.stdin.read().split()
client = boto3.client("secretsmanager", endpoint_url=url, region_name=region, aws_access_key_id=id, aws_secret_access_key=secret)
print(client.get_secret_value(SecretId=path)["SecretString"])
"""
"""The AWS CLI is another boto3: this is one in a process of its own, that knows nothing of us."""


def by_bao(store, path):
    """What the `bao` client of an operator reads."""
    return json.loads(store.server.bao("kv", "get", "-mount=secret", "-format=json", path))["data"]["data"]


def by_boto3(store, path):
    """What a consumer of AWS reads."""
    said = " ".join((*store.server.admin_key, store.server.url, REGION, path))
    done = subprocess.run([sys.executable, "-I", "-c", BOTO3], env={}, input=said, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


CLIENTS = {"vault": by_bao, "aws_secrets_manager": by_boto3}


@pytest.fixture(params=CLIENTS)
def store(request, stand):
    """The stand, with its worlds' records there."""
    with STORES[request.param]() as stand.store:
        yield stand.store
    stand.store = None


@pytest.mark.parametrize("stand", [InPlace.shape], indirect=True, scope="package")
def test_what_a_foreign_client_reads_after_a_kill_and_a_heal_logs_in(stand, store, tmp_path):
    worlds = Worlds(stand, tmp_path)
    world = worlds.make()
    effect, oracle = one_kill(world, STORIES["rotation"], Point(11, "after", "set secret", "change", ""))
    assert (effect, oracle.violations) == ("set secret", [])
    shown = CLIENTS[store.kind](store, world.store_path)
    assert shown["username"] == world.one
    assert not world.first.same(Credential(name=shown["username"], secret=Secret(shown["password"])))
    assert stand.works(Credential(name=shown["username"], secret=Secret(shown["password"])))
    assert not stand.works(world.first)


def test_where_writes_are_counted_no_world_lives_through_many_runs():
    assert {kind for kind, each in STORES.items() if each.counted} == {"aws_secrets_manager"}
    told = {each for _, stories in parts_of(list(STANDS), long=False) for each in stories}
    assert told == set(STORIES)
    assert not told & {RANDOM, LOSSY}
