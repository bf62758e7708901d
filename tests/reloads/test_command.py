"""A program of this machine."""

import json
import os
import sys
import textwrap
import time
from pathlib import Path

import pytest

from rotator.model import Level
from rotator.reload import Denied, Reached, Refused, Unreachable
from rotator.reloads.command import Command, CommandSettings
from rotator.testing.reload_contract import NAME, SHORT, V1, ReloadContract, runtime


def program(path, text):
    path.write_text("#!/bin/sh\n" + textwrap.dedent(text))
    path.chmod(0o700)
    return str(path)


def command(*argv, **more):
    return Command(CommandSettings(argv=argv, **more), runtime())


class TestCommand(ReloadContract):
    @pytest.fixture
    def reload(self, tmp_path):
        path = program(tmp_path / "reload", f'echo "$ROTATOR_VERSION" >> {tmp_path}/told')
        return lambda: command(path)

    @pytest.fixture
    def told(self, tmp_path):
        return lambda: (tmp_path / "told").read_text().split() if (tmp_path / "told").exists() else []

    @pytest.fixture
    def deaf(self):
        return command("sleep", "60", timeout="1s")

    @pytest.fixture
    def misplaced(self, tmp_path):
        return command(str(tmp_path / "nowhere"))


def test_it_gets_the_ids_and_three_variables_and_nothing_else_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("PG_ADMIN_PASSWORD", "canary-Zq7")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("LC_ALL", "C")
    script = (
        "import json, os, sys; json.dump([sys.argv, dict(os.environ), os.getcwd(), os.getsid(0) == os.getpid(), sys.stdin.read()],"
        " open(sys.argv[1], 'w'))"
    )
    assert command(sys.executable, "-c", script, str(tmp_path / "seen"), "{version} $HOME").tell(NAME, V1) is Reached.accepted
    argv, environment, cwd, leads, given = json.loads((tmp_path / "seen").read_text())
    assert argv == ["-c", str(tmp_path / "seen"), "{version} $HOME"]
    assert set(environment) - {"LC_CTYPE"} == {"PATH", "HOME", "LANG", "ROTATOR_NAME", "ROTATOR_VERSION"} & (
        set(os.environ) | set(environment)
    )
    assert (environment["ROTATOR_NAME"], environment["ROTATOR_VERSION"]) == (NAME, V1)
    assert (cwd, leads, given) == ("/", True, "")


def test_what_it_prints_is_told_to_nobody(tmp_path, capfd):
    path = program(tmp_path / "loud", "echo canary-Zq7; echo canary-Zq7 >&2; exit 3")
    with pytest.raises(Refused) as no:
        command(path).tell(NAME, V1)
    assert "canary" not in f"{no.value} {vars(no.value)}"
    assert str(no.value).startswith(f"{path} ended with exit code 3. run it by hand")
    assert no.value.code == "3"
    assert capfd.readouterr() == ("", "")


def test_one_that_dies_of_a_signal_is_refused(tmp_path):
    with pytest.raises(Refused, match="was ended by signal 9"):
        command(program(tmp_path / "dies", "kill -9 $$")).tell(NAME, V1)


def gone(pid):
    """Whether it is dead, if not yet waited for: who adopted it may be slow."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(("text", "ends"), [("sleep 60 & echo $! > {0}; wait", False), ("sleep 60 & echo $! > {0}", True)])
def test_its_children_are_killed_with_it(tmp_path, text, ends):
    path = program(tmp_path / "parent", text.format(tmp_path / "child"))
    if ends:
        assert command(path).tell(NAME, V1) is Reached.accepted
    else:
        with pytest.raises(Unreachable, match=r"did not end within 0\.95 s, and was killed"):
            command(path, timeout="1s").tell(NAME, V1)
    child = int((tmp_path / "child").read_text())
    end = time.monotonic() + 5
    while not gone(child):
        assert time.monotonic() < end


def test_what_is_no_program_is_denied_and_found_before(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("echo\n")
    bare = tmp_path / "bare"
    bare.write_bytes(b"\0\0not a program")
    bare.chmod(0o700)
    for argv, says in (
        (str(plain), "is not executable"),
        ("no-such-program-of-ours", "is not in PATH"),
        (str(tmp_path / "x"), "is not there"),
    ):
        with pytest.raises(Denied, match=says):
            command(argv).tell(NAME, V1)
        (found,) = command(argv).check()
        assert (found.level, found.code) == (Level.FAIL, "reload")
        assert says in found.text
    with pytest.raises(Denied, match="it is no program"):
        command(str(bare)).tell(NAME, V1)


def test_a_program_that_others_may_change_is_warned_of(tmp_path):
    path = program(tmp_path / "open", "exit 0")
    Path(path).chmod(0o777)
    (found,) = command(path).check()
    assert found.level is Level.WARN
    assert "0777" in found.text


def test_its_time_is_its_own_or_that_of_every_call():
    assert command("true").timeout == runtime().timeout == 10
    assert command("true", timeout="30s").timeout == 30
    assert command("true", timeout="1s").timeout == SHORT


@pytest.mark.parametrize("argv", [(), ("",), ("bin/reload",), ("./reload",), ("a\0",), "systemctl reload"])
def test_a_program_is_a_list_that_begins_with_a_name_or_an_absolute_path(argv):
    with pytest.raises(ValueError):
        CommandSettings(argv=argv)


@pytest.mark.parametrize("timeout", ["0s", "61s", "1h"])
def test_its_time_fits_into_a_run(timeout):
    with pytest.raises(ValueError):
        CommandSettings(argv=("true",), timeout=timeout)
