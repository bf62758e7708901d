"""What a server stores of a password, made here: no password is in a statement, or in a log of statements."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from rotator.target import Refused, Secret
from rotator_mysql.curve import public_key
from rotator_mysql.sha256_crypt import sha256_crypt

NATIVE, ED25519, SHA2 = "mysql_native_password", "ed25519", "caching_sha2_password"
OURS = (NATIVE, ED25519, SHA2)
"""The plugins whose stored form we can make."""
_SHA2 = re.compile(r"\$A\$([0-9A-F]{3})\$(.{20})(.{43})", re.DOTALL)
_SALT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./"


@dataclass(frozen=True)
class Entry:
    """One way in: a plugin, and what it stores."""

    plugin: str
    stored: str

    def holds(self, secret: Secret) -> bool:
        """Whether it lets this password in."""
        if self.plugin not in OURS:
            return False
        made = _of(self.plugin, raw(secret), self.stored)
        return made is not None and hmac.compare_digest(made.encode(), self.stored.encode())


def raw(secret: Secret) -> bytes:
    """A password as it is sent; a byte that was no UTF-8 where it was read is that byte. `Refused`: it has no bytes."""
    try:
        return secret.reveal().encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        pass  # it holds the password: what is raised must not hang on it
    raise Refused("a password has half a character in it, which cannot be sent")


def _of(plugin: str, password: bytes, like: str) -> str | None:
    """What that plugin would store of it, with the salt of the other; None: the other is nothing that a password could open."""
    if plugin == NATIVE:
        return native(password)
    if plugin == ED25519:
        return ed25519(password)
    parts = _SHA2.fullmatch(like)
    if parts is None:
        return None
    return _sha2(password, parts[2], int(parts[1], 16) * 1000)


def native(password: bytes) -> str:
    """SHA-1 of SHA-1. It has no salt: for long random passwords only."""
    once = hashlib.sha1(password, usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def ed25519(password: bytes) -> str:
    """The public key of the pair that MariaDB derives from it."""
    return base64.b64encode(public_key(password)).decode().rstrip("=")


def _sha2(password: bytes, salt: str, rounds: int = 5000) -> str:
    return f"$A${rounds // 1000:03X}${salt}{sha256_crypt(password, salt.encode(), rounds)}"


def made(plugin: str, secret: Secret) -> Entry:
    """The entry for a new password."""
    password = raw(secret)
    if plugin == SHA2:
        return Entry(plugin, _sha2(password, "".join(secrets.choice(_SALT) for _ in range(20))))
    return Entry(plugin, ed25519(password) if plugin == ED25519 else native(password))
