"""What a failed login means, on a real server: a no, let in but unfit, or no answer."""

import contextlib
import socket
import threading
import time

import pytest

from rotator.model import Credential, Secret
from rotator.target import Denied, Refused, Rejected, Unfit, Unreachable
from rotator.testing.servers.base import free_ports
from rotator.testing.servers.redis import RedisServer, binary
from rotator.testing.target_contract import raised


def verdict(bench, secret=None, user=None, **config):
    """Type and code of what a login of current (or another) raises."""
    credential = Credential(name=user or bench.user, secret=Secret(secret) if secret else bench.current.secret)
    error = raised(lambda: bench.make_target(**config).verify(credential))
    return type(error), getattr(error, "code", None)


@pytest.fixture
def bench(make_bench):
    return make_bench()


@contextlib.contextmanager
def setting(bench, name, value):
    before = bench.server.query("CONFIG", "GET", name)[1]
    bench.server.query("CONFIG", "SET", name, value)
    try:
        yield
    finally:
        bench.server.query("CONFIG", "SET", name, before)


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
                    over.wait(1.0 if words else 0.0)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


class TestRejected:
    def test_a_wrong_password(self, bench):
        assert verdict(bench, "wrong") == (Rejected, "WRONGPASS")

    def test_a_user_that_does_not_exist(self, bench):
        assert verdict(bench, "wrong", "ghost") == (Rejected, "WRONGPASS")

    def test_a_wrong_password_of_a_user_that_is_off(self, bench):
        bench.alter("off")
        assert verdict(bench, "wrong") == (Rejected, "WRONGPASS")


class TestUnfit:
    def test_a_user_that_is_off_and_holds_the_password(self, bench):
        bench.alter("off")
        error = raised(lambda: bench.make_target().verify(bench.current))
        assert (type(error), error.code) == (Unfit, "WRONGPASS")
        bench.paste(error.fix)
        assert bench.make_target().verify(bench.current) == bench.user

    def test_a_dead_password_of_a_user_that_every_password_opens_is_alive(self, bench):
        bench.alter("nopass")
        with pytest.raises(Unfit, match="still works"):
            bench.make_target().confirm_dead(Credential(name=bench.user, secret=Secret("long dead")))


def test_a_user_that_may_do_nothing_at_all_is_let_in(bench):
    bench.alter("-@all")
    assert bench.make_target().verify(bench.current) == bench.user


class TestUnreachable:
    def test_a_full_server(self, bench):
        with setting(bench, "maxclients", "4"), contextlib.ExitStack() as held:
            with contextlib.suppress(ConnectionError):
                while True:
                    opened, said = bench.server.connect(bench.user, bench.current.secret)
                    held.enter_context(opened)
                    if not said.startswith("+OK"):
                        break
            assert verdict(bench) == (Unreachable, "MAXCLIENTS")
            held.close()
            time.sleep(0.05)

    def test_a_refusal_that_nobody_can_look_into(self, bench):
        assert verdict(bench, "wrong", admin="wrong") == (Unreachable, None)

    def test_a_port_where_nobody_listens(self, bench):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        assert verdict(bench, connection=bench.connection(port=port)) == (Unreachable, None)

    def test_a_host_that_has_no_address(self, bench):
        assert verdict(bench, connection=bench.connection(host="nowhere.invalid", tls={})) == (Unreachable, None)

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            (b"-DENIED Redis is running in protected mode\r\n", "DENIED"),
            (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
            (b"-MISCONF Redis is configured to save RDB snapshots\r\n", "MISCONF"),
            (b"-READONLY You can't write against a read only replica.\r\n", "READONLY"),
            (b"-CLUSTERDOWN The cluster is down\r\n", "CLUSTERDOWN"),
            (b"-BUSY Redis is busy running a script\r\n", "BUSY"),
            (b"-MASTERDOWN Link with MASTER is down\r\n", "MASTERDOWN"),
            (b"-ERR max number of clients reached\r\n", "MAXCLIENTS"),
            (b"-ERR wrong number of arguments for 'auth' command\r\n", "ERR"),
            (b"-NOAUTH HELLO\r\n", "NOAUTH"),
            (b"-what is this\r\n", "ERR"),
            (b"-\r\n", "ERR"),
        ],
    )
    def test_an_error_that_is_neither_yes_nor_no(self, bench, said, code):
        with something_that_says(said) as port:
            assert verdict(bench, connection=bench.connection(port=port), timeout=0.5) == (Unreachable, code)

    @pytest.mark.parametrize(
        "said",
        [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64 + b"\r\n", b"$999999999999\r\n", b"*1\r\n" * 3000, b":x\r\n", b"\r\n"],
    )
    def test_what_is_no_server_of_ours(self, bench, said):
        with something_that_says(said) as port:
            assert verdict(bench, connection=bench.connection(port=port), timeout=0.4) == (Unreachable, None)

    def test_a_server_that_says_one_byte_at_a_time_does_not_keep_us(self, bench):
        with something_that_says(b"+" + b"O" * 60, every=0.1) as port:
            begun = time.monotonic()
            assert verdict(bench, connection=bench.connection(port=port), timeout=0.5)[0] is Unreachable
            assert time.monotonic() - begun < 1.0

    def test_what_the_server_says_is_in_no_message(self, bench):
        with something_that_says(b"-ERR you said hunter2-in-clear\r\n") as port:
            error = raised(lambda: bench.make_target(connection=bench.connection(port=port), timeout=0.5).verify(bench.current))
        assert "hunter2" not in repr((error, vars(error), error.__context__, error.__cause__))


class TestAdmin:
    def test_one_that_is_off_is_denied(self, bench):
        bench.server.alter(bench.admin, "off")
        assert isinstance(raised(lambda: bench.make_target().check([])), Denied)

    def test_one_that_is_removed_while_it_is_connected_is_denied(self, bench):
        target = bench.make_target()
        target.check([bench.current])
        bench.server.drop(bench.admin)
        assert isinstance(raised(lambda: target.check([])), Denied | Unreachable)
        target.close()
        assert isinstance(raised(lambda: target.check([])), Denied)

    def test_a_server_without_users_is_refused(self, bench):
        with something_that_says(b"-ERR wrong number of arguments for 'auth' command\r\n") as port:
            target = bench.make_target(connection=bench.connection(port=port), timeout=0.5)
            assert isinstance(raised(lambda: target.check([])), Refused)


def test_the_server_is_reached_by_its_socket_too(bench):
    there = bench.make_target(connection=bench.connection(host=bench.server.socket_file, tls={}))
    new = bench.make_credential()
    there.apply(new, [bench.current])
    assert there.verify(new) == bench.user
    there.close()


def test_the_clock_is_the_servers(bench):
    assert abs(bench.make_target().clock().timestamp() - time.time()) < 5


@pytest.mark.skipif(binary() is None, reason="no Redis here")
class TestReplica:
    def test_a_replica_and_its_primary_both_say_that_users_are_not_replicated(self, make_bench):
        with RedisServer() as primary:
            first = make_bench(primary)
            with RedisServer(
                settings={"replicaof": f"127.0.0.1 {primary.port}", "masteruser": "root", "masterauth": primary._root.reveal()}
            ) as copy:
                second = make_bench(copy)
                told = [each.text for each in second.make_target().check([second.current]) if each.level == "warn"]
                assert [each for each in told if "is a replica" in each]
                new = second.make_credential()
                second.make_target().apply(new, [second.current])
                assert second.logs_in(new), "a replica takes changes of its own users"
                end = time.monotonic() + 10
                while "1 replicas" not in str(first.make_target().check([first.current])):
                    assert time.monotonic() < end
                    time.sleep(0.05)
            new = first.make_credential()
            first.make_target().apply(new, [first.current])
            assert first.logs_in(new)

    def test_a_node_of_a_cluster_says_so(self, make_bench):
        with RedisServer(settings={"cluster-enabled": "yes", "cluster-port": str(free_ports(1)[0])}) as node:
            bench = make_bench(node)
            assert [each for each in bench.make_target().check([bench.current]) if "node of a cluster" in each.text]
            new = bench.make_credential()
            bench.make_target().apply(new, [bench.current])
            assert bench.make_target().verify(new)
