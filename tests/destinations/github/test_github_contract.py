import pytest
from github_world import BOTH, ENVIRONMENT, ONE, ORGANIZATION, World

from rotator.testing.attested_contract import AttestedContract


class TestGithubActions(AttestedContract):
    place_used, extra = ONE, {}
    nowhere = {"repository": "team/nowhere"}  # noqa: RUF012 - settings of the variant under test

    @pytest.fixture
    def destination(self, world):
        self.world = world
        return lambda: world.destination(**self.extra)

    @pytest.fixture
    def place(self):
        return self.place_used

    @pytest.fixture
    def misplaced(self, world):
        return world.destination(**self.extra, **self.nowhere)

    @pytest.fixture
    def held(self, world):
        return lambda place: world.held(place.path)

    def add_sibling(self, place):
        self.world.server.put(self.world.holder, "DB_LOGIN_2", "kept")
        before = dict(self.world.secrets["DB_LOGIN_2"].about)
        return lambda: (self.world.held("DB_LOGIN_2"), self.world.secrets["DB_LOGIN_2"].about) == ("kept", before)


class TestGithubActionsThatIsAnObject(TestGithubActions):
    place_used, extra = BOTH, {"format": "json"}


class TestGithubActionsOfAnEnvironment(TestGithubActions):
    nowhere = {"environment": "nowhere"}  # noqa: RUF012 - settings of the variant under test

    @pytest.fixture
    def world(self, github):
        return World(github, ENVIRONMENT)


class TestGithubActionsOfAnOrganization(TestGithubActions):
    nowhere = {"organization": "nowhere"}  # noqa: RUF012 - settings of the variant under test

    @pytest.fixture
    def world(self, github):
        return World(github, ORGANIZATION)
