"""What the file store writes: a document sealed with AES-256-GCM (NIST SP 800-38D), bound to its kind, its path and its revision.

A sealed file is JSON `{v, kid, rev, nonce, ct}`. Its additional data is the canonical JSON of `[v, kind, path, rev, kid]`: a file that
was copied to another path, or given another revision, does not open.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rotator.errors import BadInput, Corrupt
from rotator.model import Secret
from rotator.settings import EnvRef, FileRef, SecretRef, StoreRef

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
_NEW_KEY = "make one: `(umask 077; openssl rand -base64 32 > FILE)`"
_ALTERED = "restore it from a backup, or give the store the key it was written with; it is not taken for empty"


@dataclass(frozen=True, eq=False, repr=False)
class Opened:
    """A document as it was found. `revision` tells it from every other document ever written at its path."""

    rev: int
    revision: str
    document: Mapping[str, Any] = field(repr=False)


class Keyring:
    """The keys of a store, in the owner's order: the first one seals, each of them opens. Nothing is read before it is needed."""

    def __init__(self, keys: Sequence[tuple[str, SecretRef]], reveal: Callable[[EnvRef | FileRef | StoreRef], Secret]) -> None:
        self._refs, self._reveal = dict(keys), reveal
        self._first = keys[0][0]
        self._ciphers: dict[str, AESGCM] = {}

    @property
    def first(self) -> str:
        """The id of the key that seals."""
        return self._first

    def check(self) -> None:
        """Read every key. Raises `BadInput` where one is no key."""
        for kid in self._refs:
            self._cipher(kid)

    def forget(self) -> None:
        """Drop what was read; the next use reads it again."""
        self._ciphers.clear()

    def _cipher(self, kid: str) -> AESGCM:
        if kid not in self._ciphers:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._ciphers[kid] = AESGCM(_key(kid, self._reveal(self._refs[kid])))
        return self._ciphers[kid]

    def seal(self, kind: str, path: str, rev: int, document: bytes) -> tuple[bytes, str]:
        """The file that holds `document`, and its revision."""
        kid, nonce = self._first, secrets.token_bytes(NONCE_BYTES)  # never from a test's own generator: one nonce used twice opens both
        sealed = self._cipher(kid).encrypt(nonce, document, _additional(kind, path, rev, kid))
        envelope = {"v": VERSION, "kid": kid, "rev": rev, "nonce": _text(nonce), "ct": _text(sealed)}
        return json.dumps(envelope, separators=(",", ":")).encode() + b"\n", f"{rev}.{_text(nonce)}"

    def open(self, kind: str, path: str, data: bytes) -> Opened:
        """The document in a file. Raises `Corrupt` where it is none of ours, `BadInput` where a key cannot be read."""
        kid, rev, nonce, sealed = _parts(path, data)
        if kid not in self._refs:
            known = ", ".join(self._refs)
            raise Corrupt(f"{kind} {path} was written with a key that is not among the store's keys ({known})", fix=_ALTERED)
        plain = self._decrypt(kid, nonce, sealed, _additional(kind, path, rev, kid))
        if plain is None:
            raise Corrupt(f"{kind} {path} does not open with key {kid}: altered, copied from another path, or another key", fix=_ALTERED)
        document = _json(plain)
        if not isinstance(document, dict):
            raise Corrupt(f"{kind} {path} holds no JSON object", fix=_ALTERED)
        return Opened(rev, f"{rev}.{_text(nonce)}", document)

    def _decrypt(self, kid: str, nonce: bytes, sealed: bytes, additional: bytes) -> bytes | None:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher(kid).decrypt(nonce, sealed, additional)
        except (InvalidTag, ValueError):  # ValueError: a nonce of another length
            return None


def head_of(path: str, data: bytes) -> tuple[int, str]:
    """Which document a file claims to be, unopened: its rev and its revision. Raises `Corrupt` where it is none of ours.

    Enough to see that it is the one that we read or wrote: whoever does not hold that one cannot know its nonce.
    """
    _, rev, nonce, _ = _parts(path, data)
    return rev, f"{rev}.{_text(nonce)}"


def kid_of(path: str, data: bytes) -> str:
    """The id of the key that a file says it was sealed with. Raises `Corrupt` where it is none of ours."""
    return _parts(path, data)[0]


def _key(kid: str, secret: Secret) -> bytes:
    """32 bytes out of their base64."""
    try:
        key = base64.b64decode(secret.reveal().strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadInput(f"store key {kid} is not the base64 of {KEY_BYTES} bytes", fix=_NEW_KEY)
    return key


def _additional(kind: str, path: str, rev: int, kid: str) -> bytes:
    return json.dumps([VERSION, kind, path, rev, kid], separators=(",", ":"), ensure_ascii=False).encode()


def _parts(path: str, data: bytes) -> tuple[str, int, bytes, bytes]:
    """kid, rev, nonce and ciphertext of an envelope."""
    envelope = _json(data)
    if not isinstance(envelope, dict):
        raise Corrupt(f"the file of {path} is torn or none of ours", fix=_ALTERED)
    if envelope.get("v") != VERSION:
        raise Corrupt(f"the file of {path} has another format than {VERSION}", fix="a newer rotator wrote it: use that one")
    kid, rev = envelope.get("kid"), envelope.get("rev")
    nonce, sealed = _bytes(envelope.get("nonce")), _bytes(envelope.get("ct"))
    if not isinstance(kid, str) or type(rev) is not int or not nonce or not sealed:
        raise Corrupt(f"the file of {path} is torn or none of ours", fix=_ALTERED)
    return kid, rev, nonce, sealed


def _json(data: bytes) -> Any:
    """What the text says, or None: the parser's own error would carry the text."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        return b""
