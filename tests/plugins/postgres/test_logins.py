"""A login that is under way while its role is locked: it has passed the look at LOGIN, and is no session yet."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from rotator.target import Denied, Unreachable
from rotator.testing.target_contract import raised
from tests.plugins.postgres.both import SERVERS

NOBODYS = (
    "SELECT count(*) FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
    " WHERE locktype = 'virtualxid' AND l.pid <> pg_backend_pid() AND usesysid IS NULL"
)


class Login(threading.Thread):
    """One that stays under way for `seconds`, as any user can ask for. `lives`: whether its session takes a statement after `over`."""

    def __init__(self, bench, credential, seconds, statement="SELECT 1", **more):
        super().__init__(daemon=True)
        self.bench, self.credential, self.statement = bench, credential, statement
        self.more = {"options": f"-c post_auth_delay={seconds}", **more}
        self.lives, self.over = None, threading.Event()

    def run(self):
        import psycopg

        try:
            with self.bench.server.connect(self.credential.name, self.credential.secret, **self.more) as connection:
                self.over.wait(15)
                connection.execute(self.statement)
        except psycopg.Error:
            self.lives = False
        else:
            self.lives = True


@contextmanager
def under_way(bench, *logins):
    before = bench.server.query(NOBODYS)[0][0]
    for each in logins:
        each.start()
    end = time.monotonic() + 5
    while bench.server.query(NOBODYS)[0][0] < before + len(logins) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.2)  # until they are where they wait
    yield
    for each in logins:
        each.over.set()
        each.join(15)


@contextmanager
def without_a_word(server, role):
    """A client that was asked for the password and says nothing."""
    told = f"\0\3\0\0user\0{role}\0database\0postgres\0\0".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall((len(told) + 4).to_bytes(4, "big") + told)
        assert client.recv(1) == b"R"
        yield


@SERVERS
def test_a_login_that_is_under_way_does_not_outlive_revoke(make_bench, server):
    bench = make_bench(server)
    old = Login(bench, bench.current, 4)
    with under_way(bench, old):
        began = time.monotonic()
        bench.make_target().revoke(bench.current, [])
        assert time.monotonic() - began < 3
    assert old.lives is False


@SERVERS
def test_logins_of_other_roles_and_clients_without_a_password_go_on_and_keep_nobody_waiting(make_bench, server):
    bench = make_bench(server)
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    held = bench.server.query("SELECT count(*) FROM pg_auth_members")
    old, other = Login(bench, bench.current, 4), Login(bench, new, 4)
    with without_a_word(bench.server, bench.a), under_way(bench, old, other):
        began = time.monotonic()
        bench.make_target().revoke(bench.current, [new])
        assert time.monotonic() - began < 3
        assert bench.server.query("SELECT count(*) FROM pg_auth_members") == held
    assert (old.lives, other.lives) == (False, True)


def test_a_login_for_replication_does_not_outlive_revoke_either(make_bench):
    bench = make_bench("newest")
    bench.server.query(f'ALTER ROLE "{bench.a}" REPLICATION')
    old = Login(bench, bench.current, 4, "IDENTIFY_SYSTEM", replication="true")
    with under_way(bench, old):
        bench.make_target().revoke(bench.current, [])
    assert old.lives is False


@SERVERS
def test_the_session_of_a_role_that_was_dropped_keeps_revoke_from_success_and_is_named(make_bench, server):
    bench = make_bench(server)
    with bench.server.connect(bench.a, bench.current.secret, bench.dbname) as old:
        bench.server.query(f'DROP ROLE "{bench.a}"')
        error = raised(lambda: bench.make_target().revoke(bench.current, []))
        assert isinstance(error, Denied)
        assert str(old.info.backend_pid) in error.what
        bench.make_target(terminate_sessions=False).revoke(bench.current, [])
        bench.paste(error.fix.partition(": ")[2])
        end = time.monotonic() + 5
        while raised(lambda: bench.make_target().revoke(bench.current, [])) is not None and time.monotonic() < end:
            time.sleep(0.05)
        bench.make_target().revoke(bench.current, [])
        with pytest.raises(Exception, match="terminating connection"):
            old.execute("SELECT 1")


@SERVERS
@pytest.mark.parametrize(
    "right", ["GRANT pg_signal_backend TO {0}", "ALTER ROLE {0} SUPERUSER", "REVOKE EXECUTE ON FUNCTION pg_terminate_backend FROM PUBLIC"]
)
def test_where_a_role_cannot_tell_its_own_from_others_every_login_is_waited_for(make_bench, server, right):
    bench = make_bench(server, admin_is="superuser")
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    bench.server.query(right.format(f'"{bench.a}"'))
    old, other = Login(bench, bench.current, 2), Login(bench, new, 2)
    try:
        with without_a_word(bench.server, bench.a), under_way(bench, old, other):
            assert isinstance(raised(lambda: bench.make_target(timeout=0.5).revoke(bench.current, [new])), Unreachable)
            bench.make_target().revoke(bench.current, [new])
    finally:
        bench.server.query("GRANT EXECUTE ON FUNCTION pg_terminate_backend TO PUBLIC")
    assert (old.lives, other.lives) == (False, True)
