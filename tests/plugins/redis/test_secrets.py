"""No password in MONITOR, the slow log, the ACL log, the files of the server, or in what an exception carries."""

import time
from contextlib import contextmanager

import pytest

from rotator.model import Credential
from rotator.target import PortError, Refused
from rotator.testing.canary import Canary
from rotator.testing.target_contract import CANARY, leaks, raised


@contextmanager
def monitored(server):
    """What MONITOR shows meanwhile, and the logs of the server after it."""
    seen = {}
    watching, said = server.connect("root", server._root)
    assert said.startswith("+OK")
    with watching:
        watching.sendall(b"MONITOR\r\n")
        assert watching.recv(16).startswith(b"+OK")
        yield seen
        server.query("ECHO", "the end of it")
        text = b""
        while b"the end of it" not in text:
            text += watching.recv(65536)
    seen["monitor"] = text.decode()
    for name, command in (("slow log", ("SLOWLOG", "GET", "-1")), ("acl log", ("ACL", "LOG", "1000"))):
        seen[name] = str(server.query(*command))
    seen["acl file"], seen["server log"] = server.acl_file.read_text(), server.log_file.read_text()


def test_no_password_is_in_monitor_or_in_any_log_of_the_server(make_bench):
    bench, canary = make_bench(), Canary()
    new, third = (Credential(name=bench.user, secret=canary.make(hard=hard)) for hard in (False, True))
    canary.register(bench.current.secret)
    with monitored(bench.server) as seen:
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
    assert "SETUSER" in seen["slow log"]
    assert "auth" in seen["acl log"]
    assert [hit for name, text in seen.items() for hit in canary.search(text, name)] == []
    assert canary.count > 1000


def test_the_search_would_have_found_it(make_bench):
    bench, canary = make_bench(), Canary()
    secret = canary.make()
    with monitored(bench.server) as seen:
        bench.server.query("SET", "key", secret.reveal())
    assert canary.search(seen["monitor"], "monitor")
    assert canary.search(seen["slow log"], "slow log")


@pytest.mark.parametrize("admin", ["wrong", "weak"])
def test_the_admins_password_is_in_no_exception(make_bench, admin):
    bench = make_bench()
    error = raised(lambda: bench.make_target(admin=admin).apply(bench.make_credential(), []))
    assert isinstance(error, PortError)
    assert leaks(error, "wrong-" if admin == "wrong" else "admin of the tests") == []


def test_no_part_of_a_hash_is_in_what_is_said_to_an_operator(make_bench):
    bench = make_bench()
    bench.meddle(bench.current)
    found = bench.make_target().check([bench.current])
    error = raised(lambda: bench.make_target().apply(bench.make_credential(CANARY), [bench.current]))
    said = f"{found} {error}"
    assert "none of ours" in said
    hashes = bench.server.hashes(bench.user)
    assert len(hashes) > 1
    assert [each for each in hashes if each[:8] in said] == []


def test_a_connection_that_breaks_while_the_password_is_set_tells_nothing(make_bench):
    bench = make_bench()
    target = bench.make_target()
    target.check([bench.current])
    bench.server.query("CLIENT", "KILL", "USER", bench.admin)
    time.sleep(0.05)
    error = raised(lambda: target.apply(bench.make_credential(CANARY), [bench.current]))
    assert type(error).__name__ == "Unreachable"
    assert leaks(error) == []
    target.apply(bench.make_credential(), [bench.current])


def test_a_password_that_has_no_bytes_is_refused_and_stays_out_of_what_is_raised(make_bench):
    bench = make_bench()
    bad = bench.make_credential("half a \ud83d and more")
    errors = [raised(lambda call=call: call(bad, [])) for call in (bench.make_target().apply, bench.make_target().revoke)]
    assert [(type(each), leaks(each, "and more")) for each in errors] == [(Refused, [])] * 2
    assert bench.logs_in(bench.current)
