"""One connection that speaks RESP 2: every wait ends at one moment, nothing is sent twice, and no error holds a word of the server's.

https://redis.io/docs/latest/develop/reference/protocol-spec/. There is no driver: redis-py's timeouts are for each read, so a server
that sends a byte now and then keeps its caller for ever, and its exceptions leave the error's code out.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from typing import Any

from rotator.target import Secret
from rotator_redis.connection import RedisConnection

LONGEST = 16 << 20
"""Bytes of one reply: what we ask for has a few thousand."""
NO_ANSWER = "the connection broke, or there was no answer in time"
PROTECTED, FULL = "DENIED", "MAXCLIENTS"
"""Errors that a server sends before it is asked anything."""


class Failed(Exception):
    """The server said no, or there was no answer: then (`code` None) it may have happened.

    `code` is the first word of its error. `text` is in words of our own: the server's may repeat what it was sent. `hint`: for what of
    an ERR we know by its words.
    """

    def __init__(self, code: str | None, text: str = NO_ANSWER, hint: str = "") -> None:
        super().__init__(text)
        self.code, self.text, self.hint = code, text, hint


class _Error(Exception):
    """An error as the server sent it; it never leaves this module."""


HINTS = {
    "max number of clients": FULL,
    "not configured to use an acl file": "no acl file",
    "without a config file": "no config file",
    "trying to save the acls": "not saved",
    "rewriting config file": "not saved",
    "you are trying to remove": "not there",
    "no such user": "no user",
    "wrong number of arguments": "arguments",
    "unknown command": "unknown",
    "unknown subcommand": "unknown",
}
"""Words in an ERR of the server's, and what they are called here."""


def failed(message: str) -> Failed:
    """What an error of the server's is called here."""
    code = message.partition(" ")[0] or "ERR"
    hint = next((name for words, name in HINTS.items() if words in message.lower()), "") if code == "ERR" else ""
    if not (code.isascii() and code.isalpha() and code.isupper()):
        code = "ERR"
    code = FULL if hint == FULL else code
    return Failed(code, f"the server answered {code}", hint)


class Session:
    """An open connection. After `Failed` without a code it is of no use: close it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket, self._buffer = connected, bytearray()

    def run(self, until: float, *words: str | Secret) -> Any:
        """One command, one reply: a string, a number, a list, or None; over before `until` (monotonic). Raises `Failed`."""
        sent = [each.reveal() if isinstance(each, Secret) else each for each in words]
        trouble: Failed
        try:
            self._send(sent, until)
            return self._reply(until)
        except _Error as error:
            trouble = failed(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody knows what happened; its words are the system's own
            trouble = Failed(None, _of_the_system(error))
        raise trouble

    def close(self) -> None:
        """Drop it; nothing is waited for. May be called twice."""
        with suppress(OSError):
            self._socket.close()

    def _send(self, words: list[str], until: float) -> None:
        parts = [f"*{len(words)}\r\n".encode()]
        for each in words:
            body = each.encode("utf-8", "surrogateescape")
            parts.append(b"$%d\r\n%b\r\n" % (len(body), body))
        self._socket.settimeout(left(until))
        with suppress(BrokenPipeError, ConnectionResetError):  # what it said before it hung up is worth reading
            self._socket.sendall(b"".join(parts))

    def _reply(self, until: float) -> Any:
        kind, rest = self._line(until)
        if kind == "+":
            return rest
        if kind == "-":
            raise _Error(rest)
        number = int(rest)
        if kind == ":":
            return number
        if kind not in "$*" or number > LONGEST:
            raise ValueError("no RESP")
        if number < 0:
            return None
        if kind == "*":
            return [self._reply(until) for _ in range(number)]
        text = self._take(number + 2, until)[:-2]
        return text.decode("utf-8", "surrogateescape")

    def _line(self, until: float) -> tuple[str, str]:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._more(until)
        line = self._take(end + 2, until)[:-2].decode("utf-8", "replace")
        return line[:1] or " ", line[1:]

    def _take(self, count: int, until: float) -> bytes:
        while len(self._buffer) < count:
            self._more(until)
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _more(self, until: float) -> None:
        self._socket.settimeout(left(until))
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError
        self._buffer += data
        if len(self._buffer) > LONGEST:
            raise ValueError("too long")


def left(until: float) -> float:
    """Seconds until then. Raises `TimeoutError` where there are none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def log_in(where: RedisConnection, user: str, password: Secret, until: float) -> Session:
    """One fresh login, over before `until` (monotonic). Over TLS, unless the settings say otherwise. Raises `Failed`."""
    trouble: Failed
    try:
        session = Session(_connected(where, until))
    except Exception as error:  # noqa: BLE001 - it is looked at, and left behind
        trouble = Failed(None, _of_the_system(error))
    else:
        try:
            session.run(until, "AUTH", user, password)
        except Failed as no:
            trouble = no
        else:
            return session
        session.close()
    raise trouble


def _of_the_system(error: Exception) -> str:
    """Words for what is no answer of the server's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not the right one ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, TimeoutError):
        return "the server did not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return f"the server cannot be reached ({error.strerror})"
    return NO_ANSWER if isinstance(error, OSError) else "the server gave an answer that cannot be read"


def _connected(where: RedisConnection, until: float) -> socket.socket:
    plain = _to_any(where, until)
    if not where.encrypted or where.tls is None:
        return plain
    try:
        plain.settimeout(left(until))  # of the whole handshake
        return _context(where.tls.ca).wrap_socket(plain, server_hostname=where.host)
    except BaseException:
        plain.close()
        raise


def _context(ca: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate, and for its name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=ca)
    return context


def _to_any(where: RedisConnection, until: float) -> socket.socket:
    """Each address of the host is tried until one takes it."""
    if where.is_socket:
        return _to(socket.AF_UNIX, where.host, until)
    found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    trouble: OSError = OSError("the host has no address")
    for more, (family, _, _, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        now = time.monotonic()
        try:
            return _to(family, address, now + (until - now) / more)
        except OSError as error:
            trouble = error
    raise trouble


def _to(family: int, address: Any, until: float) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.settimeout(left(until))
        made.connect(address)
        if family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        made.close()
        raise
    return made
