"""An admin whose sessions begin read-only changes roles; a standby does not, and is named."""

import pytest

from rotator.target import Level, Unreachable
from rotator.testing.servers.postgres import PostgresServer
from rotator.testing.target_contract import raised
from tests.plugins.postgres.both import DEBIANS, SERVERS
from tests.plugins.postgres.conftest import PostgresBench

SETTING = "default_transaction_read_only"


@SERVERS
@pytest.mark.parametrize("by", ["role", "connection"])
def test_an_admin_whose_sessions_begin_read_only_makes_every_change(make_bench, server, by):
    bench = make_bench(server)
    new, where = bench.make_credential(), bench.connection(options={SETTING: "on"} if by == "connection" else {})
    bench.server.query(f"ALTER ROLE {bench.admin} SET {SETTING} = {'on' if by == 'role' else 'off'}")
    target = bench.make_target(connection=where)
    assert [each for each in target.check([bench.current]) if each.level is not Level.OK] == []
    target.apply(new, [bench.current])
    target.disable(bench.current, [new])
    target.enable(bench.current)
    target.revoke(bench.current, [new])
    assert (bench.logs_in(new), bench.logs_in(bench.current)) == (True, False)


@pytest.mark.parametrize("binaries", [DEBIANS, "wheel"])
def test_a_standby_changes_nothing_and_is_named_as_one(binaries):
    with PostgresServer(binaries) as server:
        server.query("CREATE DATABASE shared")
        bench = PostgresBench(server)
        server.query(f"ALTER ROLE {bench.admin} SET {SETTING} = on")
        server.stop()
        (server.base / "data" / "standby.signal").touch()
        server.start()
        error = raised(lambda: bench.make_target().apply(bench.make_credential(), [bench.current]))
        assert (type(error), error.code) == (Unreachable, "25006")
        assert ("standby" in error.what, error.fix) == (True, "Name the primary as host")
        assert [each.text for each in bench.make_target().check([bench.current]) if each.level is Level.FAIL] == [
            "this server is a standby: no role can be changed here"
        ]
        assert bench.logs_in(bench.current)
