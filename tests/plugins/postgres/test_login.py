"""What a failed login means, on real servers: a no, let in but unfit, or no answer."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from rotator.model import Credential, Secret
from rotator.target import Denied, Rejected, Unfit, Unreachable
from rotator.testing.servers.postgres import PostgresServer, debian_bindir
from rotator.testing.target_contract import raised
from rotator_postgres import verbosity
from tests.plugins.postgres.both import SERVERS
from tests.plugins.postgres.rules import host_rules


def verdict(bench, credential=None, **config):
    """Type and code of what a login of current (or another) raises."""
    error = raised(lambda: bench.make_target(**config).verify(credential or bench.current))
    return type(error), getattr(error, "code", None)


def alter(bench, change):
    bench.server.query(f'ALTER ROLE "{bench.a}" {change}')


@SERVERS
class TestRejected:
    @pytest.fixture
    def bench(self, make_bench, server):
        return make_bench(server)

    def test_a_wrong_password(self, bench):
        assert verdict(bench, Credential(name=bench.a, secret=Secret("wrong"))) == (Rejected, "28P01")

    def test_a_role_that_does_not_exist(self, bench):
        assert verdict(bench, Credential(name="ghost", secret=Secret("wrong"))) == (Rejected, "28P01")

    def test_a_role_that_may_not_log_in(self, bench):
        alter(bench, "NOLOGIN")
        assert verdict(bench) == (Rejected, "28000")
        assert verdict(bench, Credential(name=bench.a, secret=Secret("wrong"))) == (Rejected, "28P01")

    def test_a_role_without_password(self, bench):
        alter(bench, "PASSWORD NULL")
        assert verdict(bench) == (Rejected, "28P01")

    def test_a_role_whose_validity_is_over(self, bench):
        alter(bench, "VALID UNTIL '2001-01-01'")
        assert verdict(bench) == (Rejected, "28P01")


@SERVERS
class TestUnfit:
    @pytest.fixture
    def bench(self, make_bench, server):
        return make_bench(server)

    def test_a_role_that_may_not_connect_to_the_database_is_alive(self, make_bench, server):
        bench = make_bench(server, own_database=True)
        bench.server.query(f"REVOKE CONNECT ON DATABASE {bench.dbname} FROM PUBLIC")
        assert verdict(bench) == (Unfit, "42501")
        error = raised(lambda: bench.make_target().confirm_dead(bench.current))
        assert isinstance(error, Unfit)
        bench.paste(error.fix)
        assert bench.make_target().verify(bench.current) == bench.a

    def test_a_database_that_does_not_exist(self, bench):
        assert verdict(bench, dbname="nowhere") == (Unfit, "3D000")

    def test_options_that_the_server_does_not_know(self, bench):
        assert verdict(bench, options={"no_such_setting": "1"}) == (Unfit, "42704")

    def test_options_of_consumers_are_taken_as_they_take_them(self, bench):
        options = {"search_path": 'a, "b c"', "application_name": "orders \\ 'x'"}
        assert bench.make_target(options=options).verify(bench.current) == bench.a

    def test_a_role_whose_sessions_act_as_another_is_still_itself(self, bench):
        bench.server.query(f'CREATE ROLE "{bench.a}_owner"; GRANT "{bench.a}_owner" TO "{bench.a}"')
        alter(bench, f"SET role = '{bench.a}_owner'")
        assert bench.make_target().verify(bench.current) == bench.a
        bench.server.query(f'DROP ROLE "{bench.a}_owner"')


@SERVERS
class TestUnreachable:
    @pytest.fixture
    def bench(self, make_bench, server):
        return make_bench(server)

    def test_no_free_connection_of_the_role(self, bench):
        alter(bench, "CONNECTION LIMIT 0")
        assert verdict(bench) == (Unreachable, "53300")
        assert verdict(bench, Credential(name=bench.a, secret=Secret("wrong"))) == (Rejected, "28P01")

    def test_a_database_that_takes_no_connections(self, make_bench, server):
        bench = make_bench(server, own_database=True)
        bench.server.query(f"ALTER DATABASE {bench.dbname} ALLOW_CONNECTIONS false")
        assert verdict(bench) == (Unreachable, "55000")
        bench.server.query(f"ALTER DATABASE {bench.dbname} ALLOW_CONNECTIONS true")

    def test_a_host_rule_that_rejects_is_no_word_about_the_password(self, bench):
        with host_rules(bench.server, f'host all "{bench.a}" 127.0.0.1/32 reject'):
            assert verdict(bench) == (Unreachable, "28000")

    def test_no_host_rule_at_all(self, bench):
        with host_rules(bench.server, f"host all {bench.server.superuser} all scram-sha-256\n", alone=True):
            assert verdict(bench) == (Unreachable, "28000")

    @pytest.mark.parametrize("method", ["trust", "password", "ident"])
    def test_a_server_that_does_not_ask_by_scram_proves_nothing(self, bench, method):
        with host_rules(bench.server, f'host all "{bench.a}" 127.0.0.1/32 {method}'):
            assert verdict(bench)[0] is Unreachable
            assert verdict(bench, Credential(name=bench.a, secret=Secret("wrong")))[0] is Unreachable

    def test_an_admin_that_no_host_rule_lets_in(self, bench):
        with host_rules(bench.server, f'host all "{bench.admin}" 127.0.0.1/32 reject'):
            assert isinstance(raised(lambda: bench.make_target().check([])), Denied)


def test_a_full_server_is_unreachable():
    settings = {"max_connections": "4", "superuser_reserved_connections": "1", "max_wal_senders": "0"}
    with PostgresServer(settings=settings) as server:
        server.create_user("app", Secret("right"))
        held = [server.connect("app", Secret("right")) for _ in range(2)]
        held += [server.connect(server.superuser, server.password)]
        try:
            bench = plain(server)
            assert verdict(bench) == (Unreachable, "53300")
            assert verdict(bench, Credential(name="app", secret=Secret("wrong"))) == (Unreachable, "53300")
        finally:
            for each in held:
                each.close()


def plain(server, **connection):
    """A bench-like thing for a server that is set up by the test itself."""
    from datetime import UTC, datetime

    from rotator.target import Runtime
    from rotator_postgres import PostgresUser
    from rotator_postgres.connection import PostgresConnection, PostgresUserSettings

    class Plain:
        current = Credential(name="app", secret=Secret("right"))

        def make_target(self, **config):
            admin = {"username": server.superuser, "password": {"env": "X"}}
            settings = {"host": "127.0.0.1", "port": server.port, "tls": "off", "admin": admin, **connection}
            runtime = Runtime(reveal=lambda _: server.password, now=lambda: datetime.now(UTC), timeout=2)
            users = PostgresUserSettings.model_validate({"dbname": "postgres", "username": "app", **config})
            return PostgresUser(PostgresConnection.model_validate(settings), users, runtime)

    return Plain()


def test_a_name_that_does_not_resolve_is_unreachable(debian):
    assert verdict(plain(debian, host="no-such-host.invalid", tls={}))[0] is Unreachable


def test_a_server_that_is_no_postgresql_is_unreachable(debian):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begun = time.monotonic()
        assert verdict(plain(debian, port=listener.getsockname()[1]))[0] is Unreachable
        assert time.monotonic() - begun < 3


def test_a_socket_directory_needs_no_tls(debian, make_bench):
    bench = make_bench()
    target = bench.make_target(connection=bench.connection(host=debian.socket_dir, tls="off"))
    assert target.verify(bench.current) == bench.a
    assert target.check([bench.current])


@pytest.mark.parametrize("host", ["127.0.0.1", "socket"])
def test_variables_of_libpq_in_the_environment_change_nothing(debian, make_bench, monkeypatch, host):
    variables = {"PGHOSTADDR": "192.0.2.1", "PGOPTIONS": "-c no_such=1", "PGSSLMODE": "require", "PGREQUIREAUTH": "none", "PGUSER": "ghost"}
    for name, value in {**variables, "PGDATABASE": "nowhere", "PGPASSWORD": "wrong", "PGTARGETSESSIONATTRS": "standby"}.items():
        monkeypatch.setenv(name, value)
    bench = make_bench()
    connection = bench.connection(host=debian.socket_dir if host == "socket" else host)
    target = bench.make_target(connection=connection, timeout=3)
    assert target.verify(bench.current) == bench.a
    target.check([bench.current])


def service(monkeypatch, tmp_path, *lines):
    """PGSERVICE names a service that says this."""
    (tmp_path / "services").write_text("\n".join(["[odd]", *lines, ""]))
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGSERVICE", "odd")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGSSLNEGOTIATION", "direct"),
        ("PGMINPROTOCOLVERSION", "3.2"),
        ("PGCHANNELBINDING", "require"),
        ("PGSSLCERTMODE", "require"),
        ("PGREQUIREPEER", "ghost"),
        ("PGSSLMAXPROTOCOLVERSION", "TLSv1"),
    ],
)
@pytest.mark.parametrize("by", ["variable", "service"])
def test_what_the_environment_says_of_other_keywords_stops_no_login(make_bench, monkeypatch, tmp_path, name, value, by):
    from psycopg import pq

    keyword = next((each.keyword.decode() for each in pq.Conninfo.get_defaults() if each.envvar == name.encode()), None)
    if keyword is None:
        pytest.skip("this libpq has no such keyword")
    monkeypatch.setenv(name, value) if by == "variable" else service(monkeypatch, tmp_path, f"{keyword}={value}")
    bench = make_bench()
    target = bench.make_target(connection=bench.connection(host=bench.server.socket_dir) if name == "PGREQUIREPEER" else None)
    assert target.verify(bench.current) == bench.a
    assert {each.code for each in target.check([bench.current])} == {"login"}


def test_keys_of_a_service_never_prove_a_password(make_bench, monkeypatch, tmp_path):
    import base64

    from rotator_postgres.scram import derive

    bench = make_bench()
    bench.server.set_password(bench.a, Secret("right"))
    stored = bench.server.query("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (bench.a,))[0][0]
    keys = derive("right", 4096, base64.b64decode(stored.split("$")[1].partition(":")[2]))
    said = (f"scram_client_key={keys.client_key.reveal()}", f"scram_server_key={keys.server_key.reveal()}")
    service(monkeypatch, tmp_path, *said)
    error = raised(lambda: bench.make_target().verify(Credential(name=bench.a, secret=Secret("wrong"))))
    assert isinstance(error, Unreachable)
    assert ("PGSERVICE" in str(error), keys.client_key.reveal() in str(error)) == (True, False)


def test_a_service_that_is_nowhere_is_told(make_bench, monkeypatch):
    monkeypatch.setenv("PGSERVICE", "nowhere")
    bench = make_bench()
    error = raised(lambda: bench.make_target().verify(bench.current))
    assert isinstance(error, Unreachable)
    assert 'service "nowhere" not found' in str(error)


class TestWithoutTheCodes:
    """Where libpq cannot be told to show SQLSTATEs: the server's English words, and `Unreachable` when in doubt."""

    @pytest.fixture
    def bench(self, make_bench, monkeypatch):
        monkeypatch.setattr(verbosity, "_library", lambda: None)
        return make_bench()

    def test_a_wrong_password_is_still_rejected(self, bench):
        assert verdict(bench, Credential(name=bench.a, secret=Secret("wrong"))) == (Rejected, "28P01")

    def test_a_locked_role_is_still_rejected(self, bench):
        alter(bench, "NOLOGIN")
        assert verdict(bench) == (Rejected, "28000")

    def test_a_missing_database_is_still_unfit(self, bench):
        assert verdict(bench, dbname="nowhere") == (Unfit, "3D000")

    def test_a_host_rule_is_unreachable(self, bench):
        with host_rules(bench.server, f'host all "{bench.a}" 127.0.0.1/32 reject'):
            assert verdict(bench)[0] is Unreachable

    def test_a_name_that_reads_like_an_answer_does_not_pass_for_one(self, bench):
        odd = f'x" is not permitted to log in {bench.a}'
        with host_rules(bench.server, "host all all 127.0.0.1/32 reject"):
            assert verdict(bench, Credential(name=odd, secret=Secret("wrong")))[0] is Unreachable


def test_only_the_one_libpq_of_the_driver_is_ever_called():
    library = "/x/psycopg_binary.libs/libpq-e9.so.5.18"
    one = f"7f00-7f01 r--p 0000 00:00 1    {library}\n7f02-7f03 r-xp 0000 00:00 1 {library}\n"
    other = "7f04-7f05 r--p 0000 00:00 2 /usr/lib/libpq.so.5\n7f06-7f07 rw-p 0000 00:00 0 \n7f06-7f07 rw-p 0000 00:00 0 [heap]\n"
    assert verbosity.loaded_libpq(one) == [library]
    assert len(verbosity.loaded_libpq(one + other)) == 2


@pytest.fixture(scope="module")
def german():
    """A server that speaks German: its locale is made for the test, in a folder of its own."""
    words = Path("/usr/share/locale/de/LC_MESSAGES")
    bindir = debian_bindir()
    if bindir is None or not (words / f"postgres-{bindir.parent.name}.mo").exists() or not shutil.which("localedef"):
        pytest.skip("no German words of PostgreSQL here")
    locales = Path(tempfile.mkdtemp(prefix="locales-"))
    locales.chmod(0o755)  # the server runs as another user
    made = subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", locales / "de_DE.UTF-8"], capture_output=True, check=False)
    if made.returncode > 1:
        pytest.skip("the German locale cannot be made")
    with PostgresServer("debian", settings={"lc_messages": "de_DE.UTF-8"}, environment={"LOCPATH": str(locales)}) as server:
        server.create_user("app", Secret("right"))
        yield server
    shutil.rmtree(locales)


@pytest.mark.proof
class TestInGerman:
    def test_the_server_does_speak_german(self, german):
        import psycopg

        with pytest.raises(psycopg.OperationalError, match="Passwort-Authentifizierung"):
            german.connect("app", Secret("wrong"))

    def test_a_wrong_password_is_rejected(self, german):
        assert verdict(plain(german), Credential(name="app", secret=Secret("wrong"))) == (Rejected, "28P01")

    def test_a_locked_role_is_rejected(self, german):
        german.create_user("locked", Secret("right"), "NOLOGIN")
        assert verdict(plain(german), Credential(name="locked", secret=Secret("right"))) == (Rejected, "28000")

    def test_a_missing_database_is_unfit(self, german):
        assert verdict(plain(german), dbname="nirgends") == (Unfit, "3D000")

    def test_without_the_codes_nothing_is_taken_for_a_no(self, german, monkeypatch):
        monkeypatch.setattr(verbosity, "_library", lambda: None)
        assert verdict(plain(german), Credential(name="app", secret=Secret("wrong"))) == (Unreachable, None)
