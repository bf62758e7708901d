"""A signal to a daemon with a pidfile: real processes."""

import os
import pwd
import signal
import subprocess
import sys

import pytest

from rotator.model import Level
from rotator.reload import Denied, Reached, Refused
from rotator.reloads.signal import ProcessSignal, ProcessSignalSettings
from rotator.testing.reload_contract import NAME, V1, ReloadContract, runtime

ME = pwd.getpwuid(os.geteuid()).pw_name
DAEMON = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGUSR1})
print("ready", flush=True)
while True:
    heard = signal.sigwait({signal.SIGHUP, signal.SIGUSR1})
    os.write(1, b"told\\n" if heard == signal.SIGHUP else b"end\\n")
"""


class Daemon:
    """Says on its stdout what it hears; SIGUSR1 marks the end of what was sent so far."""

    def __init__(self, folder):
        self.process = subprocess.Popen([sys.executable, "-c", DAEMON], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.pidfile = folder / "daemon.pid"
        self.pidfile.write_text(f"{self.process.pid}\n")
        self.lines = []

    def heard(self):
        self.process.send_signal(signal.SIGUSR1)
        while (line := self.process.stdout.readline().strip()) != "end":
            self.lines.append(line)
        return self.lines

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def daemon(tmp_path):
    made = Daemon(tmp_path)
    yield made
    made.end()


def make(daemon, **more):
    given = {"pidfile": str(daemon.pidfile), "signal": "HUP", "exe": sys.executable, "user": ME} | more
    return ProcessSignal(ProcessSignalSettings(**given), runtime())


class TestSignal(ReloadContract):
    answers = Reached.sent

    @pytest.fixture(autouse=True)
    def _one(self, daemon):
        self.daemon = daemon

    @pytest.fixture
    def reload(self):
        return lambda: Heard(make(self.daemon).config, runtime(), self.daemon)

    @pytest.fixture
    def told(self):
        return self.daemon.heard

    @pytest.fixture
    def misplaced(self):
        return make(self.daemon, user="no-such-user-of-ours")


class Heard(ProcessSignal):
    """Waits after each signal until the daemon has heard it: two pending ones of a kind are one."""

    def __init__(self, settings, given, daemon):
        super().__init__(settings, given)
        self.daemon = daemon

    def tell(self, name, version):
        level = super().tell(name, version)
        self.daemon.heard()
        return level


def refused(reload, kind, says):
    with pytest.raises(kind, match=says) as no:
        reload.tell(NAME, V1)
    assert no.value.fix
    (found,) = reload.check()
    assert (found.level, found.code) == (Level.FAIL, "reload")
    return str(no.value)


def test_another_program_gets_no_signal(daemon):
    refused(make(daemon, exe="/bin/sh"), Refused, "runs another program than /bin/sh.*nothing was sent")
    assert daemon.heard() == []


def test_a_program_that_is_not_there_is_denied(daemon):
    refused(make(daemon, exe="/usr/sbin/no-such-program"), Denied, "cannot be seen")
    assert daemon.heard() == []


def test_another_user_s_process_gets_no_signal(daemon):
    refused(make(daemon, user="54321"), Refused, "runs as another user than 54321; nothing was sent")
    assert daemon.heard() == []


def test_the_program_may_be_named_by_a_link(daemon, tmp_path):
    (tmp_path / "python").symlink_to(os.path.realpath(sys.executable))
    assert make(daemon, exe=str(tmp_path / "python"), user=str(os.geteuid())).tell(NAME, V1) is Reached.sent
    assert daemon.heard() == ["told"]


def test_a_process_that_is_gone_is_refused_with_the_way_out(daemon):
    daemon.end()
    told = refused(make(daemon), Refused, "is not there; nothing was sent")
    assert told == f"process {daemon.process.pid} of {daemon.pidfile} is not there; nothing was sent. start the daemon"


def test_a_process_that_ended_and_was_not_waited_for_is_refused(daemon):
    daemon.process.kill()
    os.waitid(os.P_PID, daemon.process.pid, os.WEXITED | os.WNOWAIT)
    told = refused(make(daemon), Refused, "has just ended, or /proc hides it from us; nothing was sent")
    assert told.endswith("start the daemon; if it runs, see `ProtectProc=` and `hidepid`")


def test_a_process_that_ends_after_the_look_gets_nothing_and_neither_does_its_number(daemon):
    class Late(ProcessSignal):
        def _look(self, pid, uid, program):
            super()._look(pid, uid, program)
            daemon.end()

    with pytest.raises(Refused, match="is not there; nothing was sent"):
        Late(make(daemon).config, runtime()).tell(NAME, V1)


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1", "12 13", "9" * 40, "²", "99999999999"])
def test_a_pidfile_without_a_number_is_refused(daemon, text):
    daemon.pidfile.write_text(text)
    refused(make(daemon), Refused, "holds no process number")
    assert daemon.heard() == []


def test_a_pidfile_that_is_not_there_or_no_file_is_refused_and_never_waited_for(daemon, tmp_path):
    refused(make(daemon, pidfile=str(tmp_path / "none")), Refused, "is not there, or no file")
    refused(make(daemon, pidfile=str(tmp_path)), Refused, "is not there, or no file")
    os.mkfifo(tmp_path / "pipe")
    refused(make(daemon, pidfile=str(tmp_path / "pipe")), Refused, "holds no process number")
    assert daemon.heard() == []


@pytest.mark.parametrize(
    ("key", "value"), [("signal", "SIGHUP"), ("signal", "KILL"), ("signal", "STOP"), ("signal", "1"), ("exe", "oldd"), ("user", "")]
)
def test_what_cannot_be_meant_is_an_error_at_load(daemon, key, value):
    with pytest.raises(ValueError):
        make(daemon, **{key: value})
