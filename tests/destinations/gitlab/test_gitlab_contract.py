import pytest
from gitlab_world import BOTH, KEY, ONE, World

from rotator.testing.destination_contract import DestinationContract


class TestGitlabVariable(DestinationContract):
    holds_generation = False
    place_used, extra = ONE, {}

    @pytest.fixture
    def destination(self, world):
        self.world = world
        return lambda: world.destination(**self.extra)

    @pytest.fixture
    def place(self):
        return self.place_used

    @pytest.fixture
    def misplaced(self, world):
        return world.destination(project="team/nowhere", **self.extra)

    def add_sibling(self, place):
        others = [self.world.server.put(self.world.holder, *each) for each in (("DB_LOGIN_2", "x"), ("DB", "y"))]
        others.append(self.world.server.put(self.world.holder, KEY, "of staging", environment_scope="staging"))
        before = [dict(each) for each in others]
        return lambda: before == others


class TestGitlabVariableThatIsAnObject(TestGitlabVariable):
    place_used, extra = BOTH, {"format": "json"}

    def add_sibling(self, place):
        self.world.put('{"port":5432,"password":""}')
        return lambda: self.world.variable["value"].startswith('{"port":5432,"password":"canary')


class TestGitlabVariableOfAGroup(TestGitlabVariable):
    extra = {"environment_scope": "prod/*"}  # noqa: RUF012 - settings of the variant under test

    @pytest.fixture
    def world(self, gitlab):
        return World(gitlab, kind="group")

    @pytest.fixture
    def misplaced(self, world):
        return world.destination(group="nowhere", **self.extra)
