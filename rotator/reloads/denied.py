"""What several reloads have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rotator.errors import BadInput
from rotator.reload import Denied


@contextmanager
def missing_is_denied() -> Iterator[None]:
    """A library or a secret that is not there is missing by configuration: `Denied`, as the contract has it."""
    try:
        yield
    except BadInput as error:
        missing = Denied(error.what, error.fix)
    else:
        return
    raise missing
