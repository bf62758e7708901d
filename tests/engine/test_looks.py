"""What a run makes of single looks."""

from labs import rotated, with_target

from rotator.rotate import Order, Run
from rotator.step import Name
from rotator.target import Unfit


def looking(lab):
    """A run that has read its record, and done nothing yet."""
    run = Run(lab.spec, lab.ports(), lab.ledger, Order(run="looks", home="home"), lab.seam)
    run.read_record()
    return run


def test_one_that_is_let_in_but_unfit_is_alive():
    def unfit(_self, _credential):
        raise Unfit("let in, without what it needs")

    lab = with_target(rotated("alternating"), verify=unfit)
    run = looking(lab)
    assert run.works(Name.CHECK, run.record.current.credential) is True


def test_an_undo_that_is_still_to_be_done_is_no_success():
    run = looking(rotated("alternating"))
    run.seen = run.seen.but(undo=True)
    assert run.verdict("grace")[0] == "failed"
    assert "`rotator undo orders-db` again" in run.worse()[1]
