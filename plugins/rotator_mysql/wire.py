"""Sockets whose every wait ends at one moment: the driver's own timeouts are for each read, and a slow server has many of them."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any

from rotator_mysql.connection import MysqlConnection


@dataclass
class Deadline:
    """A moment of the monotonic clock, that may be moved."""

    until: float

    def left(self) -> float:
        """Seconds until then. Raises `TimeoutError` where there are none."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the server did not answer in time")
        return left


class TimedSocket(socket.socket):
    """A socket with a deadline."""

    deadline: Deadline

    def recv_into(self, *args: Any, **named: Any) -> int:
        """Wait no longer than the deadline."""
        self.settimeout(self.deadline.left())
        return super().recv_into(*args, **named)

    def sendall(self, *args: Any, **named: Any) -> None:
        """Wait no longer than the deadline."""
        self.settimeout(self.deadline.left())
        super().sendall(*args, **named)


class TimedTls(ssl.SSLSocket):
    """The same over TLS; the deadline is its context's."""

    def _until(self) -> None:
        deadline: Deadline = self.context.deadline  # type: ignore[attr-defined]  # `TlsContext` has one
        self.settimeout(deadline.left())

    def do_handshake(self, block: bool = False) -> None:
        """Wait no longer than the deadline."""
        self._until()
        super().do_handshake(block)

    def recv_into(self, *args: Any, **named: Any) -> int:
        """Wait no longer than the deadline."""
        self._until()
        return super().recv_into(*args, **named)

    def sendall(self, *args: Any, **named: Any) -> None:
        """Wait no longer than the deadline."""
        self._until()
        super().sendall(*args, **named)


class TlsContext(ssl.SSLContext):
    """Certificates are checked, with the name. `ca`: a file, or None for the CAs of this system."""

    deadline: Deadline

    sslsocket_class = TimedTls


def tls_context(ca: str | None, deadline: Deadline) -> TlsContext:
    """For one connection. Raises `OSError` where the file of the CA cannot be read."""
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate, and for its name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.deadline = deadline
    if ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=ca)
    return context


def connected(where: MysqlConnection, deadline: Deadline) -> TimedSocket:
    """A socket to the server; each address of the host is tried until one takes it. Raises `OSError`."""
    if where.is_socket:
        return _to(socket.AF_UNIX, where.host, deadline, deadline.until)
    found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    trouble: OSError = OSError("the host has no address")
    for left, (family, _, _, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        now = time.monotonic()
        try:
            return _to(family, address, deadline, now + (deadline.until - now) / left)
        except OSError as error:
            trouble = error
    raise trouble


def _to(family: int, address: Any, deadline: Deadline, until: float) -> TimedSocket:
    made = TimedSocket(family, socket.SOCK_STREAM)
    made.deadline = deadline
    try:
        made.settimeout(max(0.001, until - time.monotonic()))
        made.connect(address)
        if family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        made.close()
        raise
    return made
