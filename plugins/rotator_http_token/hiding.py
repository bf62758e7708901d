"""Whether a text of a service holds a secret, also in the forms in which a request carries it."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from urllib.parse import unquote, unquote_plus

from rotator.target import Secret

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LEAST = 4
"""A shorter piece of Base64 stands in many a word."""


def holds(text: str, secret: Secret) -> bool:
    """As it is, percent-encoded, escaped for JSON or HTML, or within something in Base64, such as the pair of HTTP Basic."""
    value = secret.reveal()
    read = (text, unquote(text), unquote_plus(text), html.unescape(text), _unescaped(text))
    if any(value in each for each in read):
        return True
    plain = text.translate(str.maketrans("-_", "+/"))
    return any(piece in plain for piece in _in_base64(value.encode(errors="surrogatepass")))


def _unescaped(text: str) -> str:
    """Without the escapes of a JSON text (RFC 8259, section 7); two that are one character beyond U+FFFF are put together."""
    plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _in_base64(raw: bytes) -> list[str]:
    """What is theirs alone in the Base64 (RFC 4648, section 4) of anything that holds these bytes: at each of three places in a group."""
    pieces = [b64encode(bytes(before) + raw).decode()[first : 8 * (before + len(raw)) // 6] for before, first in ((0, 0), (1, 2), (2, 3))]
    return [each for each in pieces if len(each) >= _LEAST]
