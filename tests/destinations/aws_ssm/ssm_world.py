"""A moto with Parameter Store, a login of each test, and destinations on it."""

import itertools
from dataclasses import dataclass, field
from functools import cache

from rotator.destination import Place
from rotator.destinations.aws_ssm import AwsSsm, AwsSsmSettings
from rotator.destinations.aws_ssm.policy import Policy
from rotator.testing.destination_contract import runtime
from rotator.testing.servers.moto import ACCOUNT, REGION, MotoServer

_numbers = itertools.count(1)


@cache
def root_of(server):
    """A client that may do everything."""
    return server.client("ssm", server.admin_key)


@dataclass
class World:
    """One test's own parameters, so that tests share a server."""

    server: MotoServer
    number: int = field(default_factory=lambda: next(_numbers))
    url: str = ""
    key: tuple[str, str] = ("", "")

    def __post_init__(self):
        self.path, self.user = f"team{self.number}/db", f"rotator-{self.number}"
        self.name = f"/{self.path}"
        self.one = Place("parameters", self.path, {"value": "password"})
        self.both = Place("parameters", self.path, {"user": "username", "password": "password"})
        self.root, self.made = root_of(self.server), {}
        if not self.key[0]:
            self.key = self.server.create_admin(self.user, self.policy())

    def policy(self):
        return Policy(AwsSsmSettings(region=REGION, account=ACCOUNT)).document([self.name])

    def settings(self, **more):
        key = {"access_key_id": self.key[0], "secret_access_key": {"env": "KEY"}}
        given = {"region": REGION, "endpoint_url": self.url or self.server.url, "create": True, "credentials": key}
        return AwsSsmSettings.model_validate({**given, **more})

    def new(self, secret="", **more):
        return AwsSsm(self.settings(**more), runtime(KEY=secret or self.key[1]))

    def destination(self, secret="", **more):
        """One for the same settings: a session of boto3 takes its time."""
        asked = (secret, self.url, str(more))
        if asked not in self.made:
            self.made[asked] = self.new(secret, **more)
        return self.made[asked]

    def put(self, value, kind="SecureString", name=""):
        self.root.put_parameter(Name=name or self.name, Value=value, Type=kind, Overwrite=True)

    def shown(self, name=""):
        return self.root.get_parameter(Name=name or self.name, WithDecryption=True)["Parameter"]
