"""The daemon where its machine fails it for a while: no process to be had, a clock set back, a folder that is gone or closed."""

import errno
import os
import shutil
import sqlite3
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.date import DateTrigger

from rotator import daemon as module
from rotator.cli.runs import make_job, stopped
from rotator.daemon import AGAIN, DEAD_AFTER, HEARTBEAT, LOCK, TRIES, Daemon, ailment
from rotator.errors import BadInput, Exit
from rotator.load import load
from rotator.runner import NoProcess, NoTmpdir, Runner
from rotator.state import StateDir, StateTrouble

ROOT = Path(__file__).parents[2]
PASSING = [BlockingIOError(errno.EAGAIN, "x"), OSError(errno.ENOMEM, "x"), EOFError(), RuntimeError("can't start new thread")]


def texts(looked):
    return [text for text, _ in looked.said]


# ---- the clock


def test_a_daemon_whose_clock_is_set_back_by_a_day_goes_round_its_loop_all_the_same(looked, monkeypatch):
    """The scheduler goes by the wall clock: it sleeps for a day then."""
    monkeypatch.setattr(module, "LONGEST_SLEEP", 0.3)
    del looked.daemon.woken.wait
    later = DateTrigger(datetime.now(UTC) + timedelta(days=1))
    add, looked.daemon.scheduler.add_job = type(looked.daemon.scheduler).add_job, lambda *_, **__: None
    looked.daemon.scheduler.start()
    add(looked.daemon.scheduler, looked.daemon.woken.set, later)
    begun = time.monotonic()
    looked.daemon._round()
    looked.daemon.scheduler.shutdown(wait=False)
    assert 0.2 < time.monotonic() - begun < 30


def test_a_heartbeat_from_the_future_is_no_heartbeat(looked):
    looked.daemon._beat()
    beat = looked.daemon.state.path / HEARTBEAT
    (looked.daemon.state.path / LOCK).touch()
    now = looked.seam.now()
    for ahead, ill in ((30.0, "no daemon holds"), (300.0, "ahead of the clock: it was set back")):
        os.utime(beat, (now + ahead, now + ahead))
        assert ill in ailment(looked.daemon.state.path, looked.seam)


# ---- no process to be had


def no_process(monkeypatch, error):
    def process(**_how):
        raise error

    monkeypatch.setattr("rotator.runner.concurrent.process", process)


@pytest.mark.parametrize("error", PASSING, ids=lambda each: type(each).__name__)
def test_a_process_that_cannot_be_started_now_ends_nothing_is_said_once_and_tried_again_in_ten_seconds(looked, monkeypatch, error):
    armed, looked.daemon._arm = [], lambda at: armed.append(at - looked.seam.now())
    looked.index.sooner([(looked.spec.name, looked.seam.now())])
    with monkeypatch.context() as patch:
        no_process(patch, error)
        for _ in range(3):
            looked.daemon._round()
    assert [text for text in texts(looked) if "no process can be had" in text] == [
        f"no process can be had for a run ({NoProcess(error).why}); nothing of it was begun; it is tried again"
    ]
    assert armed == [AGAIN] * 3
    assert [each.spec.name for each in looked.daemon.runner.waiting] == [looked.spec.name]
    assert not looked.daemon.runner.busy[looked.spec.connection.name]
    monkeypatch.setattr(looked.daemon.runner, "start", lambda *_, **__: Future())
    looked.daemon._round()
    looked.daemon._round()
    assert (looked.said[-1][0], len(looked.daemon.runner.running)) == ("runs can be begun again", 1)


def test_where_nothing_is_in_line_any_more_nothing_is_missing(looked, monkeypatch):
    no_process(monkeypatch, PASSING[0])
    looked.index.sooner([(looked.spec.name, looked.seam.now())])
    looked.daemon._round()
    assert looked.daemon.runner.stuck
    looked.loaded = replace(looked.loaded, specs=looked.loaded.specs[1:])
    looked.daemon.reload_asked = True
    looked.daemon._round()
    looked.daemon._round()
    assert looked.daemon.runner.stuck is None
    assert "runs can be begun again" in texts(looked)


def test_a_daemon_that_could_begin_no_run_for_long_gives_no_sign_of_life(looked, monkeypatch):
    no_process(monkeypatch, PASSING[0])
    looked.index.sooner([(looked.spec.name, looked.seam.now())])
    looked.daemon._round()
    beat = looked.daemon.state.path / HEARTBEAT
    beat.unlink()
    looked.daemon._round()
    assert beat.exists()
    beat.unlink()
    looked.seam.sleep(DEAD_AFTER)
    looked.daemon._round()
    assert not beat.exists()
    looked.daemon.runner.stop()  # what goes on ends first: systemd is not to kill it
    looked.daemon._round()
    assert beat.exists()


def test_where_the_forkservers_socket_is_gone_what_goes_on_ends_and_the_daemon_too(looked, monkeypatch):
    no_process(monkeypatch, FileNotFoundError(errno.ENOENT, "x"))
    looked.begins()
    second = looked.loaded.specs[1].name
    looked.daemon.runner.runs = looked.daemon.runner.per_connection = 2
    looked.index.sooner([(second, looked.seam.now())])
    looked.daemon._round()
    assert (looked.daemon.lost, looked.daemon.runner.stopping, len(looked.daemon.runner.running)) == (True, True, 1)
    assert "the daemon ends, so that it is begun anew" in texts(looked)[-1]


def test_a_job_is_handed_over_only_where_a_thread_waits_for_its_result(looked, monkeypatch):
    runner, job = Runner(runs=1, per_connection=1), make_job(looked.loaded, looked.spec)
    runner.spare = spare = type("Spare", (), {"future": Future(), "pipe": None})()

    def no_thread(_self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    with pytest.raises(NoProcess, match="RuntimeError"):
        runner.start(job)
    assert runner.spare is spare


def test_a_job_that_cannot_be_handed_to_a_process_ends_alone_and_the_next_begins(looked, monkeypatch):
    class Local:
        """Nobody finds it by its name."""

    first, second = looked.loaded.specs[:2]
    make, begun = looked.daemon.job, []
    odd = {first.name: {"target": Local}}
    looked.daemon.job = lambda loaded, name: replace(make(loaded, name), classes=odd.get(name, {}))
    monkeypatch.setattr(looked.daemon.runner, "_hand_over", lambda job, *_: begun.append(job.spec.name) or Future())
    looked.index.sooner([(each.name, looked.seam.now()) for each in (first, second)])
    looked.daemon._round()
    looked.daemon._round()
    assert begun == [second.name]
    told = [about for text, about in looked.said if "cannot be handed to the run's process (AttributeError)" in text]
    assert [(each["spec"], each["exit"]) for each in told] == [(first.name, 2)]
    assert looked.index.due(looked.seam.now() + 59) == [second.name], "it is tried again later"


def test_where_no_temporary_directory_can_be_written_it_is_said_and_may_pass(monkeypatch):
    """A full disk, or a container with `--read-only` and without `--tmpfs /tmp`."""
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._get_default_tempdir", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    with pytest.raises(NoTmpdir, match="no temporary directory can be written") as raised:
        Runner(runs=1, per_connection=1)
    assert raised.value.exit_code is Exit.FAILED
    assert "TMPDIR" in raised.value.fix


def test_a_run_that_was_asked_to_stop_as_it_began_blames_no_limit_of_the_machine(looked, monkeypatch):
    no_process(monkeypatch, EOFError())
    runner, job = Runner(runs=1, per_connection=1), make_job(looked.loaded, looked.spec)
    with pytest.raises(NoProcess, match=r"no process can be had for a run \(EOFError\)"):
        runner.start(job)
    runner.stop()
    with pytest.raises(NoProcess, match="it was asked to stop as it began; nothing of it was begun"):
        runner.start(job)


def test_a_command_says_why_runs_were_not_begun_and_fails(capsys):
    assert stopped(2, NoProcess(OSError(errno.EMFILE, "x"))) is Exit.FAILED
    assert capsys.readouterr().err == (
        "stopped: 2 specs were not begun: no process can be had for a run (Too many open files); nothing of it was begun. "
        "Raise the limit of processes, memory or open files\n"
    )


# ---- the state directory


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StateTrouble), (errno.EIO, StateTrouble), (errno.EACCES, BadInput)])
def test_a_state_directory_that_cannot_be_used_now_is_no_wrong_configuration(tmp_path, monkeypatch, number, kind):
    def failing(*_args, **_named):
        raise OSError(number, "x")

    monkeypatch.setattr(os, "link", failing)
    with pytest.raises(kind, match=os.strerror(number)) as raised:
        StateDir(tmp_path / "state").prepare()
    assert raised.value.exit_code is (Exit.BAD_INPUT if kind is BadInput else Exit.FAILED)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StateTrouble), (errno.EACCES, BadInput)])
@pytest.mark.parametrize("name", ["id", "locks/local%3Ait.lock"])
def test_a_lock_that_another_user_has_made_is_said_with_its_name_and_its_mend(tmp_path, monkeypatch, number, kind, name):
    state = StateDir(tmp_path / "state")
    state.prepare()
    file = state.path / name
    file.unlink(missing_ok=True)
    opened = os.open

    def failing(path, *given, **named):
        if Path(path) == file:
            raise OSError(number, "x", str(path))
        return opened(path, *given, **named)

    monkeypatch.setattr(os, "open", failing)
    monkeypatch.setattr(Path, "read_text", lambda path: os.close(os.open(path, os.O_RDONLY)))
    with pytest.raises(kind, match=os.strerror(number)) as raised:
        state.take("local:it")
    assert raised.value.where == str(file)
    assert "chown" in raised.value.fix


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_lock_that_root_makes_belongs_to_whom_the_state_directory_belongs(tmp_path):
    """Root's own command may be refused by what belongs to that user: it is not to lock the daemon out."""
    state = StateDir(tmp_path / "state")
    state.prepare()
    linked = tmp_path / "of_root"
    linked.touch()
    os.link(linked, state.lock_file("local:linked"))
    for each in (state.path, state.path / "locks"):
        os.chown(each, 12345, 12345)
    for chain in ("local:it", "local:linked"):
        state.take(chain).release()
    found = state.lock_file("local:it").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 12345, 0o600)
    assert linked.stat().st_uid == 0, "only what is new is given away"


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StateTrouble), (errno.EACCES, BadInput)])
def test_a_daemons_lock_that_another_user_has_made_is_no_bug_of_ours(looked, monkeypatch, number, kind):
    def failing(*_args, **_named):
        raise OSError(number, "x")

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(kind, match=os.strerror(number)) as raised:
        looked.daemon.go()
    assert raised.value.where == str(looked.daemon.state.path / LOCK)
    assert "chown" in raised.value.fix


def test_an_index_that_stays_locked_at_the_start_ends_with_a_code_that_is_begun_anew(looked):
    def locked():
        raise sqlite3.OperationalError("database is locked")

    looked.daemon._open_index = locked
    begun = looked.seam.ticks()
    with pytest.raises(StateTrouble, match="database is locked") as raised:
        looked.daemon.open_index()
    assert (raised.value.exit_code, looked.seam.ticks() - begun) == (Exit.FAILED, TRIES - 1)


def test_a_daemon_whose_state_directory_is_gone_says_how_its_runs_ended_and_ends_when_it_is_told_to(looked):
    looked.begins()
    shutil.rmtree(looked.daemon.state.path)
    looked.daemon.runner.stop()
    looked.going.set_exception(TimeoutError())
    looked.daemon._round()
    assert "the run was killed after 260 s" in texts(looked)
    assert not looked.daemon.runner.running


# ---- the configuration


def test_a_configuration_that_cannot_be_read_leaves_the_old_one_as_it_is(looked):
    def closed():
        raise PermissionError(errno.EACCES, "x")

    looked.daemon.load = closed
    looked.daemon.reload_asked = True
    looked.daemon._round()
    assert looked.said[-1] == ("the new configuration cannot be read; the old one stays", {"level": "error", "error": "PermissionError"})
    assert not looked.daemon.reload_asked


@pytest.mark.parametrize("asked", ["exists", "is_dir"])
def test_a_folder_that_may_not_be_entered_is_no_bug_of_ours(monkeypatch, asked):
    def closed(_path):
        raise PermissionError(errno.EACCES, "x")

    monkeypatch.setattr(Path, asked, closed)
    assert load(ROOT / "rotator.example.yaml", ROOT / "schedules").specs


def test_a_reload_says_which_specs_it_no_longer_finds(looked):
    looked.loaded = replace(looked.loaded, specs=looked.loaded.specs[1:])
    looked.daemon._load_again()
    gone = {"level": "warning", "spec": looked.spec.name}
    assert ("this spec is gone, and is not rotated any more", gone) in looked.said
    assert looked.said[-1] == ("configuration loaded", {"specs": len(looked.loaded.specs)})


def test_a_reload_that_finds_no_spec_at_all_leaves_the_old_configuration(looked):
    before = looked.loaded.specs
    looked.loaded = replace(looked.loaded, specs=())
    looked.daemon._load_again()
    assert looked.said[-1][0] == "the new configuration has no spec; the old one stays"
    assert looked.said[-1][1]["level"] == "error"
    assert looked.daemon.loaded.specs == before


def test_a_reload_with_another_state_directory_leaves_the_old_configuration(looked, tmp_path):
    looked.loaded = replace(looked.loaded, config=replace(looked.loaded.config, state=tmp_path / "other"))
    looked.daemon._load_again()
    assert "the state directory cannot change" in looked.said[-1][0]
    assert looked.daemon.loaded.config.state == looked.daemon.state.path


def test_new_limits_hold_from_the_reload_on(looked):
    looked.loaded = replace(looked.loaded, config=replace(looked.loaded.config, runs=7, per_connection=3))
    looked.daemon._load_again()
    assert (looked.daemon.runner.runs, looked.daemon.runner.per_connection) == (7, 3)


def test_a_hang_up_before_the_daemon_is_ready_is_a_reload(looked):
    """Its rounds are not made: it is told to end at once."""
    loaded = []
    runner = Runner(runs=1, per_connection=1)
    config = replace(looked.loaded, config=replace(looked.loaded.config, state=looked.daemon.state.path / "other"))
    early = Daemon(config, load=lambda: loaded.append(1), job=make_job, runner=runner, say=looked.say, seam=looked.seam, hung_up=[1])
    early._round = lambda: loaded.append(early.reload_asked) or runner.stop()
    assert early.go() is Exit.DONE
    assert loaded == [True]
