"""A transport for httpx that waits no longer than a deadline, whatever it waits for.

The timeouts of httpx are for one read each (www.python-httpx.org/advanced/timeouts): a service that sends a byte now and then, in a body
or in headers, holds a call for as long as it likes. Below httpx stands httpcore, whose network backend may be one's own
(www.encode.io/httpcore/network-backends).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

from rotator_http_token.deadline import Deadline


class Transport(httpx.BaseTransport):
    """HTTP/1.1, no retries, nothing of the environment. `proxy_tls` is for a proxy that is itself reached by https."""

    def __init__(self, context: ssl.SSLContext, deadline: Deadline, proxy: str | None, proxy_tls: ssl.SSLContext | None) -> None:
        backend = _Backend(deadline)
        self._pool: httpcore.ConnectionPool = (
            httpcore.ConnectionPool(ssl_context=context, network_backend=backend)
            if proxy is None
            else httpcore.HTTPProxy(proxy, ssl_context=context, proxy_ssl_context=proxy_tls, network_backend=backend)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As `httpx.HTTPTransport`; what goes wrong is an exception of httpcore."""
        url = request.url
        place = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        sent = httpcore.Request(request.method, place, headers=request.headers.raw, content=request.stream, extensions=request.extensions)
        got = self._pool.handle_request(sent)
        return httpx.Response(got.status, headers=got.headers, stream=_Body(got), extensions=got.extensions)

    def close(self) -> None:
        """Drop connections."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, got: httpcore.Response) -> None:
        self._got = got

    def __iter__(self) -> Iterator[bytes]:
        return self._got.iter_stream()

    def close(self) -> None:
        self._got.close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._deadline, self._inner = deadline, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_tcp(host, port, self._deadline.left(timeout), local_address, socket_options), self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
