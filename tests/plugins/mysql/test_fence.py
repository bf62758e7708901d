"""The fence: a runner that was overtaken changes nothing, wherever it was paused."""

import pytest

from rotator.errors import Conflict
from rotator.model import Credential, Secret
from rotator.target import Foreign
from rotator.testing.target_contract import raised
from rotator_mysql.mariadb import account_of, fence_entry
from rotator_mysql.session import document
from tests.plugins import fences


@pytest.fixture
def bench(make_bench):
    return make_bench()


def fence(bench):
    return account_of(bench.user, "%", document(bench.priv()), "").fence


def while_paused(bench, change, meanwhile):
    return fences.while_paused(bench, fences.Pause(bench.server.port, b"ALTER USER"), change, meanwhile)


def test_a_paused_runner_is_refused_although_the_account_is_as_it_was(bench):
    """The later run has set the very same password, and taken it back: the set is what the paused one has read."""
    new, later = bench.make_credential(), bench.make_target(fence=2)

    def meanwhile():
        later.apply(new, [bench.current])
        later.revoke(new, [bench.current])

    assert isinstance(while_paused(bench, lambda late: late.apply(new, [bench.current]), meanwhile), Conflict)
    assert (bench.logs_in(bench.current), bench.logs_in(new), fence(bench)) == (True, False, 2)


def test_a_paused_revoke_never_takes_what_a_later_run_has_set(bench):
    error, log_in = fences.overtaken_revoke(bench, fences.Pause(bench.server.port, b"ALTER USER"))
    assert isinstance(error, Conflict)
    assert log_in == [True, True]


def test_a_human_who_is_faster_than_our_statement_is_seen_by_the_server(bench):
    human = Secret("a human was here first")
    new = bench.make_credential()
    error = while_paused(bench, lambda late: late.apply(new, [bench.current]), lambda: bench.server.set_password(bench.user, human))
    assert isinstance(error, Foreign)
    assert (bench.server.logs_in(bench.user, human), bench.logs_in(new)) == (True, False)


def test_a_human_who_grants_meanwhile_is_no_trouble(bench):
    new = bench.make_credential()
    change = f"GRANT PROCESS ON *.* TO `{bench.user.replace('`', '``')}`@`%`"
    assert while_paused(bench, lambda late: late.apply(new, [bench.current]), lambda: bench.server.query(change)) is None
    assert bench.logs_in(new)


def test_each_apply_and_revoke_raises_it_and_none_lowers_it(bench):
    shown, lower = zip(*fences.each_change(bench, lambda: fence(bench)), strict=True)
    assert list(shown) == [2, 3, 4, 5]
    assert [type(each) for each in lower] == [Conflict] * 4


def test_the_mend_of_a_fence_of_a_lost_record_works(bench):
    new = bench.make_credential()
    bench.make_target(fence=1000).apply(new, [bench.current])
    error = raised(lambda: bench.make_target(fence=1).apply(new, [bench.current]))
    assert isinstance(error, Conflict)
    bench.paste(error.fix.partition(": ")[2])
    assert fence(bench) == 0
    bench.make_target(fence=1).apply(new, [bench.current])
    assert [bench.logs_in(each) for each in (bench.current, new)] == [True, True]


def test_it_works_where_the_mark_is_all_that_the_account_has(bench):
    bench.make_target(fence=1000).revoke(Credential(name=bench.user, secret=None), [])
    bench.paste(raised(lambda: bench.make_target(fence=1).apply(bench.current, [])).fix.partition(": ")[2])
    assert (fence(bench), bench.logs_in(bench.current)) == (0, False)
    bench.make_target(fence=1).apply(bench.current, [])
    assert bench.logs_in(bench.current)


def test_without_it_no_mark_of_ours_is_at_the_account(bench):
    new = bench.make_credential()
    bench.make_target(fence=5).apply(new, [bench.current])
    assert bench.make_target().can.fences
    bench.config["fence"] = False
    free = bench.make_target(fence=1)
    assert not free.can.fences
    free.revoke(bench.current, [new])
    assert "ROTATOR" not in bench.priv()
    assert bench.logs_in(new)


def test_the_mark_is_as_long_as_a_hash_and_no_hash():
    assert [len(fence_entry(each).stored) for each in (1, 10**18)] == [41, 41]
    assert not fence_entry(7).holds(Secret(fence_entry(7).stored))


def test_of_several_at_once_one_sets_its_password(bench):
    """All have read the same: the others find that it is no longer so, and look again."""
    raised_by, log_in = fences.applied_at_once(bench, 4)
    assert raised_by == ["Foreign", "Foreign", "Foreign", "NoneType"]
    assert log_in.count(True) == 1
    assert bench.logs_in(bench.current)


def test_who_holds_the_accounts_lock_for_long_makes_it_unreachable(bench):
    import hashlib

    name = f"rotator {hashlib.sha256(f'{bench.user}@%'.encode()).hexdigest()[:40]}"
    bench.server.query("SELECT GET_LOCK(%s, 1)", (name,))
    try:
        error = raised(lambda: bench.make_target(timeout=1.0).apply(bench.make_credential(), [bench.current]))
    finally:
        bench.server.query("DO RELEASE_LOCK(%s)", (name,))
    assert type(error).__name__ == "Unreachable"
    assert bench.logs_in(bench.current)


def test_a_credential_of_the_name_alone_is_fenced_too(bench):
    bench.make_target(fence=9).apply(bench.current, [])
    assert isinstance(raised(lambda: bench.make_target(fence=8).revoke(Credential(name=bench.user, secret=None), [])), Conflict)
