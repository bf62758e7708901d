"""Whom TLS trusts is said by rotator.yaml and the system, never by a variable; and nobody gets the keys of a session."""

import os
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rotator.destination import Denied, Place, PortError
from rotator.destinations.aws_ssm import AwsSsm, AwsSsmSettings
from rotator.destinations.gitlab_variable import GitlabVariable, GitlabVariableSettings
from rotator.testing.destination_contract import runtime
from rotator.testing.servers.tls import write_certificates
from rotator.trust import IGNORED, forget_environment, of_the_system

PLACE = Place("ci", "LOGIN", {"value": "password"})


class Server(ThreadingHTTPServer):
    """Speaks TLS by a CA of its own, and writes down who asks for what."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.ca = [], folder / "ca.pem"
        write_certificates(self.ca, folder / "server.pem", folder / "server.key")
        opened = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        opened.load_cert_chain(folder / "server.pem", folder / "server.key")
        self.socket = opened.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request, client_address):
        """A client that does not trust us hangs up."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_error(500)

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path) as one:
        threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield one
        one.shutdown()


def gitlab(server, ca):
    given = {"api_url": f"https://localhost:{server.server_port}", "project": "team/orders", "token": {"env": "KEY"}, "tls": {"ca": ca}}
    return GitlabVariable(GitlabVariableSettings.model_validate(given), runtime(KEY="the-token"))


def ssm(server, ca):
    key = {"access_key_id": "AKIA" + "B" * 16, "secret_access_key": {"env": "KEY"}}
    given = {"endpoint_url": f"https://localhost:{server.server_port}", "region": "eu-west-1", "credentials": key, "ca": ca}
    return AwsSsm(AwsSsmSettings.model_validate(given), runtime(KEY="the-key"))


@pytest.fixture
def keys(server, tmp_path, monkeypatch):
    """Where the keys of sessions would go; the variables trust the server, too."""
    for name, value in zip(IGNORED, (tmp_path / "keys", server.ca, tmp_path), strict=True):
        monkeypatch.setenv(name, str(value))
    return tmp_path / "keys"


@pytest.mark.parametrize("make", [gitlab, ssm])
def test_a_server_that_only_a_variable_trusts_is_told_nothing(server, keys, make):
    one = make(server, None)
    with pytest.raises(PortError) as error:
        one.published(PLACE)
    assert server.asked == []
    assert isinstance(error.value, Denied) or "certificate" in error.value.what or "SSL" in error.value.what
    one.close()


@pytest.mark.parametrize("make", [gitlab, ssm])
def test_the_keys_of_a_session_are_written_nowhere(server, keys, make):
    one = make(server, str(server.ca))
    with pytest.raises(PortError):
        one.published(PLACE)
    assert server.asked != []
    assert not keys.exists()
    one.close()


def test_the_systems_own_are_those_that_openssl_was_built_with(keys):
    file, folder = of_the_system()
    assert folder == ssl.get_default_verify_paths().openssl_capath
    assert file in (None, ssl.get_default_verify_paths().openssl_cafile)


def test_a_run_forgets_what_libraries_and_plugins_would_read_by_themselves(keys, tmp_path):
    look = "import os, pathlib, sys, rotator.worker as w; w.settle_in(); pathlib.Path(sys.argv[1]).write_text(' '.join(os.environ))"
    subprocess.run([sys.executable, "-c", look, str(tmp_path / "seen")], check=True)
    assert set(IGNORED) <= set(os.environ)
    assert "PATH" in (tmp_path / "seen").read_text().split()
    assert not set(IGNORED) & set((tmp_path / "seen").read_text().split())
    forget_environment()
    forget_environment()
    assert not set(IGNORED) & set(os.environ)
