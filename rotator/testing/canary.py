r"""The leak canary: it makes secrets, remembers them, and looks for them wherever a program may have left them.

A secret is looked for in thirteen encodings (`ENCODINGS`), because a search for the plain text misses most ways in which one leaks:

| encoding | what is found |
|---|---|
| utf-8 | the plain text |
| utf-16 | either byte order, as in core files and Windows logs |
| base64 | the part that does not depend on its neighbours, at all three alignments; also with line breaks in it |
| base64url | the same in the alphabet of tokens (RFC 4648, section 5) |
| hex | lower and upper case, also with colons or blanks between the bytes |
| percent | URL-quoted: all that may be, all that must be, forms (`+`), lower-case digits |
| json | escaped once or twice, with and without ASCII only, with `\/` |
| repr | as Python shows text and bytes |
| xml | with entities, named or decimal |
| quoted | as a shell or SQL string: `'"'"'`, `'\''`, `''` |
| reversed | last character first |
| compressed | in a gzip or zlib member anywhere in the data |
| hashed | its MD5, SHA-1, SHA-256 or SHA-512, as hex, base64 or bytes: a dictionary attack needs no more |

Not looked for: a part of a secret, an encrypted one, a salted verifier (PostgreSQL's SCRAM verifier stands in its log by nature).
Hits name the secret by its label, never by its value.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
import shlex
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from urllib.parse import quote, quote_plus

from rotator.model import Secret

LEAST = 8
"""Characters of a secret: shorter ones are found by chance."""
UNPACKED = 16 << 20
"""Bytes of one compressed member that are looked through."""
_MEMBER = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_BETWEEN = re.compile(rb"[\s:]+|\\n")
HARD = "\"'\\/<&%+ é"
"""Characters that each encoding writes in its own way."""


@dataclass(frozen=True)
class Hit:
    """A secret was found."""

    label: str
    encoding: str
    where: str
    offset: int

    def __str__(self) -> str:
        return f"{self.where}: {self.label} as {self.encoding} at byte {self.offset}"


class Canary:
    """All secrets of a test run, and the search for them. Several may be at work at once; each knows its own."""

    def __init__(self) -> None:
        self._needles: dict[str, dict[str, set[bytes]]] = {}
        self._begins: dict[bytes, set[tuple[str, str]]] = {}
        """The first `LEAST` bytes of needles (none is shorter), and whose they are."""
        self.count = 0
        """Bytes that were looked through: a search that looked at nothing found nothing."""

    def make(self, label: str | None = None, *, hard: bool = False) -> Secret:
        """A new secret, 32 characters or more, and remembered. `hard`: with all characters of `HARD`, for systems that take them."""
        value = f"cnry{secrets.token_urlsafe(24)}{HARD if hard else ''}end"
        return self.register(Secret(value), label)

    def register(self, secret: Secret, label: str | None = None) -> Secret:
        """Remember a secret that came from elsewhere, such as a provider. `ValueError` where it is too short to search for."""
        value = secret.reveal()
        if len(value) < LEAST:
            raise ValueError(f"a secret of fewer than {LEAST} characters would be found by chance")
        label = label or f"secret {len(self._needles) + 1}"
        self._needles[label] = {name: encode(value) for name, encode in ENCODINGS.items()}
        for encoding, needles in self._needles[label].items():
            for each in needles:
                self._begins.setdefault(each[:LEAST], set()).add((label, encoding))
        return secret

    @property
    def labels(self) -> tuple[str, ...]:
        """Of all secrets that are remembered."""
        return tuple(self._needles)

    def search(self, data: bytes | str, where: str, depth: int = 2) -> list[Hit]:
        """Every secret in some bytes, once for each encoding in which it is there; compressed members in it are looked through."""
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        self.count += len(raw)
        hits = self._plain(raw, where)
        for start, inner in _members(raw) if depth else ():
            found = self.search(inner, where, depth - 1)
            hits += [Hit(each.label, "compressed", where, start) for each in found]
        return list(dict.fromkeys(hits))

    def _plain(self, raw: bytes, where: str) -> list[Hit]:
        squeezed = _BETWEEN.sub(b"", raw)
        suspects, hits = self._suspects(raw) | self._suspects(squeezed), []
        for label, encoding in product(self._needles, ENCODINGS) if suspects else ():
            if (label, encoding) not in suspects:
                continue
            haystacks = (raw, squeezed) if encoding in _SQUEEZED else (raw,)
            offset = max((each.find(needle) for each in haystacks for needle in self._needles[label][encoding]), default=-1)
            if offset >= 0:
                hits.append(Hit(label, encoding, where, offset))
        return hits

    def _suspects(self, raw: bytes) -> set[tuple[str, str]]:
        """Whose needles begin somewhere in these bytes. One walk, however many needles there are."""
        begins = self._begins
        there = {each for at in range(len(raw) - LEAST + 1) if (each := raw[at : at + LEAST]) in begins}
        return {each for begin in there for each in begins[begin]}


def _members(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """What unpacks, wherever a member may begin."""
    view = memoryview(raw)
    for match in _MEMBER.finditer(raw):
        unpack = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header
        try:
            inner = unpack.decompress(view[match.start() :], UNPACKED)
        except zlib.error:
            continue
        if inner:
            yield match.start(), inner


# ---- the encodings


def _base64(value: str, encode: Callable[[bytes], bytes]) -> set[bytes]:
    """The characters of the base64 text that stand for bits of the secret alone, behind 0, 1 or 2 bytes of something else."""
    raw, out = value.encode(), set()
    for before in range(3):
        text = encode(bytes(before) + raw)
        first, last = -(-8 * before // 6), 8 * (before + len(raw)) // 6
        out.add(text[first:last])
    return out


def _percent(value: str) -> set[bytes]:
    whole = "".join(f"%{each:02X}" for each in value.encode())
    some = [quote(value), quote(value, safe=""), quote_plus(value), quote(value, safe="!*'()~")]
    lower = [re.sub("%..", lambda match: match[0].lower(), each) for each in (*some, whole)]
    return {each.encode() for each in (*some, whole, *lower)}


def _json(value: str) -> set[bytes]:
    once = {json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    once |= {each.replace("/", "\\/") for each in once}
    twice = {json.dumps(each, ensure_ascii=ascii)[1:-1] for each in once for ascii in (True, False)}
    return {each.encode() for each in once | twice}


def _repr(value: str) -> set[bytes]:
    shown = {repr(value)[1:-1], ascii(value)[1:-1], repr(value.encode())[2:-1]}
    return {each.encode() for each in shown | {each.replace("'", "\\'") for each in shown}}


def _xml(value: str) -> set[bytes]:
    named = html.escape(value, quote=True)
    ways = {named, html.escape(value, quote=False), named.replace("&#x27;", "&#39;"), named.replace("&#x27;", "&apos;")}
    return {each.encode("ascii", "xmlcharrefreplace") for each in ways} | {each.encode() for each in ways}


def _quoted(value: str) -> set[bytes]:
    return {each.encode() for each in (shlex.quote(value).strip("'"), value.replace("'", "'\\''"), value.replace("'", "''"))}


def _hashed(value: str) -> set[bytes]:
    sums = [hashlib.new(name, value.encode(), usedforsecurity=False).digest() for name in ("md5", "sha1", "sha256", "sha512")]
    texts = {each.hex() for each in sums} | {each.hex().upper() for each in sums}
    return {each.encode() for each in texts} | {base64.b64encode(each).rstrip(b"=") for each in sums} | set(sums)


ENCODINGS: dict[str, Callable[[str], set[bytes]]] = {
    "utf-8": lambda value: {value.encode()},
    "utf-16": lambda value: {value.encode("utf-16-le"), value.encode("utf-16-be")},
    "base64": lambda value: _base64(value, base64.b64encode),
    "base64url": lambda value: _base64(value, base64.urlsafe_b64encode),
    "hex": lambda value: {value.encode().hex().encode(), value.encode().hex().upper().encode()},
    "percent": _percent,
    "json": _json,
    "repr": _repr,
    "xml": _xml,
    "quoted": _quoted,
    "reversed": lambda value: {value[::-1].encode()},
    "compressed": lambda _value: set(),
    "hashed": _hashed,
}
"""How a secret may look: name to the byte strings to search for. What is compressed is unpacked and searched."""
_SQUEEZED = ("base64", "base64url", "hex")
"""Encodings that others break into lines."""
