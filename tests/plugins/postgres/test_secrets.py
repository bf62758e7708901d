"""No password in the server's log, in what an exception carries, or in the catalogue."""

from dataclasses import replace

import pytest

from rotator.model import Credential, Secret
from rotator.target import Denied, PortError, Refused
from rotator.testing.target_contract import CANARY, leaks, raised
from tests.plugins.postgres.both import SERVERS


@SERVERS
@pytest.mark.parametrize("shape", ["in place", "alternating"])
def test_no_password_is_in_the_servers_log_of_all_statements(make_bench, server, shape):
    bench = make_bench(server, shape=shape)
    canary = f"{CANARY}-{server}-{shape[:2]}"
    new, target, keep = bench.make_credential(canary), bench.make_target(), [] if shape == "in place" else [bench.current]
    target.check([bench.current])
    target.apply(new, keep)
    target.verify(new)
    raised(lambda: target.verify(Credential(name=bench.a, secret=Secret(canary[::-1]))))
    raised(lambda: bench.make_target(admin="weak").apply(new, keep))
    bench.remove(new)
    raised(lambda: target.apply(new, keep))
    log = bench.server.log_file.read_text()
    assert f'ALTER ROLE "{new.name.replace(chr(34), chr(34) * 2)}"' in log
    assert "SCRAM-SHA-256$4096:" in log
    assert (canary in log, canary[::-1] in log) == (False, False)


def test_a_driver_exception_would_have_carried_it(debian):
    """The walker finds what it is there to find: psycopg's own exception of a failed login."""
    import psycopg

    with pytest.raises(psycopg.OperationalError) as caught:
        debian.connect("ghost", Secret(CANARY))
    assert any(each.endswith(".password") for each in leaks(caught.value))


def test_the_admins_password_is_in_no_exception(make_bench):
    bench = make_bench()
    for admin in ("wrong", "weak"):
        target = bench.make_target(admin=admin)
        error = raised(lambda target=target: target.apply(bench.make_credential(), []))
        assert isinstance(error, PortError)
        assert leaks(error, "wrong" if admin == "wrong" else "admin of the tests") == []


def test_a_connection_that_breaks_while_the_password_is_set_tells_nothing(make_bench):
    bench = make_bench()
    target = bench.make_target()
    target.check([bench.current])
    bench.server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (bench.admin,))
    error = raised(lambda: target.apply(bench.make_credential(CANARY), [bench.current]))
    assert type(error).__name__ == "Unreachable"
    assert leaks(error) == []
    target.apply(bench.make_credential(), [bench.current])


BROKEN = f"{CANARY}-\udcff"
"""What an environment variable holds that is no UTF-8 (PEP 383)."""


@pytest.mark.parametrize("call", ["apply", "verify", "confirm_dead"])
def test_a_password_that_is_no_text_is_refused_and_in_no_exception(make_bench, call):
    bench = make_bench()
    new, target = bench.make_credential(BROKEN), bench.make_target()
    error = raised(lambda: target.apply(new, [bench.current]) if call == "apply" else getattr(target, call)(new))
    assert isinstance(error, Refused)
    assert leaks(error) == []


def test_an_admins_password_that_is_no_text_is_denied_and_in_no_exception(make_bench):
    bench = make_bench()
    runtime = replace(bench.make_target().runtime, reveal=lambda _: Secret(BROKEN))
    good = bench.make_target()
    target = type(good)(good.connection, good.config, runtime)
    for call in (target.clock, lambda: target.check([bench.current]), lambda: target.apply(bench.make_credential(), [bench.current])):
        error = raised(call)
        assert isinstance(error, Denied)
        assert leaks(error) == []
