"""Seals a value for GitHub: libsodium's sealed box, by PyNaCl. No two seals of one value are alike."""

from __future__ import annotations

import base64
import binascii

from rotator.extras import lacking


def prepare() -> None:
    """Raise `BadInput` where PyNaCl is missing."""
    try:
        import nacl.public  # noqa: F401 - only whether it is there
    except ModuleNotFoundError:
        raise lacking("the type `github_actions`", "PyNaCl", "github") from None


def sealed(text: str, key: str) -> str | None:
    """The text in base64, for the holder of the private half of `key` alone; None where `key` is no public key in base64."""
    from nacl.public import PublicKey, SealedBox

    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != PublicKey.SIZE:
        return None
    return base64.b64encode(SealedBox(PublicKey(raw)).encrypt(text.encode())).decode()
