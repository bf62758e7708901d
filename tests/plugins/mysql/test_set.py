"""Two passwords of one account: read first, replaced whole, never a stranger's and never the current one's loss."""

import contextlib
import json
import socket
import struct
import threading

import pytest
from pymysql.constants import CLIENT

from rotator.model import Credential, Secret
from rotator.target import Denied, Foreign, Refused
from rotator.testing.servers.mariadb import native, quoted
from rotator.testing.target_contract import raised


@pytest.fixture
def bench(make_bench):
    return make_bench()


def works(bench, *credentials):
    return [bench.logs_in(each) for each in credentials]


def plugins(bench):
    priv = json.loads(bench.priv())
    return [(each or priv)["plugin"] for each in priv.get("auth_or", [{}])]


def test_a_repeat_after_a_lost_reply_leaves_the_set_as_it_is(bench):
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    before = bench.priv()
    for _ in range(3):
        bench.make_target().apply(new, [bench.current])
    assert bench.priv() == before
    assert works(bench, bench.current, new) == [True, True]


def test_a_third_password_never_pushes_out_the_current_one(bench):
    new, third = bench.make_credential(), bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    assert isinstance(raised(lambda: bench.make_target().apply(third, [bench.current])), Foreign)
    assert works(bench, bench.current, new, third) == [True, True, False]


def test_with_nothing_to_keep_the_new_one_becomes_the_only_one(bench):
    bench.meddle(bench.current)
    new = bench.make_credential()
    bench.make_target().apply(new, [])
    assert works(bench, bench.current, new, Credential(name=bench.user, secret=Secret("set by another hand"))) == [False, True, False]


def test_a_password_that_somebody_put_in_currents_place_is_foreign(bench):
    bench.server.set_password(bench.user, Secret("of somebody else"))
    new = bench.make_credential()
    assert isinstance(raised(lambda: bench.make_target().apply(new, [bench.current])), Foreign)
    assert bench.server.logs_in(bench.user, Secret("of somebody else"))


@pytest.mark.parametrize("stranger", ["unix_socket", "mysql_native_password USING ''", "pam"])
def test_every_other_way_in_is_a_stranger(bench, stranger):
    if stranger == "pam":
        bench.server.query("INSTALL SONAME 'auth_pam'")
    bench.alter(f"IDENTIFIED VIA mysql_native_password USING '{native(bench.current.secret)}' OR {stranger}")
    error = raised(lambda: bench.make_target().apply(bench.make_credential(), [bench.current]))
    failing = [each.code for each in bench.make_target().check([bench.current]) if each.code == "stray"]
    assert (type(error), failing) == (Foreign, ["stray"])


def test_revoke_takes_exactly_the_old_one(bench):
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    bench.meddle(bench.current)
    stranger = Credential(name=bench.user, secret=Secret("set by another hand"))
    for _ in range(2):
        bench.make_target().revoke(bench.current, [new])
        assert works(bench, bench.current, new, stranger) == [False, True, True]


def test_revoke_never_takes_what_is_to_be_kept(bench):
    bench.make_target().revoke(bench.current, [bench.current])
    assert works(bench, bench.current) == [True]


def test_the_old_one_is_not_taken_where_the_kept_one_is_not_there(bench):
    new = bench.make_credential()
    assert isinstance(raised(lambda: bench.make_target().revoke(bench.current, [new])), Foreign)
    assert works(bench, bench.current) == [True]


def test_a_new_one_is_taken_back(bench):
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    bench.make_target().revoke(new, [bench.current])
    bench.make_target().apply(new, [bench.current])
    bench.make_target().revoke(new, [bench.current])
    assert works(bench, bench.current, new) == [True, False]


def test_of_the_name_alone_what_is_kept_remains(bench):
    bench.meddle(bench.current)
    bench.make_target().revoke(Credential(name=bench.user, secret=None), [bench.current])
    assert works(bench, bench.current) == [True]
    assert bench.server.passwords(bench.user) == [native(bench.current.secret)]


def test_a_lock_and_all_else_of_the_account_stays(bench):
    bench.alter("REQUIRE SSL WITH MAX_USER_CONNECTIONS 7 ACCOUNT LOCK PASSWORD EXPIRE INTERVAL 90 DAY")
    before = json.loads(bench.priv())
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    bench.make_target().revoke(bench.current, [new])
    after = json.loads(bench.priv())
    for changed in ("authentication_string", "auth_or", "password_last_changed"):
        before.pop(changed, None)
        after.pop(changed, None)
    assert after == before


def test_a_role_is_no_account(make_bench):
    bench = make_bench()
    bench.remove(bench.current)
    bench.server.query(f"CREATE ROLE `{bench.user.replace('`', '``')}`")
    error = raised(lambda: bench.make_target().apply(bench.current, []))
    bench.server.query(f"DROP ROLE `{bench.user.replace('`', '``')}`")
    assert isinstance(error, Refused)


def test_in_place_an_operators_lock_stays_and_one_password_is_left(make_bench):
    bench = make_bench(max_live=1)
    bench.alter("ACCOUNT LOCK")
    new = bench.make_credential()
    bench.make_target().apply(new, [])
    bench.make_target().revoke(bench.current, [new])
    assert json.loads(bench.priv())["account_locked"] is True
    bench.alter("ACCOUNT UNLOCK")
    assert works(bench, bench.current, new) == [False, True]


def test_two_passwords_in_place_are_refused(make_bench):
    bench = make_bench(max_live=1)
    assert isinstance(raised(lambda: bench.make_target().apply(bench.make_credential(), [bench.current])), Refused)


class TestPlugins:
    """Which pairs work is tried by logins of the server's own client."""

    @pytest.mark.parametrize("first", ["mysql_native_password", "ed25519"])
    @pytest.mark.parametrize("second", ["mysql_native_password", "ed25519"])
    def test_every_pair_lets_both_in_and_nobody_else(self, bench, first, second):
        one, two = bench.make_credential("the first of the pair"), bench.make_credential("the second of the pair")
        bench.make_target(plugin=first).apply(one, [])
        bench.make_target(plugin=second).apply(two, [one])
        assert [bench.server.client_logs_in(bench.user, each.secret) for each in (one, two, bench.current)] == [True, True, False]
        assert [bench.make_target().verify(each) for each in (one, two)] == [f"{bench.user}@%"] * 2
        bench.make_target().revoke(one, [two])
        assert [bench.server.client_logs_in(bench.user, each.secret) for each in (one, two)] == [False, True]

    def test_a_driver_that_follows_one_switch_gets_in_by_either_of_two_native_ones(self, bench):
        new = bench.make_credential()
        bench.make_target(fence=7).apply(new, [bench.current])
        for each in (bench.current, new):
            with bench.server.connect(bench.user, each.secret) as by_itself, by_itself.cursor() as cursor:  # PyMySQL's own login
                cursor.execute("SELECT CURRENT_USER()")
                assert cursor.fetchone()[0] == f"{bench.user}@%"

    def test_what_every_client_speaks_stands_first(self, bench):
        new = bench.make_credential()
        bench.make_target(plugin="ed25519").apply(bench.current, [])
        assert plugins(bench)[0] == "mysql_native_password"  # it was there already, and stays as it is
        bench.make_target(plugin="ed25519").apply(new, [])
        bench.make_target(plugin="mysql_native_password").apply(bench.current, [new])
        assert plugins(bench) == ["mysql_native_password", "ed25519", "mysql_native_password"]

    def test_left_out_it_is_as_the_present_ones(self, bench):
        bench.make_target(plugin="ed25519").apply(bench.make_credential(), [])
        new = bench.make_credential()
        bench.make_target().apply(new, [])
        assert plugins(bench)[0] == "ed25519"
        assert bench.make_target().verify(new)


def packet(sequence, body):
    return struct.pack("<I", len(body))[:3] + bytes([sequence]) + body


def answers(session):
    import pymysql

    try:
        session.query("SELECT 1")
    except pymysql.err.Error:
        return False
    return True


class TestSessions:
    @pytest.mark.parametrize("ends", [True, False])
    def test_revoke_ends_open_sessions_only_where_settings_say_so(self, make_bench, ends):
        import pymysql

        bench = make_bench(ends_sessions=True)
        new = bench.make_credential()
        bench.make_target().apply(new, [bench.current])
        old = bench.server.connect(bench.user, bench.current.secret)
        bench.make_target(terminate_sessions=ends).revoke(bench.current, [new])
        if ends:
            with pytest.raises(pymysql.err.OperationalError):
                old.query("SELECT 1")
        else:
            old.query("SELECT 1")
            old.close()
        assert bench.make_target(terminate_sessions=ends).can.sessions_survive is not ends

    def test_a_revoke_of_what_is_to_be_kept_ends_no_session(self, make_bench):
        bench = make_bench(ends_sessions=True)
        bench.make_target().apply(bench.make_credential(), [bench.current])
        before = bench.state()
        with bench.server.connect(bench.user, bench.current.secret) as session:
            bench.make_target().revoke(bench.current, [bench.current])
            assert (answers(session), bench.state()) == (True, before)

    def test_consumers_that_reconnect_by_the_new_password_are_ended_once_and_keep_nobody_waiting(self, make_bench):
        import pymysql

        bench = make_bench(ends_sessions=True)
        new, over, ended, pools = bench.make_credential(), threading.Event(), [], 2
        bench.make_target().apply(new, [bench.current])
        ready = threading.Barrier(pools + 1, timeout=20)

        def pool():
            session = bench.server.connect(bench.user, new.secret)
            ready.wait()
            while not over.wait(0.002):
                try:
                    session.query("SELECT 1")
                except pymysql.err.Error:
                    ended.append(session)
                    session = bench.server.connect(bench.user, new.secret)
            session.close()

        threads = [threading.Thread(target=pool) for _ in range(pools)]
        for each in threads:
            each.start()
        ready.wait()
        error = raised(lambda: bench.make_target(timeout=6.0).revoke(bench.current, [new]))
        over.set()
        for each in threads:
            each.join()
        assert (error, len(ended) <= pools) == (None, True)

    @pytest.mark.parametrize("ends", [True, False])
    def test_a_login_by_the_old_password_that_is_under_way_is_ended_too(self, make_bench, ends):
        """The server has looked up the old password already, and waits for the answer to its challenge."""
        from pymysql._auth import scramble_native_password

        bench = make_bench(ends_sessions=True)
        old, name = bench.make_credential(), bench.user.encode()
        bench.make_target().apply(old, [bench.current])
        with socket.create_connection((bench.server.host, bench.server.port), timeout=5) as login:
            login.recv(4096)
            flags = CLIENT.PROTOCOL_41 | CLIENT.LONG_PASSWORD | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH
            hello = struct.pack("<IIB23s", flags, 1 << 24, 45, b"") + name + b"\0\x14" + bytes(20) + b"mysql_native_password\0"
            login.sendall(packet(1, hello))
            switch = login.recv(4096)
            bench.make_target(terminate_sessions=ends).revoke(old, [bench.current])
            with contextlib.suppress(OSError):
                login.sendall(packet(3, scramble_native_password(old.secret.reveal().encode(), switch[-21:-1])))
            said = b""
            with contextlib.suppress(ConnectionError):
                said = login.recv(4096)
        assert (switch[4:26], said[4:5]) == (b"\xfemysql_native_password", b"" if ends else b"\0")

    def test_who_may_not_end_them_is_told_before_anything_is_changed(self, make_bench):
        bench = make_bench()
        new = bench.make_credential()
        bench.make_target().apply(new, [bench.current])
        before = bench.state()
        error = raised(lambda: bench.make_target(terminate_sessions=True).revoke(bench.current, [new]))
        assert isinstance(error, Denied)
        assert bench.state() == before
        bench.paste(error.fix)
        bench.make_target(terminate_sessions=True).revoke(bench.current, [new])
        assert works(bench, bench.current, new) == [False, True]

    def test_sessions_of_a_name_that_differs_by_case_or_accents_alone_are_never_ended(self, make_bench):
        """To PROCESSLIST they are equal, to the accounts not."""
        bench, old = make_bench(ends_sessions=True), Secret("the old one of the three")
        names = [bench.user, bench.user.upper(), bench.user.replace("a", "\u00e4")]
        bench.server.query(f"DROP USER {quoted(bench.user)}")
        for each in names:
            bench.server.create_user(each, old)
        opened = [bench.server.connect(each, old) for each in names]
        alive = []
        for each in names:
            target, new = bench.make_target(username=each), Credential(name=each, secret=Secret("the new one of the three"))
            target.apply(new, [Credential(name=each, secret=old)])
            target.revoke(Credential(name=each, secret=old), [new])
            target.close()
            alive.append([answers(session) for session in opened])
        for each in names[1:]:
            bench.server.query(f"DROP USER {quoted(each)}")
        assert alive == [[False, True, True], [False, False, True], [False, False, False]]

    def test_sessions_of_another_account_of_that_name_are_never_ended(self, make_bench):
        bench = make_bench(ends_sessions=True)
        bench.server.create_user(bench.user, Secret("another account"), "10.9.8.7")
        before = bench.state()
        error = raised(lambda: bench.make_target().revoke(bench.current, []))
        found = [each.code for each in bench.make_target().check([bench.current]) if each.level == "fail"]
        assert (type(error), found, bench.state()) == (Refused, ["sessions"], before)
        bench.server.query(f"DROP USER {quoted(bench.user, '10.9.8.7')}")
