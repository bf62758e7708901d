"""TLS: verified by default, by name and by CA."""

import pytest

from rotator.model import Credential, Secret
from rotator.target import Unreachable
from rotator.testing.servers.postgres import PostgresServer
from rotator.testing.servers.tls import write_certificates
from rotator_postgres.login import Login, system_cas


@pytest.fixture(scope="module")
def server():
    with PostgresServer(tls=True, settings={"listen_addresses": "127.0.0.1,127.0.0.2"}) as server:
        server.query("CREATE DATABASE shared")
        yield server


@pytest.fixture
def encrypted(server, make_bench, request):
    return make_bench("server")


def target(bench, host="127.0.0.1", **tls):
    return bench.make_target(connection=bench.connection(host=host, **tls))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_right_ca_lets_consumers_and_the_admin_in_encrypted(encrypted, host):
    good = target(encrypted, host, tls={"ca": str(encrypted.server.ca_file)})
    assert good.verify(encrypted.current) == encrypted.a
    good.check([encrypted.current])
    seen = encrypted.server.query(f"SELECT ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE usename = '{encrypted.admin}'")
    assert set(seen) == {(True,)}
    good.close()


def test_a_wrong_ca_is_refused(encrypted, tmp_path):
    other = tmp_path / "other.pem"
    write_certificates(other, tmp_path / "c.pem", tmp_path / "k.pem")
    with pytest.raises(Unreachable, match="SSL error"):
        target(encrypted, tls={"ca": str(other)}).verify(encrypted.current)


def test_the_cas_of_the_system_do_not_know_a_ca_of_our_own(encrypted):
    settings = encrypted.connection().model_dump(exclude={"tls"})
    unlucky = encrypted.make_target(connection=type(encrypted.connection()).model_validate(settings))
    with pytest.raises(Unreachable, match="certificate"):
        unlucky.verify(encrypted.current)


def test_a_certificate_for_another_name_is_refused(encrypted):
    with pytest.raises(Unreachable, match="does not match"):
        target(encrypted, "127.0.0.2", tls={"ca": str(encrypted.server.ca_file)}).verify(encrypted.current)


def test_a_server_without_tls_gets_no_password(debian, make_bench, tmp_path):
    bench = make_bench("debian")
    ca = tmp_path / "ca.pem"
    write_certificates(ca, tmp_path / "c.pem", tmp_path / "k.pem")
    with pytest.raises(Unreachable, match="does not support SSL"):
        target(bench, tls={"ca": str(ca)}).verify(bench.current)


def test_the_mode_is_verify_full_unless_it_is_off(encrypted):
    def parameters(**tls):
        return Login(encrypted.connection(**tls), "app", Secret("x"), "db").parameters()

    assert parameters(tls={"ca": "/ca.pem"})["sslmode"] == "verify-full"
    assert parameters(tls={})["sslrootcert"] == system_cas()
    assert parameters(tls="off")["sslmode"] == "disable"
    assert {parameters(tls=each)["require_auth"] for each in ({}, "off")} == {"scram-sha-256"}


def test_a_refused_login_over_tls_is_rejected(encrypted):
    from rotator.target import Rejected

    with pytest.raises(Rejected):
        target(encrypted, tls={"ca": str(encrypted.server.ca_file)}).verify(Credential(name=encrypted.a, secret=Secret("wrong")))


def test_a_service_of_libpq_takes_no_keys_of_the_connection(encrypted, monkeypatch, tmp_path):
    (tmp_path / "services").write_text(f"[odd]\nsslkeylogfile={tmp_path / 'keys'}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGSERVICE", "odd")
    assert target(encrypted, tls={"ca": str(encrypted.server.ca_file)}).verify(encrypted.current) == encrypted.a
    assert not (tmp_path / "keys").exists()
