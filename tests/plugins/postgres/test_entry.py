"""CHECK finds what no login of consumers can pass, before a change kills the password that they have; and it needs no password for it."""

import pytest

from rotator.target import Level, Unfit, Unreachable
from rotator.testing.target_contract import raised
from tests.plugins.postgres.both import SERVERS

SHAPES = pytest.mark.parametrize("shape", ["in place", "alternating"])


def told(bench, **config):
    """What is not well, without the password of anybody."""
    return [each for each in bench.make_target(**config).check([]) if each.level is not Level.OK]


@SERVERS
@SHAPES
class TestOptions:
    @pytest.fixture
    def bench(self, make_bench, server, shape):
        return make_bench(server, shape=shape)

    @pytest.mark.parametrize(
        ("name", "value"), [("statment_timeout", "5s"), ("statement_timeout", "soon"), ("max_connections", "5"), ("a..b", "1")]
    )
    def test_the_one_that_the_server_does_not_take_is_a_failure_that_names_it(self, bench, name, value):
        options = {"search_path": "orders", name: value, "app.name": "x"}
        found = told(bench, options=options)
        assert [(each.level, each.code) for each in found] == [(Level.FAIL, "fitness")]
        assert (f" {name} of `options`" in found[0].text, "search_path" in found[0].text) == (True, False)
        assert isinstance(raised(lambda: bench.make_target(options=options).verify(bench.current)), Unfit)

    def test_several_are_all_named(self, bench):
        assert [each.level for each in told(bench, options={"statment_timeout": "5s", "work_memory": "5MB"})] == [Level.FAIL] * 2

    @pytest.mark.parametrize(
        "options",
        [{"search_path": 'a, "b c"', "application_name": "orders \\ 'x'", "app.name": "x"}, {"default_transaction_read_only": "on"}],
    )
    def test_what_consumers_set_and_the_server_takes_is_well(self, bench, options):
        assert told(bench, options=options) == []
        assert bench.make_target(options=options).verify(bench.current) == bench.a

    def test_one_that_only_a_superuser_may_set_fails_until_it_is_granted(self, bench):
        options = {"LOG_min_messages": "error", "search_path": "orders"}
        found = told(bench, options=options)
        assert [(each.level, each.code) for each in found] == [(Level.FAIL, "fitness")] * len(bench.make_target().principals)
        for each in found:
            bench.paste(each.fix)
        left = told(bench, options=options)
        assert [(each.level, each.code) for each in left] == [(Level.WARN, "privilege.unproven")]
        assert "LOG_min_messages" in left[0].text
        assert bench.make_target(options=options).verify(bench.current) == bench.a
        for name in bench.make_target().principals:
            bench.server.query(f"REVOKE SET ON PARAMETER log_min_messages FROM {bench.quoted(name)}")


@SERVERS
def test_an_admin_that_is_a_superuser_proves_nothing_of_what_roles_may_set(make_bench, server):
    bench = make_bench(server, shape="in place", admin_is="superuser")
    assert [(each.level, bench.a in each.text) for each in told(bench, options={"log_min_messages": "error"})] == [(Level.FAIL, True)]


@SERVERS
@SHAPES
class TestDatabase:
    @pytest.fixture
    def bench(self, make_bench, server, shape):
        return make_bench(server, shape=shape, own_database=True)

    @pytest.mark.parametrize(("change", "code"), [("ALLOW_CONNECTIONS false", "fitness"), ("CONNECTION LIMIT 0", "sessions")])
    @pytest.mark.parametrize("options", [{}, {"search_path": "orders"}])
    def test_one_that_lets_nobody_in_fails_with_the_statement_that_mends_it(self, bench, change, code, options):
        bench.server.query(f"ALTER DATABASE {bench.dbname} {change}")
        found = [each for each in told(bench, options=options) if each.level is Level.FAIL]
        assert [each.code for each in found] == [code]
        assert isinstance(raised(lambda: bench.make_target(options=options).verify(bench.current)), Unreachable)
        bench.paste(found[0].fix)
        assert told(bench, options=options) == []
        assert bench.make_target(options=options).verify(bench.current) == bench.a

    def test_a_limit_that_leaves_room_is_well(self, bench):
        bench.server.query(f"ALTER DATABASE {bench.dbname} CONNECTION LIMIT 20")
        assert told(bench, options={"search_path": "orders"}) == []

    def test_a_limit_means_nothing_to_a_superuser(self, bench):
        bench.server.query(f"ALTER DATABASE {bench.dbname} CONNECTION LIMIT 0")
        for name in bench.make_target().principals:
            bench.server.query(f"ALTER ROLE {bench.quoted(name)} SUPERUSER")
        assert [each for each in told(bench) if each.code == "sessions"] == []

    def test_where_the_admin_may_not_connect_options_are_unproven_until_it_may(self, bench):
        bench.server.query(f"REVOKE CONNECT ON DATABASE {bench.dbname} FROM PUBLIC")
        for name in bench.make_target().principals:
            bench.server.query(f"GRANT CONNECT ON DATABASE {bench.dbname} TO {bench.quoted(name)}")
        found = told(bench, options={"statment_timeout": "5s"})
        assert {(each.level, each.code) for each in found} == {(Level.WARN, "privilege.unproven")}
        bench.paste(found[0].fix)
        assert [(each.level, each.code) for each in told(bench, options={"statment_timeout": "5s"})] == [(Level.FAIL, "fitness")]
