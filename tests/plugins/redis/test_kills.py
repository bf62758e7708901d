"""Real SIGKILLs at every boundary of every story that two passwords of one user can tell; and losses on the way."""

import pytest

from rotator.testing.kill.boundaries import every_kill, stories_of
from rotator.testing.kill.lossy import lossy_rotations
from rotator.testing.kill.stories import STORIES
from rotator.testing.servers.redis import binary
from rotator.testing.stands.redis import RedisStand

pytestmark = pytest.mark.skipif(binary() is None, reason="no Redis here")


@pytest.fixture(scope="module")
def stand():
    with RedisStand() as started:
        yield started


@pytest.mark.soak
@pytest.mark.parametrize("name", stories_of(RedisStand))
def test_kills_at_every_boundary_heal(stand, tmp_path, name):
    told = every_kill(stand, tmp_path / "worlds", STORIES[name])
    assert told.violations == []
    assert told.kills


@pytest.mark.soak
def test_rotations_heal_while_requests_and_replies_get_lost(stand, tmp_path):
    done = lossy_rotations(stand, tmp_path / "worlds", 1, 10)
    assert done.violations == []
    assert (done.rotations, min(done.requests, done.replies) > 0) == (10, True)


def test_a_sample_of_kills_heals(stand, tmp_path):
    told = every_kill(stand, tmp_path / "worlds", STORIES["rotation"], most=2)
    assert told.violations == []
    assert told.kills == 2
