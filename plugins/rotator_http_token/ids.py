"""What may be a token's id: ids stand in the record and the ledger, and are shown."""

from __future__ import annotations

from typing import Any

from rotator.target import Secret
from rotator_http_token.hiding import holds

MOST = 256
"""Characters of an id."""
NO_ID = f"no printable text of at most {MOST} characters"
UNSAID = 16
"""So many characters of a secret that begins with its id, or holds it, are enough to keep it one."""


def is_id(value: Any) -> bool:
    """A text or a whole number."""
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def can_be_shown(value: str | int) -> bool:
    """Whether it is a number, or a short text without line ends and whatever else writes to a terminal."""
    return isinstance(value, int) or (value.isprintable() and len(value) <= MOST)


def tells(name: str, secret: Secret) -> bool:
    """Whether who sees the id knows the secret: it is in the id in whatever form, or is the id and too little beside it."""
    value = secret.reveal()
    return holds(name, secret) or (name in value and len(name) >= len(value) / 2 and len(value) - len(name) < UNSAID)
