"""Edwards25519, as far as MariaDB's `ed25519` needs it: RFC 8032, section 5.1, with a password of any length in the seed's place.

The plugin's private key is SHA-512 of the password. Libraries take a seed of 32 bytes and nothing else, so this is done here, in plain
integers: 2 ms for a key, 4 ms for a signature. It is not of constant time; it runs where the password is in memory anyway.
"""

from __future__ import annotations

import hashlib

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_Point = tuple[int, int, int, int]
"""Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z."""
_BX = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BY = 4 * pow(5, -1, _P) % _P
_BASE: _Point = (_BX, _BY, 1, _BX * _BY % _P)


def _add(p: _Point, q: _Point) -> _Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times_base(scalar: int) -> bytes:
    """The encoded point."""
    total, power = (0, 1, 1, 0), _BASE
    while scalar:
        if scalar & 1:
            total = _add(total, power)
        power = _add(power, power)
        scalar >>= 1
    inverse = pow(total[2], -1, _P)
    x, y = total[0] * inverse % _P, total[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _number(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def _expanded(password: bytes) -> tuple[int, bytes]:
    """The clamped scalar, and the prefix of the nonce."""
    digest = hashlib.sha512(password).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return scalar, digest[32:]


def public_key(password: bytes) -> bytes:
    """What the server stores, 32 bytes."""
    return _times_base(_expanded(password)[0])


def sign(password: bytes, message: bytes) -> bytes:
    """The signature, 64 bytes."""
    scalar, prefix = _expanded(password)
    nonce = _number(prefix, message) % _L
    point = _times_base(nonce)
    challenge = _number(point, _times_base(scalar), message) % _L
    return point + ((nonce + challenge * scalar) % _L).to_bytes(32, "little")
