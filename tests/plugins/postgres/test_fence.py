"""The fence: a runner that was overtaken changes nothing, however its statement and a later run's meet."""

import threading

import pytest

from rotator.errors import Conflict
from rotator.target import Unreachable
from rotator.testing.target_contract import raised
from rotator_postgres.roles import fence_in, with_fence
from tests.plugins.postgres.both import SERVERS


def comment(bench, role):
    return bench.server.query("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s", (role,))[0][0]


def test_a_comment_that_a_human_wrote_stays(make_bench):
    bench = make_bench(shape="in place")
    bench.server.query(f"COMMENT ON ROLE \"{bench.a}\" IS 'orders, ask O''Hara'")
    for fence in (3, 3, 12):
        bench.make_target(fence=fence).apply(bench.make_credential(), [])
    assert comment(bench, bench.a) == "orders, ask O'Hara [rotator fence 12]"


@pytest.mark.parametrize(
    "before", [None, "", "words", "words [rotator fence 3]", "[rotator fence 3] words", "two\nlines [rotator fence 3]"]
)
def test_a_fence_is_found_again_in_any_comment(before):
    assert fence_in(with_fence(before, 17)) == 17
    assert with_fence(with_fence(before, 17), 18) == with_fence(before, 18)


def test_each_change_raises_it(make_bench):
    bench = make_bench()
    new = bench.make_credential()
    calls = [
        lambda target: target.apply(new, [bench.current]),
        lambda target: target.apply(new, [bench.current]),
        lambda target: target.disable(new, []),
        lambda target: target.enable(new),
        lambda target: target.revoke(new, []),
        lambda target: target.revoke(new, []),
    ]
    for fence, call in enumerate(calls, 2):
        call(bench.make_target(fence=fence))
        assert fence_in(comment(bench, bench.b)) == fence
        assert isinstance(raised(lambda call=call, fence=fence: call(bench.make_target(fence=fence - 1))), Conflict)


def test_the_mend_of_a_fence_of_a_lost_record_works(make_bench):
    bench = make_bench(shape="in place")
    bench.server.query(f"COMMENT ON ROLE \"{bench.a}\" IS 'words'")
    bench.make_target(fence=1000).apply(bench.current, [])
    error = raised(lambda: bench.make_target(fence=1).apply(bench.current, []))
    assert isinstance(error, Conflict)
    bench.paste(error.fix.partition(": ")[2])
    assert comment(bench, bench.a) == "words"
    bench.make_target(fence=1).apply(bench.current, [])


@SERVERS
def test_a_statement_that_waits_for_a_later_runs_commit_changes_nothing(make_bench, server):
    bench = make_bench(server, shape="in place")
    later, old = bench.make_credential(), bench.make_credential()
    with bench.server.connect(bench.server.superuser, bench.server.password) as other:
        other.execute("BEGIN")
        other.execute(f"ALTER ROLE \"{bench.a}\" PASSWORD '{bench.server.verifier(bench.a, later.secret)}'")
        other.execute(f"COMMENT ON ROLE \"{bench.a}\" IS '[rotator fence 9]'")
        caught = []
        waits = threading.Thread(target=lambda: caught.append(raised(lambda: bench.make_target(fence=8).apply(old, []))))
        waits.start()
        waits.join(0.3)
        assert waits.is_alive()
        other.execute("COMMIT")
        waits.join(5)
    assert isinstance(caught[0], Conflict | Unreachable)
    assert (bench.logs_in(later), bench.logs_in(old)) == (True, False)
    assert isinstance(raised(lambda: bench.make_target(fence=8).apply(old, [])), Conflict)


def test_a_runner_that_is_killed_in_its_transaction_leaves_nothing(make_bench):
    bench = make_bench(shape="in place")
    with bench.server.connect(bench.admin, bench_password()) as other:
        other.execute("BEGIN")
        other.execute(f'ALTER ROLE "{bench.a}" PASSWORD NULL')
        other.pgconn.finish()
    assert bench.logs_in(bench.current)


def bench_password():
    from rotator.model import Secret

    return Secret("admin of the tests 0")
