"""How a run ended stands in the ledger as its exit code says it, also where the write that gives the lease back does not land."""

import pytest
from labs import at_rest, due, failing, overtaken, with_target

from rotator.audit import LEDGER_CHAIN, EventName, Result
from rotator.errors import Conflict, Exit, Unreachable
from rotator.model import Finding, Level
from rotator.rotate import RunResult


def ends(lab, run):
    """What the ledger holds of the end of this run, oldest first."""
    return [(each.chain, each.reason, each.outcome) for each in lab.ledger.events if each.run == run and each.event == EventName.RUN_END]


@pytest.mark.parametrize(("error", "why"), [(Unreachable("gone"), "failed"), (Conflict("moved"), "conflict")])
def test_after_a_last_write_that_did_not_land_the_newest_end_in_the_ledger_is_the_true_one(shape, error, why):
    lab = due(shape)
    result = lab.run(plan=failing("write record RELEASE", error))
    told = ends(lab, f"run-{lab.runs:03d}")
    assert told[-1] == (LEDGER_CHAIN, why, Result.FAILURE)
    assert [(chain, outcome) for chain, _, outcome in told[:-1]] == [(lab.spec.chain, Result.SUCCESS)]
    assert result.why == why


def test_a_run_that_another_overtook_tells_its_end_in_the_chain_of_the_ledger():
    lab = due("issue, labels")
    result = lab.run(plan=overtaken(lab))
    assert isinstance(result, RunResult)
    assert ends(lab, "run-002") == [(LEDGER_CHAIN, "conflict", Result.FAILURE)]
    assert result.exit is Exit.BUSY


def test_a_run_whose_every_write_landed_tells_one_end(shape):
    lab = at_rest(shape)
    for number in range(1, lab.runs + 1):
        assert len(ends(lab, f"run-{number:03d}")) == 1


def test_a_run_that_ended_before_it_took_a_lease_says_why_in_the_ledger():
    def refuses(_self, _known, _accepted=()):
        return [Finding(Level.FAIL, "privilege.missing", "no right", "GRANT it")]

    lab = with_target(due("alternating"), check=refuses)
    result = lab.run()
    assert result.why == "check"
    (event,) = [each for each in lab.ledger.events if each.run == f"run-{lab.runs:03d}" and each.event == EventName.CHECK_FAILED]
    assert (event.reason, event.error_message) == (result.why, result.message)
