"""The daemon as an operator runs it: a process of its own, a real PostgreSQL, signals and systemd's socket."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.cli.runs import make_job
from rotator.daemon import DEAD_AFTER, HEARTBEAT, LONGEST_SLEEP, Daemon, spread
from rotator.errors import Exit
from rotator.model import Secret
from rotator.rotate import RunResult
from rotator.runner import Runner
from rotator.stores.file import FileStore
from rotator.target import Runtime
from rotator.testing.bench.site import Site
from rotator.wakes import INDEX, WakeIndex

ROOT = Path(__file__).parents[2]

ROTATOR = [sys.executable, "-c", "import sys; from rotator.cli import main; sys.exit(main())"]
PATIENCE = 40


@pytest.fixture
def site():
    with Site(users=2) as made:
        schedule = made.folder / "schedules/bench.yaml"
        schedule.write_text(schedule.read_text().replace("every: 30d", "every: 2s"))
        settings = made.adopted().specs[0].store.settings
        key = Secret((made.folder / "var/store.key").read_text())
        made.store = FileStore(settings, Runtime(reveal=lambda _: key, now=lambda: datetime.now(UTC)))
        yield made


class Listener(socket.socket):
    path: str


@pytest.fixture
def listener(tmp_path):
    with Listener(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.path = str(tmp_path / "notify")
        made.bind(made.path)
        made.settimeout(PATIENCE)
        yield made


@pytest.fixture
def daemon(site, listener, tmp_path):
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [*ROTATOR, "daemon"], cwd=site.folder, env=os.environ | {"NOTIFY_SOCKET": listener.path}, stderr=log, stdout=log
    )
    wait_for(listener, "READY=1")
    process.log = Path(log.name)
    yield process
    process.kill()
    process.wait()
    log.close()


def wait_for(listener, word):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if word in listener.recv(4096).decode():
            return
    raise AssertionError(f"the daemon never said {word}")


def current(site, user):
    return site.store.values_of(f"bench/{user}").fields["password"].reveal()


def got(site, user):
    shown = subprocess.run([*ROTATOR, "get", user, "--field", "password"], cwd=site.folder, text=True, check=True, capture_output=True)
    return shown.stdout.strip()


def until(condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come")


def test_it_rotates_by_the_clock_reloads_what_is_valid_and_finishes_its_steps_when_told_to_end(site, daemon, listener):
    first, second = site.users
    seen = {current(site, first)}
    until(lambda: seen.add(current(site, first)) or len(seen) > 2)

    healthy = subprocess.run([*ROTATOR, "daemon", "--healthy"], cwd=site.folder, check=False)
    other = subprocess.run([*ROTATOR, "--log-level", "error", "daemon"], cwd=site.folder, check=False, capture_output=True, text=True)
    assert (healthy.returncode, other.returncode) == (0, 5)
    assert "another daemon" in other.stderr

    schedule = site.folder / "schedules/bench.yaml"
    good = schedule.read_text()
    bad = site.folder / "schedules/bad.yaml"
    bad.write_text("nonsense: [\n")
    daemon.send_signal(signal.SIGHUP)
    wait_for(listener, "READY=1")
    assert "the old one stays" in daemon.log.read_text()
    kept = current(site, second)
    until(lambda: current(site, second) != kept)

    bad.unlink()
    schedule.write_text(good.split(f"  {second}:")[0])
    daemon.send_signal(signal.SIGHUP)
    wait_for(listener, "READY=1")
    until(lambda: "specs=1" in daemon.log.read_text())

    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(PATIENCE) == 0
    wait_for(listener, "STOPPING=1")
    assert got(site, first) == current(site, first)
    assert site.server.logs_in(first, Secret(current(site, first)))


def test_a_daemon_that_is_told_to_end_while_no_run_goes_on_says_that_it_stops(site, daemon, listener):
    schedule = site.folder / "schedules/bench.yaml"
    schedule.write_text(schedule.read_text().replace("every: 2s", "every: 30d"))
    daemon.send_signal(signal.SIGHUP)
    wait_for(listener, "READY=1")
    time.sleep(1)  # what was begun has ended
    assert health(site) == (0, "")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(PATIENCE) == 0
    wait_for(listener, "STOPPING=1")
    assert not (site.folder / "var" / HEARTBEAT).exists()
    assert health(site)[0] == 1


def health(site):
    done = subprocess.run([*ROTATOR, "daemon", "--healthy"], cwd=site.folder, check=False, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_a_daemon_that_was_killed_is_not_healthy_though_its_heartbeat_is_young(site, daemon):
    until(lambda: health(site) == (0, ""))
    daemon.kill()
    daemon.wait()
    assert (site.folder / "var" / HEARTBEAT).exists()
    until(lambda: health(site)[0] == 1)  # its forkserver ends as it sees that it is gone
    assert health(site)[1] == "rotator: no daemon holds var/daemon.lock: the last one was killed\n"


def test_a_daemon_that_does_not_go_round_its_loop_is_not_healthy(site, daemon):
    until(lambda: health(site) == (0, ""))
    daemon.send_signal(signal.SIGSTOP)
    until(lambda: Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    old = time.time() - DEAD_AFTER - 5
    os.utime(site.folder / "var" / HEARTBEAT, (old, old))
    code, told = health(site)
    assert (code, "gone round its loop for " in told) == (1, True)


def test_a_daemon_that_is_told_to_end_as_its_last_run_ends_does_not_sleep_once_more(site):
    loaded, done = site.adopted(), Future()
    done.set_result(RunResult(spec=loaded.specs[0].name, exit=Exit.DONE, why="at rest", message=""))
    daemon = Daemon(loaded, load=lambda: loaded, job=make_job, runner=Runner(runs=1, per_connection=1), say=lambda *_, **__: None)
    daemon.state.prepare()
    daemon.open_index()
    daemon.index.keep_only([], 0.0)  # nothing is due
    daemon.scheduler.start()
    daemon.runner.running[done] = make_job(loaded, loaded.specs[0])
    daemon.runner.busy[loaded.specs[0].connection.name] = 1
    daemon.runner.stop()
    begun = time.monotonic()
    daemon._round()
    daemon.scheduler.shutdown(wait=False)
    daemon.index.close()
    assert time.monotonic() - begun < LONGEST_SLEEP / 2


def test_without_a_daemon_nothing_is_healthy(tmp_path):
    assert subprocess.run([*ROTATOR, "--state", str(tmp_path), "daemon", "--healthy"], check=False).returncode == 1


def test_a_rotation_by_the_command_line_tells_the_daemon_when_to_look_again(site):
    schedule = site.folder / "schedules/bench.yaml"
    schedule.write_text(schedule.read_text().replace("every: 2s", "every: 10s"))
    now = time.time()
    with closing(WakeIndex(site.folder / "var" / INDEX)) as index:
        for name, says in index.keep_only(site.adopted().specs, now).items():
            index.set(name, says, now + 86_400, 0, now)
        done = subprocess.run([*ROTATOR, "run", site.users[0], "--force"], cwd=site.folder, check=True)
        assert done.returncode == 0
        assert index.next() < time.time() + 60


def test_an_index_that_cannot_be_used_is_said_and_costs_no_run(site):
    schedule = site.folder / "schedules/bench.yaml"
    schedule.write_text(schedule.read_text().replace("every: 2s", "every: 30d"))
    (site.folder / "var" / INDEX).mkdir()
    done = subprocess.run([*ROTATOR, "run", site.users[0]], cwd=site.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, "was not told of this" in done.stderr, "Traceback" in done.stderr) == (0, True, False)


def test_ten_thousand_specs_do_not_wake_together():
    moments = {round(spread(f"spec-{number}", 3600.0)) for number in range(10_000)}
    assert len(moments) > 3000
    assert spread("spec-1", 60.0) == spread("spec-1", 60.0)


def slow(site):
    """Nothing is due; the command line's runs take a while, as each connects to a real server. The daemon's index says: in a day."""
    schedule = site.folder / "schedules/bench.yaml"
    schedule.write_text(schedule.read_text().replace("every: 2s", "every: 30d"))
    now = time.time()
    index = WakeIndex(site.folder / "var" / INDEX)
    for name, says in index.keep_only(site.adopted().specs, now).items():
        index.set(name, says, now + 86_400, 0, now)
    return closing(index)


def begun(site, index):
    """A run by the command line, in a session of its own, that has told the daemon that it begins."""
    command = [*ROTATOR, "run", site.users[0], "--force"]
    run = subprocess.Popen(command, cwd=site.folder, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: index.next() < time.time() + 40_000)
    return run


def test_a_run_by_the_command_line_that_is_killed_is_looked_at_once_its_lease_is_over(site):
    with slow(site) as index:
        run = begun(site, index)
        run.kill()
        run.communicate()
        assert 200 < index.next() - time.time() < 400


def test_a_run_that_ends_withdraws_what_it_had_announced(site):
    with slow(site) as index:
        done = subprocess.run([*ROTATOR, "run", *site.users], cwd=site.folder, check=True)
        assert done.returncode == 0
        assert index.next() - time.time() > 3600


@pytest.mark.parametrize("end", [os.kill, os.killpg])
def test_a_hang_up_ends_no_step_of_a_run_by_the_command_line_or_of_its_group(site, end):
    with slow(site) as index:
        run = begun(site, index)
        end(run.pid, signal.SIGHUP)
        said, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode in (0, 1)
    assert "by itself" not in said
    assert "Traceback" not in said
    assert got(site, site.users[0]) == current(site, site.users[0])


def test_a_hang_up_while_the_daemon_reads_its_configuration_is_a_reload(site, listener, tmp_path):
    early = "import os, signal, sys; from rotator import cli; real = cli.Options.load_lenient\n"
    early += "def load(self):\n    os.kill(os.getpid(), signal.SIGHUP)\n    return real(self)\n"
    command = [sys.executable, "-c", f"{early}cli.Options.load_lenient = load; sys.exit(cli.main())", "daemon"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=site.folder, env=os.environ | {"NOTIFY_SOCKET": listener.path}, stderr=log, stdout=log)
        try:
            wait_for(listener, "READY=1")
            until(lambda: "configuration loaded" in (tmp_path / "log").read_text())
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()


def test_a_daemon_whose_only_secret_is_not_there_yet_starts_and_says_so(site, listener, tmp_path):
    key = site.folder / "var/store.key"
    moved = key.rename(tmp_path / "store.key")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*ROTATOR, "daemon"], cwd=site.folder, env=os.environ | {"NOTIFY_SOCKET": listener.path}, stderr=log, stdout=log
        )
        try:
            wait_for(listener, "READY=1")
            assert "store.key" in (tmp_path / "log").read_text()
            moved.rename(key)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("unit", sorted((ROOT / "deploy/systemd").glob("*.service")), ids=lambda each: each.name)
def test_no_unit_of_ours_skips_a_pass_without_failing(unit):
    """An unmet Condition is no failure to systemd (systemd.unit(5)): nobody's alarm goes off."""
    assert "\nCondition" not in unit.read_text()
