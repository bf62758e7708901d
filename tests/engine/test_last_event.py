"""The last event of a run says what its exit code says: who audits, and `status`, read the ledger and not the exit code."""

from dataclasses import replace

import pytest
from labs import at_rest, crash_at, due, rotated

from rotator.errors import Exit
from rotator.rotate import Adopt, Compromise, Undo
from rotator.testing.lab import Lab, in_memory


def told(lab):
    """The reasons and outcomes of all events that say how the last run ended, in the spec's chain and in the ledger's own."""
    ends = [each for each in lab.ledger.events if each.event == "run.end"]
    return [(each.reason, each.outcome) for each in ends if each.run == ends[-1].run]


def of_an_attested_place():
    lab = Lab("issue, labels", in_memory(), attested=True)
    lab.oracle.start()
    return lab, lab.run(Adopt(credential=lab.first))


def of_a_leak_that_cannot_be_rotated_away():
    lab = at_rest("alternating")
    lab.spec = replace(lab.spec, retire=True)
    return lab, lab.run(Compromise(), named=True)


def of_a_leak_whose_new_one_a_human_takes_back():
    lab = at_rest("issue, labels")
    lab.run(Compromise(), plan=crash_at("mint"), named=True)
    return lab, lab.run(Undo(), named=True)


def of_what_is_older_than_allowed():
    lab = rotated("issue, labels", changes={"max_age": 5.0})
    lab.at(12_300)
    return lab, lab.run()


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (of_an_attested_place, "not observed"),
        (of_a_leak_that_cannot_be_rotated_away, "leaked"),
        (of_a_leak_whose_new_one_a_human_takes_back, "leaked"),
        (of_what_is_older_than_allowed, "overdue"),
    ],
)
def test_a_run_that_is_not_all_well_never_tells_the_ledger_so(run, why):
    lab, result = run()
    assert (result.why, result.exit, result.claimed) == (why, Exit.UNPROVEN, True)
    assert told(lab) == [(why, "failure")]


def test_an_undo_that_took_back_the_new_one_is_a_success_in_the_ledger_too():
    lab = due("issue, labels")
    lab.run(plan=crash_at("mint"))
    result = lab.run(Undo(), named=True)
    assert (result.why, result.exit) == ("not_before", Exit.DONE)
    assert told(lab) == [("not_before", "success")]
