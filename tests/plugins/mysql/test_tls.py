"""TLS: verified by default, by name and by CA."""

import pytest

from rotator.model import Credential, Secret
from rotator.target import Rejected, Unreachable
from rotator.testing.servers.mariadb import MariaDbServer, binary
from rotator.testing.servers.tls import write_certificates


@pytest.fixture
def bench(make_bench):
    return make_bench()


def target(bench, host="127.0.0.1", **tls):
    return bench.make_target(connection=bench.connection(host=host, **tls))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_right_ca_lets_consumers_and_the_admin_in_encrypted(bench, host):
    bench.alter("REQUIRE SSL")
    bench.server.query(f"ALTER USER {bench.admin}@`%` REQUIRE SSL")
    good = target(bench, host, tls={"ca": str(bench.server.ca_file)})
    new = bench.make_credential()
    good.apply(new, [bench.current])
    assert good.verify(new) == f"{bench.user}@%"
    good.close()


def test_a_wrong_ca_is_refused(bench, tmp_path):
    other = tmp_path / "other.pem"
    write_certificates(other, tmp_path / "c.pem", tmp_path / "k.pem")
    with pytest.raises(Unreachable, match="certificate"):
        target(bench, tls={"ca": str(other)}).verify(bench.current)


def test_the_cas_of_the_system_do_not_know_a_ca_of_our_own(bench):
    with pytest.raises(Unreachable, match="certificate"):
        target(bench, tls={}).verify(bench.current)


def test_a_ca_that_cannot_be_read_is_told(bench):
    with pytest.raises(Unreachable, match="No such file"):
        target(bench, tls={"ca": "/nowhere/ca.pem"}).verify(bench.current)


def test_a_refused_login_over_tls_is_rejected(bench):
    with pytest.raises(Rejected):
        target(bench, tls={"ca": str(bench.server.ca_file)}).verify(Credential(name=bench.user, secret=Secret("wrong")))


@pytest.mark.skipif(binary() is None, reason="no MariaDB here")
def test_a_certificate_for_another_name_or_no_tls_at_all_gets_no_password(make_bench, tmp_path):
    bench = make_bench()
    with MariaDbServer(settings={"bind-address": "127.0.0.2"}) as plain:
        ca = tmp_path / "ca.pem"
        write_certificates(ca, tmp_path / "c.pem", tmp_path / "k.pem")
        connection = bench.connection(host="127.0.0.2", port=plain.port, tls={"ca": str(ca)})
        with pytest.raises(Unreachable, match="does not support TLS"):
            bench.make_target(connection=connection).verify(bench.current)
        for name in ("c.pem", "k.pem"):
            (tmp_path / name).chmod(0o644)
        certificate, key = plain.base / "other.pem", plain.base / "other.key"
        certificate.write_bytes((tmp_path / "c.pem").read_bytes())
        key.write_bytes((tmp_path / "k.pem").read_bytes())
        key.chmod(0o644)
        plain.stop()
        plain._settings |= {"ssl-cert": str(certificate), "ssl-key": str(key)}
        plain.start()
        with pytest.raises(Unreachable, match=r"127\.0\.0\.2"):
            bench.make_target(connection=connection).verify(bench.current)


def test_a_frozen_server_does_not_keep_us_in_the_middle_of_tls(bench):
    import time

    there = bench.make_target(timeout=0.4, connection=bench.connection(tls={"ca": str(bench.server.ca_file)}))
    with bench.server.frozen():
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            there.verify(bench.current)
        assert time.monotonic() - begun < 0.9
