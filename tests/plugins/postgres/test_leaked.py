"""Whoever holds the old password cannot keep it from being revoked; what nobody can tell to be ours is left alone."""

from contextlib import ExitStack, closing, contextmanager

import pytest

from rotator.model import Credential, Secret
from rotator.target import Conflict, Foreign, Level, Unfit, Unreachable
from rotator.testing.servers.postgres import PostgresServer
from rotator.testing.target_contract import raised
from tests.plugins.postgres.both import SERVERS
from tests.plugins.postgres.rules import host_rules

CALLS = pytest.mark.parametrize("call", ["revoke", "disable"])


@contextmanager
def sessions(bench, number=2):
    """The old password holds so many."""
    with ExitStack() as held:
        for _ in range(number):
            held.enter_context(bench.server.connect(bench.a, bench.current.secret, bench.dbname))
        yield


def role(bench):
    return bench.server.query("SELECT rolcanlogin, rolpassword IS NOT NULL FROM pg_authid WHERE rolname = %s", (bench.a,))[0]


def rotated(bench):
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    return new


def end(bench, call, new):
    """How the call ends: what it raised, and whether the role may log in, and has a password."""
    return type(raised(lambda: getattr(bench.make_target(), call)(bench.current, [new]))), *role(bench)


LOCKED = {"revoke": (type(None), False, False), "disable": (type(None), False, True)}


@SERVERS
class TestWhatTheHolderCanDo:
    @pytest.fixture
    def bench(self, make_bench, server):
        return make_bench(server, own_database=True)

    @CALLS
    @pytest.mark.parametrize("limit", ["ROLE {a}", "DATABASE {dbname}"])
    def test_sessions_up_to_a_limit_do_not_keep_the_role_from_being_locked(self, bench, limit, call):
        new = rotated(bench)
        bench.server.query(f"ALTER {limit.format(a=bench.a, dbname=bench.dbname)} CONNECTION LIMIT 2")
        with sessions(bench):
            error = raised(lambda: bench.make_target().verify(bench.current))
            assert (type(error), error.code) == (Unreachable, "53300")
            assert end(bench, call, new) == LOCKED[call]
        bench.server.query(f"ALTER DATABASE {bench.dbname} CONNECTION LIMIT -1")
        assert (bench.logs_in(bench.current), bench.logs_in(new)) == (False, True)

    @CALLS
    @pytest.mark.parametrize("setting", ["local_preload_libraries = 'nowhere'", "statement_timeout = '1ms'", "role = 'none'"])
    def test_settings_that_a_role_writes_for_itself_do_not_keep_it_from_being_locked(self, bench, setting, call):
        new = rotated(bench)
        with bench.server.connect(bench.a, bench.current.secret) as holder:
            holder.execute(f"ALTER ROLE {bench.a} SET {setting}")
        assert end(bench, call, new) == LOCKED[call]

    @CALLS
    def test_a_database_that_takes_no_connections_does_not_keep_the_role_from_being_locked(self, bench, call):
        new = rotated(bench)
        bench.server.query(f"ALTER DATABASE {bench.dbname} ALLOW_CONNECTIONS false")
        assert end(bench, call, new) == LOCKED[call]

    def test_a_change_of_its_own_that_it_does_not_end_does_not_keep_the_role_from_being_locked(self, bench):
        new = rotated(bench)
        with closing(bench.server.connect(bench.a, bench.current.secret)) as holder:
            holder.execute("BEGIN")
            holder.execute(f"ALTER ROLE {bench.a} PASSWORD 'of the holder'")
            assert raised(lambda: bench.make_target(timeout=5).revoke(bench.current, [new])) is None
        assert role(bench) == (False, False)

    def test_a_runner_that_was_overtaken_ends_no_change_of_a_role(self, bench):
        bench.make_target(fence=7).apply(bench.current, [])
        with bench.server.connect(bench.a, bench.current.secret) as consumer:
            consumer.execute("BEGIN")
            consumer.execute(f"ALTER ROLE {bench.a} PASSWORD 'of the consumer'")
            assert isinstance(raised(lambda: bench.make_target(timeout=1, fence=6).revoke(bench.current, [])), Conflict | Unreachable)
            assert consumer.execute("SELECT 1").fetchone() == (1,)
            consumer.execute("ROLLBACK")
        assert isinstance(raised(lambda: bench.make_target(fence=6).revoke(bench.current, [])), Conflict)
        assert bench.logs_in(bench.current)

    @CALLS
    def test_where_no_connection_is_free_a_password_that_somebody_else_set_is_still_foreign(self, bench, call):
        new = rotated(bench)
        bench.server.query(f"ALTER ROLE {bench.a} CONNECTION LIMIT 2")
        with sessions(bench):
            bench.meddle(bench.current)
            assert end(bench, call, new) == (Foreign, True, True)

    def test_a_password_that_is_right_where_no_connection_is_free_is_not_dead_and_the_mend_gives_room(self, bench):
        bench.server.query(f"ALTER ROLE {bench.a} CONNECTION LIMIT 2")
        with sessions(bench):
            error = raised(lambda: bench.make_target().confirm_dead(bench.current))
            assert (type(error), error.code) == (Unfit, "53300")
            bench.paste(error.fix)
            bench.server.query("SELECT pg_stat_clear_snapshot(), pg_sleep(0.3)")
            assert bench.make_target().verify(bench.current) == bench.a


PAST = "VALID UNTIL '2020-01-01'"


@SERVERS
class TestWhereValidUntilIsPast:
    """Another way to shut a leaked password out: every password is refused, so a refusal tells nothing of whose it is."""

    @pytest.fixture
    def bench(self, make_bench, server):
        return make_bench(server)

    @CALLS
    @pytest.mark.parametrize("until", [PAST, "VALID UNTIL '-infinity'"])
    def test_the_role_is_locked_all_the_same(self, bench, until, call):
        new = rotated(bench)
        bench.server.query(f"ALTER ROLE {bench.a} {until}")
        assert end(bench, call, new) == LOCKED[call]
        assert bench.make_target().confirm_dead(bench.current)

    @CALLS
    def test_while_it_is_not_past_a_password_that_somebody_else_set_is_foreign(self, bench, call):
        new = rotated(bench)
        bench.meddle(bench.current)
        bench.server.query(f"ALTER ROLE {bench.a} VALID UNTIL '2901-01-01'")
        assert end(bench, call, new) == (Foreign, True, True)

    @pytest.mark.parametrize(("year", "level"), [(2020, Level.FAIL), (2901, Level.WARN)])
    def test_no_mend_of_check_gives_the_old_password_a_longer_life(self, bench, year, level):
        new = rotated(bench)
        bench.server.query(f"ALTER ROLE {bench.a} VALID UNTIL '{year}-01-01'")
        (told,) = [each for each in bench.make_target().check([new, bench.current]) if each.code == "principal.expired"]
        bench.paste(told.fix)
        until = bench.server.query("SELECT rolvaliduntil::text FROM pg_roles WHERE rolname = %s", (bench.a,))[0][0]
        assert (told.level, bench.logs_in(bench.current)) == (level, level is Level.WARN)
        assert role(bench) == (False, False) or until.startswith(str(year))

    def test_once_nobody_holds_its_password_the_mend_leaves_the_role_ready_for_the_next(self, bench):
        new = rotated(bench)
        for until in (PAST, "VALID UNTIL '2901-01-01'"):
            bench.make_target().revoke(bench.current, [new])
            bench.server.query(f"ALTER ROLE {bench.a} {until}")
            told = [each for each in bench.make_target().check([new]) if each.code == "principal.expired"]
            assert len(told) == 1
            bench.paste(told[0].fix)
            assert [each for each in bench.make_target().check([new]) if each.code == "principal.expired"] == []
            bench.make_target().apply(bench.current, [new])
            assert bench.logs_in(bench.current)

    def test_the_role_in_use_is_given_back_to_its_consumers(self, bench):
        bench.server.query(f"ALTER ROLE {bench.a} {PAST}")
        (told,) = [each for each in bench.make_target().check([bench.current]) if each.code == "principal.expired"]
        bench.paste(told.fix)
        assert bench.logs_in(bench.current)


@SERVERS
def test_the_mend_of_a_role_without_a_free_connection_works_for_any_name(make_bench, server):
    bench, odd = make_bench(server), Credential(name='it\'s "theirs"', secret=Secret("right"))
    bench.server.create_user(odd.name, odd.secret, "LOGIN CONNECTION LIMIT 1")
    target = bench.make_target(usernames=(odd.name, bench.b))
    try:
        with bench.server.connect(odd.name, odd.secret):
            error = raised(lambda: target.verify(odd))
            assert (type(error), error.code) == (Unreachable, "53300")
            bench.paste(error.fix)
            bench.server.query("SELECT pg_sleep(0.3)")
            assert target.verify(odd) == odd.name
    finally:
        bench.server.query(f"DROP ROLE {bench.quoted(odd.name)}")


@SERVERS
class TestWherePgHbaRejects:
    """What an operator does first when a password has leaked. Nobody is asked for a password, so nobody knows whose it is."""

    @pytest.fixture
    def bench(self, make_bench, server):
        return make_bench(server)

    @CALLS
    def test_nothing_is_locked_blindly_and_the_statement_that_is_told_ends_it(self, bench, call):
        new = rotated(bench)
        with host_rules(bench.server, f'host all "{bench.a}" 127.0.0.1/32 reject'):
            assert end(bench, call, new) == (Unreachable, True, True)
            error = raised(lambda: getattr(bench.make_target(), call)(bench.current, [new]))
            bench.paste(error.fix)
            assert end(bench, call, new) == (type(None), False, False)
            assert isinstance(raised(lambda: bench.make_target().confirm_dead(bench.current)), Unreachable)
        assert bench.make_target().confirm_dead(bench.current).startswith("28P01")
        assert bench.logs_in(new)

    def test_no_mend_lets_the_old_password_in(self, bench):
        with host_rules(bench.server, f'host all "{bench.a}" 127.0.0.1/32 reject'):
            target = bench.make_target()
            fixes = [
                raised(lambda call=call: call(bench.current)).fix for call in (target.confirm_dead, lambda old: target.revoke(old, []))
            ]
            bench.paste(fixes[0])
        assert fixes[0] == fixes[1]
        assert not bench.logs_in(bench.current)

    def test_of_a_role_in_place_no_mend_locks_out_its_consumers(self, make_bench, server):
        bench = make_bench(server, shape="in place")
        with host_rules(bench.server, f'host all "{bench.a}" 127.0.0.1/32 reject'):
            error = raised(lambda: bench.make_target().confirm_dead(bench.current))
        assert isinstance(error, Unreachable)
        assert "NOLOGIN" not in error.fix


@pytest.mark.parametrize("binaries", ["debian", "wheel"])
def test_a_server_that_is_full_itself_tells_nothing_of_the_password_and_one_with_reserved_connections_does(make_bench, binaries):
    from datetime import UTC, datetime

    from rotator.target import Runtime
    from rotator_postgres import PostgresUser
    from rotator_postgres.connection import PostgresConnection, PostgresUserSettings

    old, password = Credential(name="a", secret=Secret("old")), Secret("of the admin")
    settings = {"max_connections": "4", "superuser_reserved_connections": "1", "max_wal_senders": "0"}
    with PostgresServer(binaries, settings=settings | ({} if binaries == "debian" else {"reserved_connections": "0"})) as server:
        server.create_user("a", old.secret)
        server.create_user("rot", password, "LOGIN SUPERUSER")
        admin = {"username": "rot", "password": {"env": "X"}}
        where = PostgresConnection.model_validate({"host": "127.0.0.1", "port": server.port, "tls": "off", "admin": admin})
        what = PostgresUserSettings.model_validate({"dbname": "postgres", "usernames": ("a", "b")})
        target = PostgresUser(where, what, Runtime(reveal=lambda _: password, now=lambda: datetime.now(UTC), timeout=5, fence=1))
        target.clock()
        with server.connect("a", old.secret):
            with server.connect(server.superuser, server.password):
                error = raised(lambda: target.revoke(old, []))
                assert isinstance(error, Unreachable)
                assert error.code == "53300"
                assert server.query("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'a'") == [(True,)]
                assert ("a", "postgres", 1) in server.query(error.fix)
            server.query("SELECT pg_sleep(0.3)")
            assert raised(lambda: target.verify(old)).code == "53300"
            target.revoke(old, [])
        assert server.query("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'a'") == [(False,)]
        target.close()
