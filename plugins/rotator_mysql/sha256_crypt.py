"""SHA-256 crypt (https://www.akkadia.org/drepper/SHA-crypt.txt), as MySQL's `caching_sha2_password` stores a password.

`$A$005$`, then 20 bytes of salt, then 43 characters. The number is the rounds in thousands, hexadecimal.
"""

from __future__ import annotations

import hashlib

_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER = (0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28, 8, 9, 19, 29)


def _repeated(digest: bytes, length: int) -> bytes:
    return (digest * (length // 32 + 1))[:length]


def _mixed(password: bytes, salt: bytes) -> bytes:
    """The digest that the rounds begin with."""
    inner = hashlib.sha256(password + salt + password).digest()
    outer = hashlib.sha256(password + salt + _repeated(inner, len(password)))
    bits = len(password)
    while bits:
        outer.update(inner if bits & 1 else password)
        bits >>= 1
    return outer.digest()


def _text(digest: bytes) -> str:
    """Its own base64: three bytes at a time, in an order of its own."""
    picked = [digest[at] for at in _ORDER]
    groups = [(picked[at] << 16 | picked[at + 1] << 8 | picked[at + 2], 4) for at in range(0, 30, 3)]
    groups.append((digest[31] << 8 | digest[30], 3))
    return "".join(_LETTERS[value >> 6 * place & 63] for value, length in groups for place in range(length))


def sha256_crypt(password: bytes, salt: bytes, rounds: int = 5000) -> str:
    """The last 43 characters of what crypt gives."""
    digest = _mixed(password, salt)
    p = _repeated(hashlib.sha256(password * len(password)).digest(), len(password))
    s = _repeated(hashlib.sha256(salt * (16 + digest[0])).digest(), len(salt))
    for number in range(rounds):
        odd = number & 1
        parts = [p if odd else digest, s if number % 3 else b"", p if number % 7 else b"", digest if odd else p]
        digest = hashlib.sha256(b"".join(parts)).digest()
    return _text(digest)
