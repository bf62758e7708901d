"""Real PostgreSQL servers (Debian's, and the newest in a wheel), and what stands between the tests and them."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from rotator.model import Credential, Secret
from rotator.target import Runtime
from rotator.testing.servers.postgres import PostgresServer, debian_bindir
from rotator.testing.set_contract import SetBench
from rotator_postgres import PostgresUser
from rotator_postgres.connection import PostgresConnection, PostgresUserSettings

NUMBERS = itertools.count(1)
ADMIN_PASSWORD = "admin of the tests 0"


@pytest.fixture(scope="session")
def debian() -> Iterator[PostgresServer]:
    if debian_bindir() is None:
        pytest.skip("no PostgreSQL of the distribution")
    with PostgresServer("debian", log_statements=True) as server:
        server.query("CREATE DATABASE shared")
        yield server


@pytest.fixture(scope="session")
def newest() -> Iterator[PostgresServer]:
    with PostgresServer("wheel", log_statements=True) as server:
        server.query("CREATE DATABASE shared")
        yield server


class PostgresBench(SetBench):
    """Two users of its own, an admin, and a database; all dropped at the end."""

    driver = "psycopg"
    timeout = 0.3

    def __init__(self, server, shape="alternating", admin_is="createrole", tls="off", own_database=False):
        self.server, self.shape, self.tls, self.own_database = server, shape, tls, own_database
        number = next(NUMBERS)
        self.a, self.b = f"app{number}_a", f'app{number} "B"'
        self.admin, self.weak, self.dbname = f"rot{number}", f"weak{number}", f"db{number}" if own_database else "shared"
        if own_database:
            server.query(f"CREATE DATABASE {self.dbname}")
        server.create_user(self.admin, Secret(ADMIN_PASSWORD), "LOGIN SUPERUSER" if admin_is == "superuser" else "LOGIN CREATEROLE")
        server.create_user(self.weak, Secret(ADMIN_PASSWORD))
        self.current = Credential(name=self.a, secret=Secret('the first ü \' % \\ "one"'))
        server.create_user(self.a, self.current.secret)
        server.create_user(self.b, None, "NOLOGIN")
        if admin_is != "superuser":
            self.grant()

    def grant(self):
        server = self.server
        if self.shape == "alternating":
            server.query(f"GRANT pg_signal_backend TO {self.admin}")
        if int(server.query("SHOW server_version_num")[0][0]) >= 160000:
            for user in (self.a, self.b):
                server.query(f"GRANT {quoted(user)} TO {self.admin} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")

    def connection(self, admin="good", **more):
        settings = {"host": "127.0.0.1", "port": self.server.port, "tls": self.tls, **more}
        name = self.weak if admin == "weak" else self.admin
        return PostgresConnection.model_validate({**settings, "admin": {"username": name, "password": {"env": "PG_ADMIN_PASSWORD"}}})

    def make_target(self, *, timeout=10.0, fence=1, admin="good", connection=None, **config):
        users = {"usernames": (self.a, self.b)} if self.shape == "alternating" else {"username": self.a}
        password = "wrong" if admin == "wrong" else ADMIN_PASSWORD
        runtime = Runtime(reveal=lambda _: Secret(password), now=lambda: datetime.now(UTC), timeout=timeout, fence=fence)
        settings = PostgresUserSettings.model_validate({"dbname": self.dbname, **users, **config})
        return PostgresUser(connection or self.connection(admin), settings, runtime)

    def make_credential(self, secret=None):
        name = self.b if self.shape == "alternating" else self.a
        return Credential(name=name, secret=Secret(secret or f"new secret {next(NUMBERS)} of 'them'"))

    def logs_in(self, credential):
        return self.server.logs_in(credential.name, credential.secret, self.dbname)

    def state(self):
        names = f"rolname IN ('{self.a}', '{self.b}', '{self.admin}', '{self.weak}')"
        return self.server.query(
            "SELECT to_jsonb(a) || jsonb_build_object('comment', shobj_description(oid, 'pg_authid'),"
            f" 'settings', (SELECT array_agg(setconfig) FROM pg_db_role_setting WHERE setrole = a.oid)) FROM pg_authid a WHERE {names}"
        )

    def remove(self, credential):
        self.server.query(f"DROP ROLE IF EXISTS {quoted(credential.name)}")

    def paste(self, fix):
        self.server.query(fix)

    def meddle(self, credential):
        verifier = self.server.verifier(credential.name, Secret("set by another hand"))
        self.server.query(f"ALTER ROLE {quoted(credential.name)} LOGIN PASSWORD '{verifier}'")

    @contextmanager
    def down(self):
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()

    def frozen(self):
        return self.server.frozen()

    @staticmethod
    def quoted(name):
        return quoted(name)

    def drop(self):
        if self.own_database:
            self.server.query(f"DROP DATABASE IF EXISTS {self.dbname} WITH (FORCE)")
        for role in (self.a, self.b, self.admin, self.weak):
            self.server.query(f"DROP ROLE IF EXISTS {quoted(role)}")


def quoted(name):
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


@pytest.fixture
def make_bench(request) -> Iterator[type]:
    """Makes benches: the name of a server's fixture, then what `PostgresBench` takes."""
    made = []

    def make(server="debian", **options):
        made.append(PostgresBench(request.getfixturevalue(server), **options))
        return made[-1]

    yield make
    for each in made:
        each.drop()
