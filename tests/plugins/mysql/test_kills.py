"""Real SIGKILLs at every boundary of every story that two passwords of one account can tell."""

import pytest

from rotator.testing.kill.boundaries import every_kill, stories_of
from rotator.testing.kill.stories import STORIES
from rotator.testing.servers.mariadb import binary
from rotator.testing.stands.mysql import MysqlStand

pytestmark = pytest.mark.skipif(binary() is None, reason="no MariaDB here")


@pytest.fixture(scope="module")
def stand():
    with MysqlStand() as started:
        yield started


@pytest.mark.soak
@pytest.mark.parametrize("name", stories_of(MysqlStand))
def test_kills_at_every_boundary_heal(stand, tmp_path, name):
    told = every_kill(stand, tmp_path / "worlds", STORIES[name])
    assert told.violations == []
    assert told.kills


def test_a_sample_of_kills_heals(stand, tmp_path):
    told = every_kill(stand, tmp_path / "worlds", STORIES["rotation"], most=2)
    assert told.violations == []
    assert told.kills == 2
