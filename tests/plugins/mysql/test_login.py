"""What a failed login means, on a real server: a no, let in but unfit, or no answer."""

import contextlib
import re
import socket
import ssl
import threading
import time

import pytest

from rotator.model import Credential, Secret
from rotator.target import Denied, Rejected, Unfit, Unreachable
from rotator.testing.servers.mariadb import quoted
from rotator.testing.servers.tls import write_certificates
from rotator.testing.target_contract import raised
from tests.plugins.mysql.conftest import setting


def verdict(bench, secret=None, user=None, **config):
    """Type and code of what a login of current (or another) raises."""
    credential = Credential(name=user or bench.user, secret=Secret(secret) if secret else bench.current.secret)
    error = raised(lambda: bench.make_target(**config).verify(credential))
    return type(error), getattr(error, "code", None)


@pytest.fixture
def bench(make_bench):
    return make_bench()


class TestRejected:
    def test_a_wrong_password(self, bench):
        assert verdict(bench, "wrong") == (Rejected, "1045")

    def test_an_account_that_does_not_exist(self, bench):
        assert verdict(bench, "wrong", "ghost") == (Rejected, "1045")

    def test_a_wrong_password_of_a_locked_account(self, bench):
        bench.alter("ACCOUNT LOCK")
        assert verdict(bench, "wrong") == (Rejected, "1045")
        new = bench.make_credential()
        bench.make_target().apply(new, [bench.current])
        bench.make_target().revoke(bench.current, [new])
        assert bench.make_target().confirm_dead(bench.current).startswith("1045")

    def test_an_account_that_asks_for_no_password(self, bench):
        bench.alter("IDENTIFIED VIA unix_socket")
        assert verdict(bench) == (Rejected, "1698")

    def test_neither_the_mark_nor_nothing_opens_an_account_without_passwords(self, bench):
        bench.make_target(fence=17).revoke(Credential(name=bench.user, secret=None), [])
        mark = f"*ROTATOR.FENCE.{17:025}."
        assert mark in bench.priv()
        assert [verdict(bench, each)[0] for each in (None, mark, "invalid", " ")] == [Rejected] * 4
        assert not bench.server.logs_in(bench.user, Secret(""))


class TestUnfit:
    @pytest.mark.parametrize("dbname", ["mysql", "nowhere", "shop"])
    def test_a_database_that_it_may_not_use(self, bench, dbname):
        assert verdict(bench, dbname=dbname) == (Unfit, "1044")

    def test_a_database_that_does_not_exist(self, bench):
        bench.server.query(f"GRANT ALL ON *.* TO {quoted(bench.user)}")
        assert verdict(bench, dbname="nowhere") == (Unfit, "1049")

    @pytest.mark.parametrize("max_live", [1, 2])
    def test_the_right_password_of_a_locked_account_is_alive_and_the_printed_statement_lets_it_in(self, make_bench, max_live):
        bench = make_bench(max_live=max_live)
        bench.alter("ACCOUNT LOCK")
        new = bench.make_credential()
        bench.make_target().apply(new, [bench.current] if max_live == 2 else [])
        for each in [new, bench.current][:max_live]:
            for call in (bench.make_target().verify, bench.make_target().confirm_dead):
                error = raised(lambda call=call, each=each: call(each))
                assert (type(error), error.code, "the password is right" in error.what) == (Unfit, "4151", True)
        bench.paste(error.fix)
        assert bench.make_target().verify(new) == f"{bench.user}@%"

    def test_a_password_that_has_expired(self, bench):
        bench.alter("PASSWORD EXPIRE")
        assert verdict(bench) == (Unfit, "1820")
        with setting(bench, "disconnect_on_expired_password", 1):
            assert verdict(bench) == (Unfit, "1862")
        new = bench.make_credential()
        bench.make_target().apply(new, [bench.current])
        assert bench.make_target().verify(new)

    def test_a_password_whose_age_is_over_is_let_in_again_by_the_printed_statement(self, bench):
        aged = f"Priv = JSON_SET(Priv, '$.password_last_changed', {time.time() - 40 * 86400:.0f})"
        bench.server.query(f"UPDATE mysql.global_priv SET {aged} WHERE User = %s", (bench.user,))
        bench.server.query("FLUSH PRIVILEGES")
        with setting(bench, "default_password_lifetime", 30):
            error = raised(lambda: bench.make_target().verify(bench.current))
            assert (type(error), error.code) == (Unfit, "1820")
            bench.paste(re.search(r"ALTER USER .*?;", error.fix)[0])
            assert bench.make_target().verify(bench.current) == f"{bench.user}@%"

    def test_a_nearer_account_of_the_same_name(self, bench):
        bench.server.create_user(bench.user, bench.current.secret, "127.0.0.1")
        error = raised(lambda: bench.make_target().verify(bench.current))
        bench.server.query(f"DROP USER {quoted(bench.user, '127.0.0.1')}")
        assert isinstance(error, Unfit)
        assert "not as" in str(error)

    def test_the_right_database(self, bench):
        bench.server.query(f"GRANT SELECT ON shop.* TO {quoted(bench.user)}")
        assert bench.make_target(dbname="shop").verify(bench.current) == f"{bench.user}@%"


class TestUnreachable:
    def test_an_account_at_its_connection_limit(self, bench):
        bench.alter("WITH MAX_USER_CONNECTIONS 1")
        with bench.server.connect(bench.user, bench.current.secret):
            assert verdict(bench) == (Unreachable, "1226")
        bench.alter("WITH MAX_USER_CONNECTIONS 0")

    def test_an_account_without_logins_left_in_this_hour(self, bench):
        bench.alter("WITH MAX_CONNECTIONS_PER_HOUR 1")
        bench.make_target().verify(bench.current)
        assert verdict(bench) == (Unreachable, "1226")

    def test_a_full_server(self, bench):
        with setting(bench, "max_connections", 10), contextlib.ExitStack() as held:
            with contextlib.suppress(Exception):
                while True:
                    held.enter_context(bench.server.connect(bench.user, bench.current.secret))
            assert verdict(bench) == (Unreachable, "1040")

    def test_an_account_that_is_blocked_calls_every_password_wrong_and_that_is_no_rejection(self, bench):
        new = bench.make_credential()
        bench.make_target().apply(new, [bench.current])
        with setting(bench, "max_password_errors", 2):
            assert [bench.server.client_logs_in(bench.user, Secret("wrong")) for _ in range(2)] == [False] * 2
            assert not bench.server.client_logs_in(bench.user, bench.current.secret)
            assert verdict(bench) == (Unreachable, "1045")
            assert verdict(bench, "wrong") == (Rejected, "1045")
        assert bench.make_target().verify(bench.current)

    def test_a_blocked_account_with_one_way_in_says_so(self, make_bench):
        bench = make_bench(fence=False)
        with setting(bench, "max_password_errors", 2):
            for _ in range(2):
                bench.logs_in(Credential(name=bench.user, secret=Secret("wrong")))
            assert verdict(bench) == (Unreachable, "4150")

    def test_an_account_that_wants_tls_where_there_is_none(self, bench):
        bench.alter("REQUIRE SSL")
        assert verdict(bench) == (Unreachable, "1045")

    def test_a_plugins_name_as_somebody_typed_it_hides_no_password_of_ours(self, bench):
        """MariaDB keeps it so."""
        current, new = Credential(name=bench.user, secret=Secret("by another plugin")), bench.make_credential()
        bench.alter("IDENTIFIED VIA Ed25519 USING PASSWORD('by another plugin') REQUIRE SSL")
        assert '"Ed25519"' in bench.priv()
        error = raised(lambda: bench.make_target().confirm_dead(current))
        bench.alter("REQUIRE NONE")
        bench.make_target().apply(new, [current])
        bench.make_target().revoke(current, [new])
        assert (type(error), bench.logs_in(current), bench.logs_in(new)) == (Unreachable, False, True)

    def test_a_refusal_that_nobody_can_look_into(self, bench):
        assert verdict(bench, "wrong", admin="wrong") == (Unreachable, None)

    def test_a_machine_that_no_account_admits(self, make_bench):
        bench = make_bench(host="10.9.8.7")
        assert verdict(bench) == (Unreachable, "1045")

    def test_a_port_where_nobody_listens(self, bench):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        assert verdict(bench, connection=bench.connection(port=port)) == (Unreachable, "2003")

    def test_a_host_that_has_no_address(self, bench):
        assert verdict(bench, connection=bench.connection(host="nowhere.invalid", tls={})) == (Unreachable, "2003")

    @pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\x00\x00\x00\x0a8.0", b"\xff" * 64])
    def test_what_is_no_server_of_ours(self, bench, said):
        with something_that_says(said) as port:
            assert verdict(bench, connection=bench.connection(port=port), timeout=0.5)[0] is Unreachable

    def test_a_server_that_says_one_byte_at_a_time_does_not_keep_us(self, bench):
        with something_that_says(b"\x4a\x00\x00\x00\x0a" + b"8" * 60, every=0.1) as port:
            begun = time.monotonic()
            assert verdict(bench, connection=bench.connection(port=port), timeout=0.5)[0] is Unreachable
            assert time.monotonic() - begun < 1.0


@contextlib.contextmanager
def something_that_says(words, every=0.0):
    """A port that answers each client with these bytes, and then waits."""
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    for piece in [words[at : at + 1] for at in range(len(words))] if every else [words]:
                        client.sendall(piece)
                        over.wait(every)
                    over.wait(0.0 if not words else 1.0)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize("state", ["ACCOUNT LOCK", "PASSWORD EXPIRE"])
def test_an_admin_that_may_not_come_in_is_denied(bench, state):
    bench.server.query(f"ALTER USER {quoted(bench.admin)} {state}")
    assert isinstance(raised(lambda: bench.make_target().check([])), Denied)


def test_the_server_is_reached_by_its_socket_too(make_bench):
    bench = make_bench()
    there = bench.make_target(connection=bench.connection(host=bench.server.socket, tls={}))
    new = bench.make_credential()
    there.apply(new, [bench.current])
    assert there.verify(new) == f"{bench.user}@%"
    there.close()


def test_the_server_notes_no_broken_connection_of_ours(bench):
    def broken():
        return bench.server.query("SHOW GLOBAL STATUS LIKE 'Aborted_clients'")

    before, new = broken(), bench.make_credential()
    target = bench.make_target()
    target.apply(new, [bench.current])
    target.verify(new)
    target.close()
    target.close()
    time.sleep(0.1)
    assert broken() == before


@pytest.mark.parametrize("asked", ["mysql_clear_password", "dialog", "mysql_old_password", "sha256_password", "gssapi"])
def test_a_server_that_asks_for_the_password_in_clear_does_not_get_it(bench, asked):
    """Another than MariaDB: a handshake that ends in a switch of the plugin. What comes after it is kept."""
    heard = []
    with asking(asked, heard) as port:
        assert verdict(bench, connection=bench.connection(port=port), timeout=0.5) == (Unreachable, "2059")
    assert heard
    assert not any(bench.current.secret.reveal().encode() in each for each in heard)


@pytest.mark.parametrize("greeted", ["sha256_password", "mysql_clear_password", "dialog", "client_ed25519", ""])
def test_a_server_whose_greeting_asks_for_the_password_in_clear_does_not_get_it_either(bench, tmp_path, greeted):
    """Over TLS, where a driver would send it at once."""
    ca, certificate, key = (tmp_path / each for each in ("ca.pem", "c.pem", "k.pem"))
    write_certificates(ca, certificate, key)
    heard, tls = [], ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with asking("sha256_password", heard, greeted, tls) as port:
        connection = bench.connection(port=port, tls={"ca": str(ca)})
        assert verdict(bench, connection=connection, timeout=1.0) == (Unreachable, "2059")
    assert b"mysql_native_password\0" in heard[0]
    assert not any(bench.current.secret.reveal().encode() in each for each in heard)


@contextlib.contextmanager
def asking(plugin, heard, greeted="mysql_native_password", tls=None):
    can = b"\xff\xff" if tls else b"\xff\xf7"
    greeting = b"\x0a8.0.0\0" + b"\1\0\0\0" + b"s" * 8 + b"\0" + can + b"\x21\2\0" + b"\xff\xdf" + b"\x15" + bytes(10)
    greeting += b"s" * 12 + b"\0" + greeted.encode() + b"\0"
    switch = b"\xfe" + plugin.encode() + b"\0" + b"s" * 20 + b"\0"
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            client.sendall(len(greeting).to_bytes(3, "little") + b"\0" + greeting)
            if tls:
                client.recv(36)
                client = tls.wrap_socket(client, server_side=True)
            with client:
                heard.append(client.recv(4096))
                client.sendall(len(switch).to_bytes(3, "little") + (b"\3" if tls else b"\2") + switch)
                heard.append(client.recv(4096))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(2)
        listener.close()
