"""What a server stores of a password, and the keys that open it: SCRAM-SHA-256 (RFC 5802, RFC 7677; the stored form is RFC 5803's).

One derivation serves both: the verifier that ALTER ROLE is given in place of the password, and the keys by which a control login asks the
server the same question without deriving them once more (libpq 18: scram_client_key, scram_server_key).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from rotator.target import Secret

ITERATIONS = 4096
"""PostgreSQL's default, and all that servers before 16 know."""
SALT_BYTES = 16


@dataclass(frozen=True)
class Scram:
    """What one derivation gave: what the server stores, and what proves that we hold the password."""

    verifier: str = field(repr=False)
    client_key: Secret
    server_key: Secret


def plain(password: str) -> bool:
    """Whether SASLprep (RFC 4013) leaves it as it is for certain: printable ASCII. Others are libpq's business."""
    return password.isascii() and password.isprintable()


def sendable(password: str) -> bool:
    """Whether it can be encoded. A variable of the environment that is no UTF-8 comes with lone surrogates
    (https://peps.python.org/pep-0383/), and an exception of encoding it would carry it whole.
    """
    return not re.search("[\ud800-\udfff]", password)


def derive(password: str, iterations: int = ITERATIONS, salt: bytes | None = None) -> Scram:
    """Derive both from a `plain` password, with a salt of its own. 1 ms at 4096 iterations."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client, server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    stored = hashlib.sha256(client).digest()
    return Scram(f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}", Secret(_text(client)), Secret(_text(server)))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
