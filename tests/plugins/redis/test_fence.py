"""The fence: a runner that was overtaken changes nothing, wherever it was paused; and what a human does meanwhile is seen."""

import shlex

import pytest

from rotator.errors import Conflict
from rotator.model import Credential, Secret
from rotator.target import Foreign, Refused
from rotator.testing.servers.redis import sha256
from rotator.testing.target_contract import raised
from rotator_redis.user import WORDS, fence_of, new_mark
from tests.plugins import fences

HUMAN = Secret("a human was here first")


@pytest.fixture
def bench(make_bench):
    return make_bench()


def marks(bench):
    return [each for each in bench.server.hashes(bench.user) if each.startswith(WORDS)]


def fences_of(bench):
    return sorted(fence_of(each) for each in marks(bench))


def while_paused(bench, change, meanwhile, nth):
    return fences.while_paused(bench, fences.Pause(bench.server.port, b"SETUSER", nth), change, meanwhile)


@pytest.mark.parametrize("nth", [1, 2])
def test_a_paused_first_apply_is_refused_although_the_set_is_as_it_was(bench, nth):
    """Its first command leaves a mark, its second one sets. The later run has set the very same password, and taken it back."""
    new, later = bench.make_credential(), bench.make_target(fence=2)

    def meanwhile():
        later.apply(new, [bench.current])
        later.revoke(new, [bench.current])

    assert isinstance(while_paused(bench, lambda late: late.apply(new, [bench.current]), meanwhile, nth), Conflict)
    assert (bench.logs_in(bench.current), bench.logs_in(new), max(fences_of(bench))) == (True, False, 2)
    bench.make_target(fence=3).apply(new, [bench.current])
    assert fences_of(bench) == [3], "what the late one has left is taken away by the next"


def test_a_paused_revoke_never_takes_what_a_later_run_has_set(bench):
    error, log_in = fences.overtaken_revoke(bench, fences.Pause(bench.server.port, b"SETUSER"))
    assert isinstance(error, Conflict)
    assert log_in == [True, True]


@pytest.mark.parametrize("max_live", [1, 2])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_human_who_is_faster_than_our_command_is_seen_by_the_server(make_bench, max_live, nth):
    bench = make_bench(max_live=max_live)
    new, keep = bench.make_credential(), [] if max_live == 1 else [bench.current]
    error = while_paused(bench, lambda late: late.apply(new, keep), lambda: bench.server.set_password(bench.user, HUMAN), nth)
    assert isinstance(error, Foreign)
    assert (bench.server.logs_in(bench.user, HUMAN), bench.logs_in(new)) == (True, False)


def test_a_human_who_adds_a_password_meanwhile_is_overwritten_by_nobody_and_found_next_time(bench):
    bench.make_target().apply(bench.current, [])
    new = bench.make_credential()
    assert (
        while_paused(bench, lambda late: late.apply(new, [bench.current]), lambda: bench.server.add_password(bench.user, HUMAN), 1) is None
    )
    assert (bench.server.logs_in(bench.user, HUMAN), bench.logs_in(new)) == (True, True)
    assert "stray" in [each.code for each in bench.make_target().check([bench.current, new])]


def test_a_human_who_removes_the_user_meanwhile_gets_no_new_one(bench):
    new = bench.make_credential()
    error = while_paused(bench, lambda late: late.apply(new, [bench.current]), lambda: bench.remove(new), 1)
    assert isinstance(error, Refused)
    assert bench.server.query("ACL", "GETUSER", bench.user) is None


def test_a_human_who_grants_meanwhile_is_no_trouble(bench):
    new = bench.make_credential()
    assert while_paused(bench, lambda late: late.apply(new, [bench.current]), lambda: bench.alter("+@write"), 2) is None
    assert bench.logs_in(new)
    assert "+@write" in str(bench.server.query("ACL", "GETUSER", bench.user))


def test_each_apply_and_revoke_raises_it_and_none_lowers_it(bench):
    shown, lower = zip(*fences.each_change(bench, lambda: fences_of(bench)), strict=True)
    assert list(shown) == [[2], [3], [4], [5]]
    assert [type(each) for each in lower] == [Conflict] * 4


def test_the_mend_of_a_fence_of_a_lost_record_works(bench):
    new = bench.make_credential()
    bench.make_target(fence=1000).apply(new, [bench.current])
    error = raised(lambda: bench.make_target(fence=1).apply(new, [bench.current]))
    assert isinstance(error, Conflict)
    bench.server.query(*shlex.split(error.fix.partition(": ")[2]))
    assert marks(bench) == []
    bench.make_target(fence=1).apply(new, [bench.current])
    assert [bench.logs_in(each) for each in (bench.current, new)] == [True, True]


def test_without_it_no_mark_of_ours_is_at_the_user(bench):
    new = bench.make_credential()
    bench.make_target(fence=5).apply(new, [bench.current])
    assert bench.make_target().can.fences
    bench.config["fence"] = False
    free = bench.make_target(fence=1)
    assert not free.can.fences
    free.revoke(bench.current, [new])
    assert bench.server.hashes(bench.user) == [sha256(new.secret)]


def test_the_mark_is_as_long_as_a_hash_and_opens_nothing(bench):
    mark = new_mark(2**63)
    assert (len(mark), fence_of(mark), fence_of(sha256(HUMAN))) == (64, 2**63, 0)
    assert new_mark(7) != new_mark(7)
    bench.make_target(fence=7).revoke(Credential(name=bench.user, secret=None), [])
    assert bench.server.hashes(bench.user) == marks(bench)
    assert len(marks(bench)) == 1
    assert [bench.server.logs_in(bench.user, Secret(each)) for each in (marks(bench)[0], "#", " ", "")] == [False] * 4


def test_of_several_at_once_one_sets_its_password(bench):
    """All have read the same: the others find that it is no longer so, and look again."""
    bench.make_target().apply(bench.current, [])
    raised_by, log_in = fences.applied_at_once(bench, 4)
    assert raised_by == ["Foreign", "Foreign", "Foreign", "NoneType"]
    assert log_in.count(True) == 1
    assert bench.logs_in(bench.current)


def test_a_credential_of_the_name_alone_is_fenced_too(bench):
    bench.make_target(fence=9).apply(bench.current, [])
    assert isinstance(raised(lambda: bench.make_target(fence=8).revoke(Credential(name=bench.user, secret=None), [])), Conflict)
