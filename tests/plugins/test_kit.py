"""The kit for authors: what leads up to a law may be late on a busy machine, what the law says may not."""

import pytest

from rotator.errors import Rejected, Unreachable
from rotator.testing.target_contract import tried


@pytest.mark.parametrize(("errors", "calls"), [([], 1), ([Unreachable("late")] * 4, 5)])
def test_what_a_law_needs_first_is_tried_until_it_succeeds(errors, calls):
    outcomes, made = iter(errors), []

    def call():
        made.append(1)
        for error in outcomes:
            raise error

    tried(call)
    assert len(made) == calls


@pytest.mark.parametrize(("error", "calls"), [(Unreachable("late"), 5), (Rejected("no"), 1)])
def test_what_a_law_needs_first_and_never_gets_is_raised(error, calls):
    made = []

    def call():
        made.append(1)
        raise error

    with pytest.raises(type(error)) as raised:
        tried(call)
    assert (raised.value, len(made)) == (error, calls)
