"""What stands between a client and a server: a TCP relay. Taps and proxies say what becomes of each piece."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Pair:
    """One connection through a wire: the client's end and the server's."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server

    def cut(self) -> None:
        """Close both ends. May be called twice."""
        for each in (self.client, self.server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class Wire:
    """Listens on a free port of 127.0.0.1 and hands all bytes on to `port`. A context manager; it ends with every connection cut."""

    def __init__(self, port: int) -> None:
        self._to, self.port = port, 0
        self._listener: socket.socket | None = None
        self._open: set[Pair] = set()

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.cut()

    def asked(self, _pair: Pair, _data: bytes) -> bool:
        """Whether this piece from a client goes on to the server; False cuts the connection."""
        return True

    def answered(self, _pair: Pair, _data: bytes) -> bool:
        """The same for a piece from the server."""
        return True

    def listen(self) -> None:
        """Take connections: on the port of the time before, where there was one."""
        listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port, self._listener = listener.getsockname()[1], listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Listen no more, and end every connection. May be called twice."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for each in tuple(self._open):
            each.cut()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = Pair(client, server)
            self._open.add(pair)
            for up in (True, False):
                threading.Thread(target=self._pump, args=(pair,), kwargs={"up": up}, daemon=True).start()

    def _pump(self, pair: Pair, *, up: bool) -> None:
        one, other = (pair.client, pair.server) if up else (pair.server, pair.client)
        passes = self.asked if up else self.answered
        with suppress(OSError):
            while (data := one.recv(65536)) and passes(pair, data):
                other.sendall(data)
        pair.cut()
        self._open.discard(pair)
