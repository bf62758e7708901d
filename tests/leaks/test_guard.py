"""The guard that stands over every test of this repository does find what a test lets out."""

import shutil
import subprocess
import sys
from pathlib import Path

SUITE = """
import secrets, subprocess, sys
import pytest
from rotator.model import Credential, Secret
from rotator.testing.servers.postgres import PostgresServer

@pytest.fixture(scope="session")
def admin():
    return PostgresServer().password

def made(name="app"):
    return Credential(name=name, secret=Secret(secrets.token_urlsafe(24)))

def test_that_prints():
    print(made().secret.reveal())

def test_whose_command_prints(tmp_path):
    (tmp_path / "rotator").write_text("import sys; print(sys.argv[-1])")
    subprocess.run([sys.executable, tmp_path / "rotator", "status", made().secret.reveal()], capture_output=True)

def test_whose_fixture_made_it(admin):
    print(admin.reveal())

def test_that_gets_one_on_purpose(tmp_path):
    (tmp_path / "rotator").write_text("import sys; print(sys.argv[-1])")
    subprocess.run([sys.executable, tmp_path / "rotator", "get", made().secret.reveal()], capture_output=True)

def test_that_prints_a_name():
    print(made("AKIAIOSFODNN7EXAMPLE").name)
"""


def test_each_test_that_lets_a_secret_out_fails(tmp_path):
    (tmp_path / "test_suite.py").write_text(SUITE)
    shutil.copyfile(Path(__file__).parent.parent / "conftest.py", tmp_path / "conftest.py")
    command = [sys.executable, "-m", "pytest", "--capture=fd", "-p", "no:cacheprovider", "-rA", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "5 passed, 3 errors" in done.stdout, done.stdout[-3000:]
    for name in ("test_that_prints", "test_whose_command_prints", "test_whose_fixture_made_it"):
        assert f"ERROR test_suite.py::{name} - secrets" in done.stdout
    assert "stdout of a command: secret 1 of" in done.stdout
