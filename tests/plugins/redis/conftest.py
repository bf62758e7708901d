"""A real Redis, and what stands between the tests and it."""

import itertools
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from rotator.model import Credential, Secret
from rotator.target import Runtime
from rotator.testing.servers.redis import RedisServer, binary
from rotator.testing.set_contract import SetBench
from rotator_redis import RedisUser
from rotator_redis.connection import RedisConnection, RedisUserSettings

NUMBERS = itertools.count(1)
ADMIN_PASSWORD = "admin of the tests 0"


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    if binary() is None:
        pytest.skip("no Redis here")
    with RedisServer(tls=True) as server:
        yield server


class RedisBench(SetBench):
    """A user of its own, an admin with exactly its rights, and one without; all dropped at the end."""

    driver = "redis"  # there is none: the law also sees that nothing is connected
    timeout = 0.4

    def __init__(self, server, *, max_live=2, tls="off", persist="acl_file", ends_sessions=False, rules=(), user="app`{}'\"", **config):
        self.server, self.tls, self.persist, self.config = server, tls, persist, {"max_live": max_live, **config}
        number = next(NUMBERS)
        self.user, self.admin, self.weak = user.format(number), f"rot{number}", f"weak\\{number}"
        self.current = Credential(name=self.user, secret=Secret('the first ü \' % \\ "one"'))
        if ends_sessions:
            self.config["terminate_sessions"] = True
        server.create_user(self.user, self.current.secret, "~*", "+@read")
        server.create_admin(self.admin, Secret(ADMIN_PASSWORD), *(["+client|kill"] if ends_sessions else []), *rules)
        if persist != "config_file":
            server.create_user(self.weak, Secret(ADMIN_PASSWORD))

    def connection(self, admin="good", **more):
        settings = {"host": "127.0.0.1", "port": self.server.port, "tls": self.tls, "persist": self.persist, **more}
        name = self.weak if admin == "weak" else self.admin
        return RedisConnection.model_validate({**settings, "admin": {"username": name, "password": {"env": "REDIS_ADMIN_PASSWORD"}}})

    def make_target(self, *, timeout=10.0, fence=1, admin="good", connection=None, **config):
        password = "wrong" if admin == "wrong" else ADMIN_PASSWORD
        runtime = Runtime(reveal=lambda _: Secret(password), now=lambda: datetime.now(UTC), timeout=timeout, fence=fence)
        settings = RedisUserSettings.model_validate({"username": self.user, **self.config, **config})
        return RedisUser(connection or self.connection(admin), settings, runtime)

    def make_credential(self, secret=None):
        return Credential(name=self.user, secret=Secret(secret or f"new secret {next(NUMBERS)} of 'them'"))

    def logs_in(self, credential):
        return self.server.logs_in(credential.name, credential.secret)

    def state(self):
        return self.server.users()

    def alter(self, *rules):
        self.server.alter(self.user, *rules)

    def remove(self, credential):
        self.server.drop(credential.name)

    def paste(self, fix):
        self.server.query(*shlex.split(fix))

    def meddle(self, credential):
        self.server.add_password(credential.name, Secret("set by another hand"))

    @contextmanager
    def down(self):
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()

    def frozen(self):
        return self.server.frozen()


@pytest.fixture
def make_bench(redis) -> Iterator[type]:
    """Makes benches: what `RedisBench` takes."""
    made = []

    def make(server=redis, **options):
        made.append(RedisBench(server, **options))
        return made[-1]

    yield make
    for each in made:
        if each.server is redis:
            redis.drop(each.user, each.admin, each.weak)
