"""No password in the server's log of all statements, or in what an exception carries."""

import re

import pytest

from rotator.model import Credential
from rotator.target import Conflict, PortError, Refused
from rotator.testing.canary import Canary
from rotator.testing.target_contract import CANARY, leaks, raised


@pytest.mark.parametrize("plugin", ["mysql_native_password", "ed25519"])
def test_no_password_is_in_the_servers_log_of_all_statements(make_bench, plugin):
    bench, canary = make_bench(plugin=plugin), Canary()
    new, third = (Credential(name=bench.user, secret=canary.make(hard=hard)) for hard in (False, True))
    canary.register(bench.current.secret)
    target = bench.make_target()
    target.check([bench.current])
    target.apply(new, [bench.current])
    target.check([bench.current, new])
    target.verify(new)
    raised(lambda: target.verify(third))
    raised(lambda: target.apply(third, [bench.current]))
    raised(lambda: bench.make_target(admin="weak").apply(new, [bench.current]))
    target.revoke(bench.current, [new])
    bench.remove(new)
    raised(lambda: target.apply(new, []))
    log = bench.server.log_file.read_text()
    assert f"ALTER USER `{bench.user.replace('`', '``')}`@`%` IDENTIFIED VIA" in log
    assert canary.search(log, "general.log") == []
    assert canary.search((bench.server.base / "server.log").read_text(), "server.log") == []
    assert canary.count > 1000


def test_the_search_would_have_found_it(make_bench):
    bench, canary = make_bench(), Canary()
    secret = canary.make()
    bench.server.query(f"SET PASSWORD FOR `{bench.user.replace('`', '``')}`@`%` = PASSWORD('{secret.reveal()}')")
    assert canary.search(bench.server.log_file.read_text(), "general.log")


@pytest.mark.parametrize("plugin", ["mysql_native_password", "ed25519"])
def test_no_hash_of_a_password_is_in_what_is_found_or_raised(make_bench, plugin):
    """Ours or a human's: `mysql_native_password` has no salt, so a hash is a password that waits to be guessed."""
    bench = make_bench(plugin=plugin)
    bench.make_target(fence=9).apply(bench.current, [])
    bench.meddle(bench.current)
    error = raised(lambda: bench.make_target(fence=1).apply(bench.make_credential(), [bench.current]))
    strays = [each for each in bench.make_target().check([bench.current]) if each.code == "stray"]
    said = [str(error), error.fix, *(f"{each.text} {each.fix}" for each in strays)]
    assert (type(error), len(strays)) == (Conflict, 1)
    assert [each for each in said if re.search("[0-9A-Fa-f]{8}|[A-Za-z0-9+/]{43}", each)] == []


def test_the_admins_password_is_in_no_exception(make_bench):
    bench = make_bench()
    for admin in ("wrong", "weak"):
        error = raised(lambda admin=admin: bench.make_target(admin=admin).apply(bench.make_credential(), []))
        assert isinstance(error, PortError)
        assert leaks(error, "wrong" if admin == "wrong" else "admin of the tests") == []


def test_a_connection_that_breaks_while_the_password_is_set_tells_nothing(make_bench):
    bench = make_bench()
    target = bench.make_target()
    target.check([bench.current])
    bench.server.query(f"KILL CONNECTION USER {bench.admin}")
    error = raised(lambda: target.apply(bench.make_credential(CANARY), [bench.current]))
    assert type(error).__name__ == "Unreachable"
    assert leaks(error) == []
    target.apply(bench.make_credential(), [bench.current])


NO_UTF8, HALF = "caf\udce9 and more", "half a \ud83d and more"
"""As the environment gives a byte that is no UTF-8; and what has no bytes at all."""


def test_a_password_that_is_no_utf8_is_set_and_proven_by_its_very_bytes(make_bench):
    bench = make_bench()
    new = bench.make_credential(NO_UTF8)
    bench.make_target().apply(new, [])
    assert bench.make_target().verify(new) == f"{bench.user}@%"
    import pymysql

    pymysql.connect(host="127.0.0.1", port=bench.server.port, user=bench.user, password=b"caf\xe9 and more", ssl_disabled=True).close()


@pytest.mark.parametrize("plugin", ["mysql_native_password", "ed25519"])
def test_a_password_that_has_no_bytes_is_refused_and_stays_out_of_what_is_raised(make_bench, plugin):
    bench = make_bench(plugin=plugin)
    bad = bench.make_credential(HALF)
    calls = [
        lambda target: target.apply(bad, []),
        lambda target: target.verify(bad),
        lambda target: target.revoke(bad, []),
        lambda target: target.check([bad]),
    ]
    errors = [raised(lambda call=call: call(bench.make_target())) for call in calls]
    assert [type(each) for each in errors] == [Refused] * 4
    assert [leaks(each, "and more") for each in errors] == [[]] * 4
    assert bench.logs_in(bench.current)
