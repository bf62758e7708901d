"""A GitLab, and destinations on it."""

import itertools
from dataclasses import dataclass, field

from rotator.destination import Place
from rotator.destinations.gitlab_variable import GitlabVariable, GitlabVariableSettings
from rotator.testing.destination_contract import runtime
from rotator.testing.servers.gitlab import GitlabServer, Token

KEY = "DB_LOGIN"
ONE = Place("ci", KEY, {"value": "password"})
BOTH = Place("ci", KEY, {"user": "username", "password": "password"})
_numbers = itertools.count(1)


@dataclass
class World:
    """One test's own project, so that tests share a server."""

    server: GitlabServer
    project: str = field(default_factory=lambda: f"team/app-{next(_numbers)}")
    kind: str = "project"

    def __post_init__(self):
        self.server.before = lambda _: None
        self.server.variables[self.holder] = []
        self.server.tokens["the-token"] = Token({self.holder: "maintainer" if self.kind == "project" else "owner"})

    @property
    def holder(self):
        return f"{self.kind}s/{self.project}"

    def settings(self, **more):
        given = {"api_url": f"{self.server.url}/api/v4", "token": {"env": "TOKEN"}, "create": True, self.kind: self.project}
        return GitlabVariableSettings.model_validate({**given, **more})

    def destination(self, token="the-token", **more):
        return GitlabVariable(self.settings(**more), runtime(TOKEN=token))

    def put(self, value, **more):
        return self.server.put(self.holder, KEY, value, **more)

    @property
    def variable(self):
        (found,) = [each for each in self.server.variables[self.holder] if each["key"] == KEY]
        return found
