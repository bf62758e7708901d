"""A GitHub, and destinations on it."""

import itertools
from dataclasses import dataclass, field

from rotator.destination import Place
from rotator.destinations.github_actions import GithubActions, GithubActionsSettings
from rotator.testing.destination_contract import runtime
from rotator.testing.servers.github import GithubServer, Holder, Token

NAME = "DB_LOGIN"
ONE = Place("ci", NAME, {"value": "password"})
BOTH = Place("ci", NAME, {"user": "username", "password": "password"})
REPOSITORY, ENVIRONMENT, ORGANIZATION = "repository", "environment", "organization"
_numbers = itertools.count(1)


@dataclass
class World:
    """One test's own repository, environment or organization, so that tests share a server."""

    server: GithubServer
    kind: str = REPOSITORY
    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self):
        self.server.before = lambda _: None
        self.server.requests.clear()
        self.server.holders[self.holder] = Holder()
        self.server.tokens["the-token"] = Token({self.holder: "write"})

    @property
    def holder(self):
        below = "/environments/prod/eu" if self.kind == ENVIRONMENT else ""
        return f"orgs/team-{self.number}" if self.kind == ORGANIZATION else f"repos/team/app-{self.number}{below}"

    def settings(self, **more):
        given = {
            REPOSITORY: {"repository": f"team/app-{self.number}"},
            ENVIRONMENT: {"repository": f"team/app-{self.number}", "environment": "prod/eu"},
            ORGANIZATION: {"organization": f"team-{self.number}", "visibility": "private"},
        }[self.kind]
        given = {"api_url": self.server.url, "token": {"env": "TOKEN"}, "create": True, **given, **more}
        return GithubActionsSettings.model_validate(given)

    def destination(self, token="the-token", **more):
        return GithubActions(self.settings(**more), runtime(TOKEN=token))

    def put(self, value="theirs", **more):
        self.server.put(self.holder, NAME, value, **more)

    def held(self, name=NAME):
        return self.server.value(self.holder, name) if name in self.secrets else None

    @property
    def secrets(self):
        return self.server.holders[self.holder].secrets

    @property
    def asked(self):
        return [(each.method, each.path.rpartition("/")[2].partition("?")[0]) for each in self.server.requests]
