"""TLS: verified by default, by name and by CA."""

import time

import pytest

from rotator.model import Credential, Secret
from rotator.target import Rejected, Unreachable
from rotator.testing.servers.tls import write_certificates


@pytest.fixture
def bench(make_bench):
    return make_bench()


def target(bench, host="127.0.0.1", timeout=10.0, port=None, **tls):
    connection = bench.connection(host=host, port=port or bench.server.tls_port, **tls)
    return bench.make_target(connection=connection, timeout=timeout)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_right_ca_lets_consumers_and_the_admin_in_encrypted(bench, host):
    good = target(bench, host, tls={"ca": str(bench.server.ca_file)})
    new = bench.make_credential()
    good.apply(new, [bench.current])
    assert good.verify(new) == bench.user
    good.close()
    opened, said = bench.server.connect(bench.user, new.secret, ca=bench.server.ca_file)
    opened.close()
    assert said.startswith("+OK")


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


def test_a_server_without_tls_gets_no_password(bench):
    with pytest.raises(Unreachable):
        target(bench, port=bench.server.port, timeout=1.0, tls={"ca": str(bench.server.ca_file)}).verify(bench.current)


def test_a_port_of_tls_gets_no_plain_password_that_it_could_use(bench):
    with pytest.raises(Unreachable):
        target(bench, timeout=1.0, tls="off").verify(bench.current)


def test_a_frozen_server_does_not_keep_us_in_the_middle_of_tls(bench):
    there = target(bench, timeout=0.4, tls={"ca": str(bench.server.ca_file)})
    with bench.server.frozen():
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            there.verify(bench.current)
        assert time.monotonic() - begun < 0.9
