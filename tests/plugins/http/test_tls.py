"""Whom a connection trusts: `tls.ca`, else this system's authorities; the environment has no word in it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rotator.errors import Unreachable
from rotator.testing.servers.raw import RawServer, json_answer
from rotator.testing.servers.tls import write_certificates
from rotator_http_token import HttpToken, HttpTokenSettings
from tests.plugins.http.conftest import connection, runtime


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    return tmp_path / "ca.pem"


@pytest.fixture
def server(ca: Path, tmp_path: Path) -> Iterator[RawServer]:
    write_certificates(ca, tmp_path / "server.pem", tmp_path / "server.key")
    raw = RawServer(lambda _request: json_answer({"api_tokens": []}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    raw._server.socket = context.wrap_socket(raw._server.socket, server_side=True)
    with raw:
        yield raw


def target(server: RawServer, **settings: Any) -> HttpToken:
    url = server.url.replace("http://", "https://") + "/hub/api"
    return HttpToken(connection(url, **settings), HttpTokenSettings(principal="billing"), runtime({"admin": "admin-secret-0123456789"}))


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy for one tunnel (RFC 9110, section 9.3.6), and what it was sent in clear."""
    told: list[bytes] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            client, _ = listening.accept()
            told.append(client.recv(65536))
            host, _, port = told[0].split()[1].decode().rpartition(":")
            with client, socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join(5)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=(listening,), daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", told
        serving.join(5)


def test_a_proxy_is_a_tunnel_and_sees_no_secret(server: RawServer, ca: Path, proxy: tuple[str, list[bytes]]) -> None:
    url, told = proxy
    plugin = target(server, tls={"ca": str(ca)}, proxy=url)
    assert plugin.live() == []
    plugin.close()
    assert server.requests[0].headers["Authorization"] == "token admin-secret-0123456789"
    assert [each.split()[0] for each in told] == [b"CONNECT"]
    assert b"admin-secret" not in told[0]


def test_an_authority_that_the_environment_names_is_not_trusted(server: RawServer, ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    monkeypatch.setenv("SSL_CERT_DIR", str(ca.parent))
    with pytest.raises(Unreachable, match="ConnectError"):
        target(server).live()
    assert server.requests == []


def test_no_secret_of_a_session_is_written_where_the_environment_says(
    server: RawServer, ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    assert target(server, tls={"ca": str(ca)}).live() == []
    assert not (tmp_path / "keys.log").exists()


def test_the_authorities_of_this_system_are_trusted_where_none_are_named(
    server: RawServer, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = ssl.get_default_verify_paths()._replace(openssl_cafile=str(ca), openssl_capath="/nowhere")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: system)
    assert target(server).live() == []


def test_a_system_without_authorities_is_told_to_name_some(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    system = ssl.get_default_verify_paths()._replace(openssl_cafile="/nowhere", openssl_capath="/nowhere")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: system)
    with pytest.raises(Unreachable, match="no certificates of this system") as problem:
        target(server).live()
    assert "tls" in str(problem.value.fix)
