"""A real MariaDB, and what stands between the tests and it."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from rotator.model import Credential, Secret
from rotator.target import Runtime
from rotator.testing.servers.mariadb import MariaDbServer, binary, quoted
from rotator.testing.set_contract import SetBench
from rotator_mysql import MysqlUser
from rotator_mysql.connection import MysqlConnection, MysqlUserSettings

NUMBERS = itertools.count(1)
ADMIN_PASSWORD = "admin of the tests 0"


@pytest.fixture(scope="session")
def maria() -> Iterator[MariaDbServer]:
    if binary() is None:
        pytest.skip("no MariaDB here")
    with MariaDbServer(tls=True) as server:
        server.query("CREATE DATABASE shop")
        yield server


class MysqlBench(SetBench):
    """An account of its own, an admin with exactly its rights, and one without; all dropped at the end."""

    driver = "pymysql"
    timeout = 0.4

    def __init__(self, server, *, max_live=2, tls="off", ends_sessions=False, **config):
        self.server, self.tls, self.config = server, tls, {"max_live": max_live, **config}
        number = next(NUMBERS)
        self.user, self.admin, self.weak = f"app`{number}'", f"rot{number}", f"weak{number}"
        self.host = config.get("host", "%")
        self.current = Credential(name=self.user, secret=Secret('the first ü \' % \\ "one"'))
        server.create_user(self.user, self.current.secret, self.host)
        server.create_admin(self.admin, Secret(ADMIN_PASSWORD))
        server.create_user(self.weak, Secret(ADMIN_PASSWORD))
        if ends_sessions:
            self.config["terminate_sessions"] = True
            server.query(f"GRANT PROCESS, CONNECTION ADMIN ON *.* TO {quoted(self.admin)}")

    def connection(self, admin="good", **more):
        settings = {"host": "127.0.0.1", "port": self.server.port, "tls": self.tls, **more}
        name = self.weak if admin == "weak" else self.admin
        return MysqlConnection.model_validate({**settings, "admin": {"username": name, "password": {"env": "MYSQL_ADMIN_PASSWORD"}}})

    def make_target(self, *, timeout=10.0, fence=1, admin="good", connection=None, **config):
        password = "wrong" if admin == "wrong" else ADMIN_PASSWORD
        runtime = Runtime(reveal=lambda _: Secret(password), now=lambda: datetime.now(UTC), timeout=timeout, fence=fence)
        settings = MysqlUserSettings.model_validate({"username": self.user, **self.config, **config})
        return MysqlUser(connection or self.connection(admin), settings, runtime)

    def make_credential(self, secret=None):
        return Credential(name=self.user, secret=Secret(secret or f"new secret {next(NUMBERS)} of 'them'"))

    def logs_in(self, credential):
        return self.server.logs_in(credential.name, credential.secret)

    def priv(self):
        """What the server keeps of the account."""
        return self.server.query("SELECT Priv FROM mysql.global_priv WHERE User = %s AND Host = %s", (self.user, self.host))[0][0]

    def state(self):
        return self.server.query("SELECT * FROM mysql.global_priv WHERE User IN (%s, %s, %s)", (self.user, self.admin, self.weak))

    def alter(self, change):
        self.server.query(f"ALTER USER {quoted(self.user, self.host)} {change}")

    def remove(self, credential):
        self.server.query(f"DROP USER IF EXISTS {quoted(credential.name, self.host)}")

    def paste(self, fix):
        """As an operator does it, who also follows what stands behind a statement that shows the ways in."""
        shows, _, then = fix.partition("; -- send what it shows again as ALTER USER, without number ")
        if then:
            gone = {int(each) for each in re.findall(r"\d+", then.partition(" of ")[0])}
            shown = self.server.query(shows.rpartition("\n")[2])[0][0].removeprefix("CREATE")
            name, ways, rest = re.fullmatch(r"(.* IDENTIFIED VIA )(.*?)((?: REQUIRE| WITH| PASSWORD EXPIRE| ACCOUNT).*|)", shown).groups()
            left = [each for number, each in enumerate(ways.split(" OR "), 1) if number not in gone]
            fix = f"ALTER{name}{' OR '.join(left)}{rest}"
        for each in fix.rstrip(";").split("; "):
            self.server.query(each)

    def meddle(self, credential):
        self.server.add_password(credential.name, Secret("set by another hand"), self.host)

    @contextmanager
    def down(self):
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()

    def frozen(self):
        return self.server.frozen()

    def drop(self):
        self.server.query(f"DROP USER IF EXISTS {quoted(self.user, self.host)}, {quoted(self.admin)}, {quoted(self.weak)}")


@pytest.fixture
def make_bench(maria) -> Iterator[type]:
    """Makes benches: what `MysqlBench` takes."""
    made = []

    def make(**options):
        made.append(MysqlBench(maria, **options))
        return made[-1]

    yield make
    for each in made:
        each.drop()


@contextmanager
def setting(bench, name, value):
    """A setting of the server's while the `with` lasts."""
    before = bench.server.query(f"SELECT @@GLOBAL.{name}")[0][0]
    bench.server.query(f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        bench.server.query(f"SET GLOBAL {name} = {before}")
        bench.server.query("FLUSH PRIVILEGES")
