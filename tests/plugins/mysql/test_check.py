"""CHECK finds what would go wrong, and what it prints mends it when it is pasted."""

from datetime import UTC, datetime

import pytest

import rotator_mysql
from rotator.model import Credential, Secret
from rotator.target import Denied, Level
from rotator.testing.servers.mariadb import MariaDbServer, native, quoted
from rotator.testing.target_contract import raised
from tests.plugins.mysql.conftest import setting

ADMIN_PASSWORD = "admin of the tests 0"


@pytest.fixture
def bench(make_bench):
    return make_bench()


def found(bench, level=Level.FAIL, known=None, **config):
    return [each for each in bench.make_target(**config).check([bench.current] if known is None else known) if each.level is level]


def pasted(bench, level=Level.FAIL, known=None, **config):
    """The codes of what is found, and of what is left when the fixes are pasted."""
    before = found(bench, level, known, **config)
    for each in before:
        bench.paste(each.fix)
    return [each.code for each in before], [each.code for each in found(bench, level, known, **config)]


def test_all_is_well(bench):
    assert [(each.level, each.code) for each in bench.make_target().check([bench.current])] == [(Level.OK, "login")]


def test_an_admin_that_may_not_change_accounts(bench):
    bench.server.query(f"REVOKE CREATE USER ON *.* FROM {quoted(bench.admin)}")
    new = bench.make_credential()
    error = raised(lambda: bench.make_target().apply(new, [bench.current]))
    assert (type(error), error.code) == (Denied, "1227")
    assert pasted(bench) == (["privilege.missing"], [])
    bench.make_target().apply(new, [bench.current])


def test_an_admin_that_may_not_read_accounts(bench):
    bench.server.query(f"REVOKE SELECT ON mysql.global_priv FROM {quoted(bench.admin)}")
    error = raised(lambda: bench.make_target().apply(bench.make_credential(), [bench.current]))
    assert (type(error), error.code) == (Denied, "1142")
    assert pasted(bench) == (["privilege.missing"], [])


def test_what_a_refused_admin_is_told_to_grant_mends_it_and_makes_no_other_account(bench):
    """A server without NO_AUTO_CREATE_USER makes an account of a name that stands there without its host: no password, every host."""
    bench.server.create_user("narrow", Secret(ADMIN_PASSWORD), "127.0.0.1")
    admin = bench.connection().admin.model_copy(update={"username": "narrow"})
    here = bench.connection().model_copy(update={"admin": admin})
    error = raised(lambda: bench.make_target(connection=here).apply(bench.make_credential(), [bench.current]))
    assert (type(error), error.code) == (Denied, "1142")
    for each in error.fix.rstrip(";").split("; "):
        bench.server.query(f"SET STATEMENT sql_mode = '' FOR {each}")
    new = bench.make_credential()
    bench.make_target(connection=here).apply(new, [bench.current])
    hosts = tuple(bench.server.query("SELECT Host FROM mysql.global_priv WHERE User = 'narrow'"))
    bench.server.query(f"DROP USER {', '.join(quoted('narrow', each) for (each,) in hosts)}")
    assert hosts == (("127.0.0.1",),)
    assert bench.logs_in(new)


def test_an_admin_that_may_not_end_sessions(bench):
    assert pasted(bench, terminate_sessions=True) == (["privilege.missing", "privilege.missing"], [])


@pytest.mark.parametrize("grant", ["GRANT ALL PRIVILEGES ON *.* TO", "GRANT CREATE USER, SELECT ON *.* TO"])
def test_wider_rights_do_as_well(bench, grant):
    bench.server.query(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {quoted(bench.admin)}")
    bench.server.query(f"{grant} {quoted(bench.admin)}")
    assert found(bench) == []


def test_rights_by_a_role_do_as_well(bench):
    bench.server.query(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {quoted(bench.admin)}")
    for each in ("CREATE OR REPLACE ROLE rotators", "GRANT CREATE USER ON *.* TO rotators", "GRANT SELECT ON mysql.* TO rotators"):
        bench.server.query(each)
    bench.server.query(f"GRANT rotators TO {quoted(bench.admin)}")
    bench.server.query(f"SET DEFAULT ROLE rotators FOR {quoted(bench.admin)}")
    assert found(bench) == []
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    assert bench.logs_in(new)


def test_an_account_that_does_not_exist(bench):
    bench.remove(bench.current)
    assert pasted(bench) == (["principal.missing"], [])
    new = bench.make_credential()
    bench.make_target().apply(new, [])
    assert bench.logs_in(new)


def test_a_locked_account(bench):
    bench.alter("ACCOUNT LOCK")
    assert pasted(bench) == (["lockout"], [])


def test_an_account_that_wants_a_clients_certificate(bench):
    bench.alter("REQUIRE X509")
    assert [each.code for each in found(bench)] == ["fitness"]
    bench.paste(found(bench)[0].fix)
    assert [each.text for each in found(bench) if "wants TLS" in each.text]


def test_an_account_that_wants_a_cipher_is_well_where_there_is_tls_and_is_told_to_want_tls_where_there_is_none(make_bench, maria):
    cipher = "REQUIRE CIPHER 'TLS_AES_256_GCM_SHA384'"
    bench = make_bench(tls={"ca": str(maria.ca_file)})
    bench.alter(cipher)
    assert found(bench) == []
    assert bench.make_target().verify(bench.current)
    plain = make_bench()
    plain.alter(cipher)
    (one,) = found(plain)
    assert ("wants TLS" in one.text, one.fix) == (True, "Switch `tls` of the connection on")


def test_what_mends_an_account_that_wants_a_certificate_keeps_its_cipher(make_bench, maria):
    bench = make_bench(tls={"ca": str(maria.ca_file)})
    bench.alter("REQUIRE SUBJECT '/CN=somebody' AND CIPHER 'TLS_AES_256_GCM_SHA384'")
    assert pasted(bench) == (["fitness"], [])
    assert '"ssl_cipher":"TLS_AES_256_GCM_SHA384"' in bench.priv().replace(" ", "")
    assert bench.make_target().verify(bench.current)


def test_an_account_that_wants_tls_is_well_where_there_is_tls(make_bench, maria):
    bench = make_bench(tls={"ca": str(maria.ca_file)})
    bench.alter("REQUIRE SSL")
    assert found(bench) == []
    assert bench.make_target().verify(bench.current)


def test_an_expired_password_is_a_warning_and_a_new_one_ends_it(bench):
    bench.alter("PASSWORD EXPIRE")
    assert [each.code for each in found(bench, Level.WARN)] == ["principal.expired"]
    bench.make_target().apply(bench.make_credential(), [bench.current])
    assert found(bench, Level.WARN, known=[bench.current]) == []


def test_a_password_that_will_expire_is_a_warning(bench):
    bench.alter("PASSWORD EXPIRE INTERVAL 90 DAY")
    assert pasted(bench, Level.WARN) == (["principal.expired"], [])


@pytest.mark.parametrize("change", [None, "PASSWORD EXPIRE DEFAULT"])
def test_a_password_that_will_expire_by_the_servers_default_is_a_warning(bench, change):
    if change:
        bench.alter(change)
    with setting(bench, "default_password_lifetime", 30):
        (one,) = found(bench, Level.WARN)
        assert "30 days" in one.text
        assert "default_password_lifetime" in one.text
        assert pasted(bench, Level.WARN) == (["principal.expired"], [])
    bench.alter("PASSWORD EXPIRE NEVER")
    with setting(bench, "default_password_lifetime", 30):
        assert found(bench, Level.WARN) == []


def test_an_account_that_is_all_powerful_is_a_warning(bench):
    bench.server.query(f"GRANT SUPER ON *.* TO {quoted(bench.user)}")
    assert pasted(bench, Level.WARN) == (["principal.superuser"], [])


def test_a_second_password_of_a_stranger(bench):
    bench.meddle(bench.current)
    assert pasted(bench) == (["stray"], [])
    assert bench.logs_in(bench.current)


def test_in_place_it_is_a_warning(make_bench):
    bench = make_bench(max_live=1)
    bench.meddle(bench.current)
    assert pasted(bench, Level.WARN) == (["stray"], [])


def test_two_that_are_known_are_no_strangers_nor_is_a_single_one_before_adoption(bench):
    new = bench.make_credential()
    assert found(bench, known=[]) == []
    bench.make_target().apply(new, [bench.current])
    assert found(bench, known=[new, bench.current]) == []
    assert [each.code for each in found(bench, known=[])] == ["stray"]
    assert found(bench, known=[])[0].fix is None


def test_two_ed25519_passwords_side_by_side_are_a_warning(bench):
    assert [each.code for each in found(bench, Level.WARN, plugin="ed25519")] == ["fitness"]
    assert found(bench, Level.WARN, plugin="ed25519", max_live=1) == found(bench, Level.WARN) == []


def test_a_plugin_of_the_other_server(bench):
    assert [each.fix for each in found(bench, plugin="caching_sha2_password")] == ["Leave `plugin` out"]


def test_several_troubles_are_all_told_at_once(bench):
    bench.meddle(bench.current)
    bench.alter("REQUIRE SSL ACCOUNT LOCK")
    bench.server.query(f"REVOKE CREATE USER ON *.* FROM {quoted(bench.admin)}")
    assert [each.code for each in found(bench)] == ["privilege.missing", "lockout", "fitness", "stray"]


def test_the_rights_that_the_manual_names_are_enough_and_each_is_needed(make_bench, maria):
    """As pasted, but for host and password of the admin."""
    lines = [each.strip().partition("--")[0].strip() for each in rotator_mysql.__doc__.splitlines()]
    create, *grants = [each.replace("'10.0.0.7'", "'%'").replace("'...'", f"'{ADMIN_PASSWORD}'") for each in lines if ";" in each[-1:]]
    bench = make_bench(terminate_sessions=True)
    bench.server.query(create)
    bench.admin = "rotator"  # by ed25519, and gone with the bench
    for number, each in enumerate(grants, 1):
        assert found(bench), number
        bench.server.query(each)
    assert found(bench) == []
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    bench.make_target().revoke(bench.current, [new])
    assert (bench.logs_in(bench.current), bench.logs_in(new)) == (False, True)


def test_an_admin_that_is_refused_says_what_to_correct(bench):
    error = raised(lambda: bench.make_target(admin="wrong").check([]))
    assert (type(error), error.code, "admin" in error.fix) == (Denied, "1045", True)


def test_the_servers_time_is_told(bench):
    assert abs((bench.make_target().clock() - datetime.now(UTC)).total_seconds()) < 30


class TestTheServersSettings:
    """On a server of its own: what is set here holds for all."""

    @pytest.fixture
    def other(self):
        with MariaDbServer(settings={"plugin-load-add": "", "max-user-connections": "9"}) as server:
            server.create_admin("rot", Secret("admin of the tests 0"))
            server.create_user("app", Secret("first"))
            server.query("INSTALL SONAME 'simple_password_check'")
            server.query("SET GLOBAL read_only = 1")
            yield server

    def bench_of(self, make_bench, other):
        bench = make_bench()
        here = bench.connection(port=other.port).model_copy(
            update={"admin": bench.connection().admin.model_copy(update={"username": "rot"})}
        )
        current = Credential(name="app", secret=Secret("first"))
        return lambda **config: bench.make_target(connection=here, username="app", **config), current

    def test_a_plugin_that_refuses_hashes_a_missing_one_and_a_replica(self, make_bench, other):
        make, current = self.bench_of(make_bench, other)
        failing = [each for each in make(plugin="ed25519").check([current]) if each.level is Level.FAIL]
        assert [each.code for each in failing] == ["fitness"] * 3
        error = raised(lambda: make().apply(Credential(name="app", secret=Secret("new")), [current]))
        assert (type(error).__name__, error.code) == ("Unreachable", "1290")
        other.query("SET GLOBAL read_only = 0")
        error = raised(lambda: make().apply(Credential(name="app", secret=Secret("new")), [current]))
        assert (type(error).__name__, error.code) == ("Refused", "1396")
        for each in failing[1:]:
            other.query(each.fix)
        assert [each for each in make(plugin="ed25519").check([current]) if each.level is Level.FAIL] == []
        make(plugin="ed25519").apply(Credential(name="app", secret=Secret("new")), [current])
        assert other.passwords("app")[0] == native(Secret("first"))
        other.query("SET GLOBAL max_user_connections = 1")
        with other.connect("app", Secret("first")):
            error = raised(lambda: make().verify(current))
        other.query("SET GLOBAL max_user_connections = 9")
        assert (type(error).__name__, error.code) == ("Unreachable", "1203")
        other.query("SET GLOBAL max_password_errors = 3")
        assert [each.code for each in make().check([current]) if each.level is Level.WARN] == ["lockout"]
