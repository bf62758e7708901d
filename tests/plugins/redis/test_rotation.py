"""A whole rotation by the command line, at a real server; and a dry run that changes nothing there."""

import json
import time

import pytest

from rotator.model import Secret
from rotator.testing.canary import Canary
from rotator.testing.servers.redis import binary
from rotator.testing.stands import NAME, World
from rotator.testing.stands.redis import RedisStand, commands
from rotator.testing.tap import Tap

pytestmark = pytest.mark.skipif(binary() is None, reason="no Redis here")


@pytest.fixture(scope="module")
def stand():
    with RedisStand() as started:
        yield started


@pytest.fixture
def world(stand, tmp_path):
    return World(stand, tmp_path / "w", f"app-{tmp_path.name[-8:]}")


def shown(world):
    return {name: each.secret.reveal() for name, each in world.shown().items()}


def test_a_rotation_by_the_command_line_outlives_a_restart_of_the_server(world):
    server = world.stand.server
    adopted = world.rotator("adopt", NAME, text=json.dumps(world.values()))
    assert adopted.code == 0, adopted.err
    rotated = world.rotator("--json", "run", NAME, "--force")
    assert (rotated.code, rotated.first["state"]) == (0, "grace")
    new = Secret(shown(world)["local"])
    assert shown(world)["env"] == new.reveal()
    assert [server.logs_in(world.one, each) for each in (world.first.secret, new)] == [True, True]
    time.sleep(1.1)
    ended = world.rotator("--json", "run", NAME)
    assert (ended.code, ended.first["state"]) == (0, "at rest")
    said = str(server.query("SLOWLOG", "GET", "-1"))
    server.stop()
    server.start()
    assert [server.logs_in(world.one, each) for each in (world.first.secret, new)] == [False, True]
    assert world.rotator("audit", "verify").code == 0
    canary = Canary()
    for each in (world.first.secret, new, world.stand.admin):
        canary.register(each)
    assert "SETUSER" in said
    assert canary.search(said, "slow log") == []
    for file in (server.log_file, world.folder / "var/ledger.db"):
        assert canary.search(file.read_bytes(), file.name) == []


def test_every_key_is_read_from_yaml(world):
    target = {**world.spec_yaml["target"], "max_live": 2, "terminate_sessions": True, "fence": False}
    world.write_schedule(target=target)
    can = world.spec.can
    assert (can.max_live, can.fences, can.sessions_survive, world.spec.shape) == (2, False, False, "overlapping")
    world.write_schedule(target={**target, "max_live": 1, "terminate_sessions": False}, grace="0s")
    assert (world.spec.can.max_live, world.spec.shape) == (1, "in place")


def test_a_dry_run_changes_nothing_at_the_server(stand, tmp_path):
    with Tap(stand.port) as tap:
        world = World(stand, tmp_path / "w", "dry", port=tap.port)
        world.adopt()
        tap.taken()
        before = (stand.server.users(), stand.server.acl_file.stat().st_mtime_ns)
        foreseen = world.rotator("dry-run", NAME)
        assert foreseen.code == 0, foreseen.err
        sent = tap.taken()
        assert [each for stream in sent for each in commands(stream)]
        assert [change for stream in sent for change in stand.changes(stream)] == []
        assert (stand.server.users(), stand.server.acl_file.stat().st_mtime_ns) == before
        world.run(forced=True)
        assert {change for stream in tap.taken() for change in stand.changes(stream)} == {"ACL SAVE", "ACL SETUSER"}
