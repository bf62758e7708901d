"""CHECK finds what would go wrong, and what it prints mends it when it is pasted."""

import pytest

from rotator.model import Credential, Secret
from rotator.target import Denied, Level, Refused
from rotator.testing.target_contract import raised
from tests.plugins.postgres.both import SERVERS


def found(bench, level=Level.FAIL, known=None, **config):
    return [each for each in bench.make_target(**config).check([bench.current] if known is None else known) if each.level is level]


def pasted(bench, level=Level.FAIL, known=None):
    """The codes of the findings, and of those that are left when their fixes have been pasted."""
    before = found(bench, level, known)
    for each in before:
        bench.paste(each.fix)
    return [each.code for each in before], [each.code for each in found(bench, level, known)]


def alter(bench, change, role=None):
    bench.server.query(f'ALTER ROLE "{role or bench.a}" {change}')


@SERVERS
class TestInPlace:
    @pytest.fixture
    def bench(self, make_bench, server):
        return make_bench(server, shape="in place")

    def test_all_is_well(self, bench):
        assert [(each.level, each.code) for each in bench.make_target().check([bench.current])] == [(Level.OK, "login")]

    def test_an_admin_that_may_not_change_roles(self, bench):
        alter(bench, "NOCREATEROLE", bench.admin)
        assert pasted(bench) == (["privilege.missing"], [])

    def test_an_admin_without_admin_option(self, bench, server):
        if server == "debian":
            pytest.skip("before PostgreSQL 16 CREATEROLE reaches every role")
        bench.server.query(f'REVOKE "{bench.a}" FROM {bench.admin}')
        assert isinstance(raised(lambda: bench.make_target().apply(bench.make_credential(), [])), Denied)
        assert pasted(bench) == (["privilege.missing"], [])
        bench.make_target().apply(bench.make_credential(), [])

    def test_the_fix_of_a_denied_change_is_all_that_it_needs(self, bench):
        alter(bench, "NOCREATEROLE", bench.admin)
        new = bench.make_credential()
        error = raised(lambda: bench.make_target().apply(new, []))
        assert isinstance(error, Denied)
        bench.paste(error.fix)
        bench.make_target().apply(new, [])
        assert bench.logs_in(new)

    def test_a_role_that_does_not_exist(self, bench):
        bench.remove(bench.current)
        assert isinstance(raised(lambda: bench.make_target().apply(bench.current, [])), Refused)
        before = found(bench)
        assert [each.code for each in before] == ["principal.missing"]
        bench.paste(before[0].fix)
        bench.grant()
        assert found(bench) == []

    def test_a_role_that_may_not_log_in(self, bench):
        alter(bench, "NOLOGIN")
        bench.make_target().apply(bench.current, [])
        assert pasted(bench) == (["lockout"], [])

    def test_a_role_whose_validity_is_over(self, bench):
        alter(bench, "VALID UNTIL '2001-01-01'")
        assert pasted(bench) == (["principal.expired"], [])

    def test_a_role_whose_validity_will_be_over_is_a_warning(self, bench):
        alter(bench, "VALID UNTIL '2901-01-01'")
        assert pasted(bench, Level.WARN) == (["principal.expired"], [])

    def test_a_superuser_is_out_of_reach_of_the_admin(self, bench):
        alter(bench, "SUPERUSER")
        assert isinstance(raised(lambda: bench.make_target().apply(bench.current, [])), Denied)
        assert pasted(bench) == (["principal.superuser"], [])

    def test_a_role_that_replicates_is_out_of_reach_before_16(self, bench, server):
        alter(bench, "REPLICATION")
        expected = {"debian": ["privilege.missing"], "newest": []}[server]
        assert (raised(lambda: bench.make_target().apply(bench.current, [])) is None) == (expected == [])
        assert pasted(bench) == (expected, [])

    def test_a_role_that_may_not_connect(self, make_bench, server):
        bench = make_bench(server, shape="in place", own_database=True)
        bench.server.query(f"REVOKE CONNECT ON DATABASE {bench.dbname} FROM PUBLIC")
        assert pasted(bench) == (["fitness"], [])

    def test_a_database_that_does_not_exist(self, bench):
        bench.dbname = f"{bench.a}_new"
        assert pasted(bench) == (["fitness"], [])
        bench.server.query(f"DROP DATABASE {bench.dbname}")

    def test_a_role_without_a_free_connection(self, bench):
        alter(bench, "CONNECTION LIMIT 1")
        with bench.server.connect(bench.a, bench.current.secret, bench.dbname):
            assert pasted(bench) == (["sessions"], [])

    def test_several_troubles_are_all_told_at_once(self, bench):
        alter(bench, "NOLOGIN VALID UNTIL '2001-01-01' CONNECTION LIMIT 0")
        alter(bench, "NOCREATEROLE", bench.admin)
        assert {each.code for each in found(bench)} == {"privilege.missing", "principal.expired", "lockout", "sessions"}


def test_a_superuser_whose_admin_is_one_too_is_a_warning(make_bench):
    bench = make_bench(shape="in place", admin_is="superuser")
    alter(bench, "SUPERUSER")
    assert pasted(bench, Level.WARN) == (["principal.superuser"], [])


@SERVERS
class TestAlternating:
    @pytest.fixture
    def bench(self, make_bench, server):
        return make_bench(server)

    def test_an_admin_that_may_not_end_sessions(self, bench):
        bench.server.query(f"REVOKE pg_signal_backend FROM {bench.admin}")
        assert isinstance(raised(lambda: bench.make_target().revoke(bench.current, [])), Denied)
        assert bench.logs_in(bench.current)
        assert found(bench, terminate_sessions=False) == []
        assert pasted(bench) == (["privilege.missing"], [])

    def test_a_second_user_that_may_log_in_is_a_stray(self, bench):
        bench.meddle(bench.make_credential())
        bench.server.query(f"GRANT CONNECT ON DATABASE {bench.dbname} TO PUBLIC")
        assert pasted(bench) == (["stray"], [])

    def test_a_first_user_that_may_log_in_is_a_stray_where_the_second_is_ours(self, bench):
        new = bench.make_credential()
        bench.make_target().apply(new, [])
        assert [each.code for each in found(bench, known=[new])] == ["stray"]
        assert found(bench, known=[new, bench.current]) == []
        assert pasted(bench, known=[new]) == (["stray"], [])

    def test_before_adoption_the_first_user_is_no_stray(self, bench):
        assert found(bench, known=[]) == []

    def test_a_second_user_that_does_not_exist(self, bench):
        bench.remove(bench.make_credential())
        before = found(bench)
        assert [each.code for each in before] == ["principal.missing"]
        bench.paste(before[0].fix)
        bench.grant()
        assert found(bench) == []

    @pytest.mark.parametrize("missing", ["no role", "one role", "both roles"])
    def test_a_database_that_does_not_exist_is_told_once_with_what_can_be_done_and_no_grant_is_printed(self, bench, missing):
        bench.dbname = f"{bench.a}_new"
        gone = {"no role": [], "one role": [bench.make_credential()], "both roles": [bench.current, bench.make_credential()]}[missing]
        for each in gone:
            bench.remove(each)
        told = [each for each in bench.make_target().check([bench.current]) if each.level is not Level.OK]
        assert [each.code for each in told] == ["fitness", *["principal.missing"] * len(gone)]
        assert [each.text for each in told if bench.dbname in f"{each.text} {each.fix}"] == [f"there is no database {bench.dbname}"]
        assert "correct `dbname`" in told[0].fix
        for each in told:
            bench.paste(each.fix)
        bench.grant()
        assert [each for each in bench.make_target().check([bench.current]) if each.level is not Level.OK] == []
        bench.server.query(f"DROP DATABASE {bench.dbname}")


def test_an_admin_whose_own_database_does_not_exist_is_told_to_correct_that_name(make_bench):
    bench = make_bench()
    error = raised(lambda: bench.make_target(connection=bench.connection(admin_dbname="nowhere")).check([]))
    assert isinstance(error, Denied)
    assert (error.code, error.fix) == ("3D000", "Correct `admin_dbname` of the connection")


def test_an_admin_that_is_refused_says_what_to_correct(make_bench):
    error = raised(lambda: make_bench().make_target(admin="wrong").check([]))
    assert isinstance(error, Denied)
    assert (error.code, "admin" in error.fix) == ("28P01", True)


def test_the_servers_time_is_told(make_bench):
    from datetime import UTC, datetime

    assert abs((make_bench().make_target().clock() - datetime.now(UTC)).total_seconds()) < 30


def test_an_open_session_is_use_and_none_is_none(make_bench):
    bench = make_bench()
    target = bench.make_target()
    assert target.last_used(bench.current) is None
    with bench.server.connect(bench.a, bench.current.secret):
        assert target.last_used(bench.current) is not None
        assert target.last_used(Credential(name=bench.b, secret=Secret("x"))) is None


@SERVERS
@pytest.mark.parametrize("ends", [True, False])
def test_revoke_ends_open_sessions_only_where_settings_say_so(make_bench, server, ends):
    import psycopg

    bench = make_bench(server)
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    with bench.server.connect(bench.a, bench.current.secret) as old, bench.server.connect(bench.b, new.secret) as other:
        bench.make_target(terminate_sessions=ends).revoke(bench.current, [new])
        assert other.execute("SELECT 1").fetchone() == (1,)
        if ends:
            with pytest.raises(psycopg.errors.AdminShutdown):
                old.execute("SELECT 1")
        else:
            assert old.execute("SELECT 1").fetchone() == (1,)


def test_a_lock_that_an_operator_set_in_place_stays(make_bench):
    bench = make_bench(shape="in place")
    alter(bench, "NOLOGIN")
    bench.make_target().apply(bench.make_credential(), [])
    assert bench.server.query("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", (bench.a,)) == [(False,)]


def test_a_revoked_user_is_locked_and_has_no_password(make_bench):
    bench = make_bench()
    bench.make_target().revoke(bench.current, [])
    assert bench.server.query("SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = %s", (bench.a,)) == [(False, None)]
