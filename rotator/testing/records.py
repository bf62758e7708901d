"""Records for tests: small ones, each told from every other."""

from __future__ import annotations

from rotator.model import Credential, Secret
from rotator.record import WRITES_KEPT, Record, Version, to_document
from rotator.testing.destination_contract import CANARY

ODD = 'é"\\ \u2028 12345678901234567890 1.10 \U0001f511'
"""Text that careless encoders and number parsers spoil."""


def a_record(n: int = 1, *, secret: str = "", before: Record | None = None) -> Record:
    """The n-th record, with a write id of its own; `before`: the one that it replaces."""
    credential = Credential(name=f"app_{n}", secret=Secret(secret or f"{CANARY}-{n}"), public={"note": ODD})
    old = before or Record()
    writes = (*old.writes, f"write-{n}")[-WRITES_KEPT:]
    return old.but(seq=old.seq + 1, writes=writes, current=Version(f"v{n}", credential, created=float(n)))


def same(one: Record, other: Record) -> bool:
    """Whether they are the same document, secrets included."""
    return to_document(one) == to_document(other)
