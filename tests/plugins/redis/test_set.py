"""The set of a user's passwords: read first, added to, taken from; nobody else's is touched, and what is changed is saved."""

import pytest

from rotator.model import Credential, Secret
from rotator.target import Denied, Foreign, Refused, Unreachable
from rotator.testing.servers.redis import RedisServer, binary, sha256
from rotator.testing.target_contract import raised
from rotator.testing.wire import Wire

STRANGER = Secret("set by another hand")


@pytest.fixture
def bench(make_bench):
    return make_bench()


def works(bench, *credentials):
    return [bench.logs_in(each) for each in credentials]


def test_with_nothing_to_keep_the_new_one_becomes_the_only_one(bench):
    bench.meddle(bench.current)
    new = bench.make_credential()
    bench.make_target().apply(new, [])
    assert works(bench, bench.current, Credential(name=bench.user, secret=STRANGER), new) == [False, False, True]


def test_a_user_without_a_password_gets_its_first(bench):
    bench.alter("resetpass")
    new = bench.make_credential()
    bench.make_target(fence=4).apply(new, [])
    assert works(bench, bench.current, new) == [False, True]


def test_what_is_to_be_kept_and_is_not_there_is_foreign(bench):
    bench.server.set_password(bench.user, STRANGER)
    before = bench.state()
    assert isinstance(raised(lambda: bench.make_target().apply(bench.make_credential(), [bench.current])), Foreign)
    assert bench.state() == before


@pytest.mark.parametrize("max_live", [1, 2])
def test_a_user_that_every_password_opens_is_foreign_to_every_change(make_bench, max_live):
    bench = make_bench(max_live=max_live)
    bench.alter("nopass")
    before, target = bench.state(), bench.make_target()
    calls = [
        lambda: target.apply(bench.make_credential(), [] if max_live == 1 else [bench.current]),
        lambda: target.apply(bench.current, []),
    ]
    calls += [lambda: target.revoke(bench.current, [])] if max_live > 1 else []
    assert {type(raised(each)) for each in calls} == {Foreign}
    assert bench.state() == before


def test_revoke_takes_exactly_the_old_one(bench):
    new = bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    bench.meddle(bench.current)
    for _ in range(2):
        bench.make_target().revoke(bench.current, [new])
        assert works(bench, bench.current, new, Credential(name=bench.user, secret=STRANGER)) == [False, True, True]


def test_revoke_never_takes_what_is_to_be_kept(bench):
    bench.make_target().revoke(bench.current, [bench.current])
    assert works(bench, bench.current) == [True]


def test_the_old_one_is_not_taken_where_the_kept_one_is_not_there(bench):
    new = bench.make_credential()
    assert isinstance(raised(lambda: bench.make_target().revoke(bench.current, [new])), Foreign)
    assert works(bench, bench.current) == [True]


def test_a_new_one_is_taken_back_again_and_again(bench):
    new = bench.make_credential()
    for _ in range(2):
        bench.make_target().apply(new, [bench.current])
        bench.make_target().revoke(new, [bench.current])
    assert works(bench, bench.current, new) == [True, False]


def test_of_the_name_alone_what_is_kept_remains(bench):
    bench.meddle(bench.current)
    bench.make_target(fence=0).revoke(Credential(name=bench.user, secret=None), [bench.current])
    assert bench.server.hashes(bench.user) == [sha256(bench.current.secret)]


def test_off_and_all_other_rules_of_the_user_stay(bench):
    bench.alter("off", "resetkeys", "~cart:*", "&news", "-get", "(+set ~other:*)")

    def rules():
        found = bench.server.query("ACL", "GETUSER", bench.user)
        parts = dict(zip(found[::2], found[1::2], strict=True))
        parts.pop("passwords")
        return parts

    before, new = rules(), bench.make_credential()
    bench.make_target().apply(new, [bench.current])
    bench.make_target().revoke(bench.current, [new])
    assert rules() == before
    bench.alter("on")
    assert works(bench, bench.current, new) == [False, True]


def test_two_passwords_in_place_are_refused(make_bench):
    bench = make_bench(max_live=1)
    assert isinstance(raised(lambda: bench.make_target().apply(bench.make_credential(), [bench.current])), Refused)


def test_in_place_one_password_is_left_and_revoke_is_nothing(make_bench):
    bench = make_bench(max_live=1)
    bench.meddle(bench.current)
    new = bench.make_credential()
    bench.make_target().apply(new, [])
    bench.make_target().revoke(bench.current, [new])
    assert works(bench, bench.current, Credential(name=bench.user, secret=STRANGER), new) == [False, False, True]


class LosesTheReply(Wire):
    """Cuts the connection where the answer to the first ACL SETUSER of a kind would come."""

    def __init__(self, port, nth):
        super().__init__(port)
        self.left, self.mute = nth, set()

    def asked(self, pair, data):
        self.left -= b"SETUSER" in data
        if b"SETUSER" in data and self.left == 0:
            self.mute.add(pair)
        return True

    def answered(self, pair, _data):
        return pair not in self.mute


@pytest.mark.parametrize("fence", [True, False])
def test_a_repeat_after_a_lost_reply_leaves_the_set_as_it_is_and_saves_it(make_bench, fence):
    bench = make_bench(fence=fence)
    new = bench.make_credential()
    with LosesTheReply(bench.server.port, 2 if fence else 1) as wire:
        late = bench.make_target(connection=bench.connection(port=wire.port))
        assert isinstance(raised(lambda: late.apply(new, [bench.current])), Unreachable)
        late.close()
    assert works(bench, bench.current, new) == [True, True]
    assert sha256(new.secret) not in bench.server.acl_file.read_text()
    before = bench.state()
    bench.make_target().apply(new, [bench.current])
    assert bench.state() == before
    assert sha256(new.secret) in bench.server.acl_file.read_text()


class TestSaved:
    def test_every_change_is_in_the_acl_file(self, bench):
        new = bench.make_credential()
        bench.make_target().apply(new, [bench.current])
        assert sha256(new.secret) in bench.server.acl_file.read_text()
        bench.make_target().revoke(bench.current, [new])
        assert sha256(bench.current.secret) not in bench.server.acl_file.read_text().replace(sha256(new.secret), "")

    def test_a_file_that_cannot_be_written_is_told_before_anything_is_changed(self, bench):
        folder, mode = bench.server.base, bench.server.base.stat().st_mode
        before = bench.state()
        folder.chmod(0o555)
        try:
            error = raised(lambda: bench.make_target().apply(bench.make_credential(), [bench.current]))
        finally:
            folder.chmod(mode)
        assert isinstance(error, Unreachable)
        assert "cannot write its file of users" in error.what
        assert bench.state() == before

    @pytest.mark.skipif(binary() is None, reason="no Redis here")
    def test_a_server_without_an_acl_file(self, make_bench):
        with RedisServer(acl_file=False) as server:
            bench = make_bench(server, user="app{}", persist="config_file", rules=("+config|rewrite", "+config|get"))
            bench.persist = "acl_file"
            new, before = bench.make_credential(), bench.state()
            assert isinstance(raised(lambda: bench.make_target().apply(new, [bench.current])), Refused)
            assert bench.state() == before
            assert [each.code for each in bench.make_target().check([bench.current]) if each.level == "fail"] == ["fitness"]
            there = bench.make_target(connection=bench.connection(persist="config_file"))
            assert [each for each in there.check([bench.current]) if each.level == "fail"] == []
            there.apply(new, [bench.current])
            there.revoke(bench.current, [new])
            there.close()
            server.stop()
            server.start()
            assert works(bench, bench.current, new) == [False, True]
            nothing = bench.make_target(connection=bench.connection(persist="none"))
            nothing.apply(bench.current, [new])
            assert [each.level for each in nothing.check([bench.current, new]) if "nothing saves" in each.text] == ["warn"]
            nothing.close()
            server.stop()
            server.start()
            assert works(bench, bench.current, new) == [False, True]


class TestTheConfigurationFile:
    """CONFIG REWRITE writes every user as it is. What has a quote in it, the server does not read again: it does not start."""

    @pytest.fixture
    def plain(self):
        if binary() is None:
            pytest.skip("no Redis here")
        with RedisServer(acl_file=False) as server:
            yield server

    def bench_of(self, make_bench, server, *rules):
        return make_bench(server, user="app{}", persist="config_file", rules=("+config|rewrite", *rules))

    def refused(self, bench):
        """What APPLY and REVOKE raise, what CHECK fails for, and whether all is as it was and the server starts again."""
        server, before = bench.server, (bench.state(), bench.server.config_file.read_bytes())
        target, new = bench.make_target(), bench.make_credential()
        errors = [raised(lambda: target.apply(new, [bench.current])), raised(lambda: target.revoke(bench.current, []))]
        failing = [each.code for each in target.check([bench.current]) if each.level == "fail" and "does not start" in each.text]
        target.close()
        same = (bench.state(), server.config_file.read_bytes()) == before
        return [type(each) for each in errors], failing, same

    @pytest.mark.parametrize("rules", [["~it's:*"], ['~"cart"'], ["resetchannels", "&new's"], ["+set|o'clock"]])
    def test_a_quote_in_a_rule_of_the_user_is_refused_before_anything_is_saved(self, make_bench, plain, rules):
        bench = self.bench_of(make_bench, plain)
        bench.alter("resetkeys", *rules)
        assert self.refused(bench) == ([Refused, Refused], ["fitness"], True)

    @pytest.mark.parametrize("other", [["o'brien", "on", "nopass"], ["reports", "on", "nopass", "~it's:*"]])
    def test_a_quote_of_any_other_user_is_refused_where_the_admin_may_list_them(self, make_bench, plain, other):
        plain.query("ACL", "SETUSER", *other)
        bench = self.bench_of(make_bench, plain, "+acl|list")
        assert self.refused(bench) == ([Refused, Refused], ["fitness"], True)
        plain.query("ACL", "DELUSER", other[0])
        bench.make_target().apply(bench.make_credential(), [bench.current])

    def test_a_backslash_in_a_rule_is_read_again_as_it_is(self, make_bench, plain):
        bench = self.bench_of(make_bench, plain, "+acl|list")
        bench.alter("resetkeys", "~a\\*b", "~\\x41")
        target, new = bench.make_target(), bench.make_credential()
        target.apply(new, [bench.current])
        target.close()
        before = bench.state()
        plain.stop()
        plain.start()
        assert (bench.state(), works(bench, bench.current, new)) == (before, [True, True])

    @pytest.mark.parametrize(("rules", "told"), [((), ["include", "quote"]), (("+acl|list",), ["include"])])
    def test_what_nobody_can_see_of_the_file_is_a_warning(self, make_bench, plain, rules, told):
        bench = self.bench_of(make_bench, plain, *rules)
        bench.make_target().apply(bench.current, [])
        warned = [each.text for each in bench.make_target().check([bench.current]) if each.level == "warn"]
        assert [[word for word in ("include", "quote") if word in each] for each in warned] == [told]


class TestConnections:
    @pytest.mark.parametrize("ends", [True, False])
    def test_revoke_ends_open_connections_only_where_settings_say_so(self, make_bench, ends):
        bench = make_bench(ends_sessions=True)
        new = bench.make_credential()
        bench.make_target().apply(new, [bench.current])
        opened = [bench.server.connect(bench.user, each.secret)[0] for each in (bench.current, new)]
        bench.make_target(terminate_sessions=ends).revoke(bench.current, [new])
        for each in opened:
            with each:
                each.sendall(b"GET none\r\n")
                assert each.recv(64) == (b"" if ends else b"$-1\r\n"), "those by the new password are ended too"
        assert bench.make_target(terminate_sessions=ends).can.sessions_survive is not ends
        assert works(bench, bench.current, new) == [False, True]

    def test_a_revoke_of_what_is_to_be_kept_ends_no_connection(self, make_bench):
        bench = make_bench(ends_sessions=True)
        bench.make_target().apply(bench.make_credential(), [bench.current])
        before = bench.state()
        with bench.server.connect(bench.user, bench.current.secret)[0] as opened:
            bench.make_target().revoke(bench.current, [bench.current])
            opened.sendall(b"GET none\r\n")
            assert (opened.recv(64), bench.state()) == (b"$-1\r\n", before)

    def test_who_may_not_end_them_is_told_before_anything_is_changed(self, bench):
        new = bench.make_credential()
        bench.make_target().apply(new, [bench.current])
        before = bench.state()
        error = raised(lambda: bench.make_target(terminate_sessions=True).revoke(bench.current, [new]))
        assert isinstance(error, Denied)
        assert bench.state() == before
        bench.paste(error.fix)
        bench.make_target(terminate_sessions=True).revoke(bench.current, [new])
        assert works(bench, bench.current, new) == [False, True]
