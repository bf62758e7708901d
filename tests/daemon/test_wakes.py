"""The daemon with its wake index: what it does where the index, a reload, a socket or a process fails it."""

import fcntl
import os
import socket
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from rotator.cli.runs import make_job
from rotator.daemon import AGAIN, notify
from rotator.errors import BadInput, Exit
from rotator.rotate import RunResult
from rotator.state import StateDir

DAY = 86_400.0
BUSY = "database is locked"


def test_a_spec_that_is_changed_while_its_run_goes_on_is_looked_at_as_soon_as_that_ends(looked):
    looked.begins()
    looked.reload(grace=77.0)
    looked.daemon._load_again()
    looked.ends()
    looked.daemon._collect()
    assert looked.index.due(looked.seam.now()) == [looked.spec.name]


def test_jobs_in_line_are_made_anew_by_a_new_configuration(looked):
    looked.daemon.runner.add(make_job(looked.loaded, looked.spec))
    looked.reload(grace=77.0)
    looked.daemon._load_again()
    assert not looked.daemon.runner.waiting
    assert looked.index.due(looked.seam.now()) == [looked.spec.name]


def test_an_index_that_is_locked_for_long_costs_no_result_and_no_reload(looked):
    looked.begins()
    looked.ends()
    looked.reload(grace=looked.spec.grace)
    with closing(sqlite3.connect(looked.file, isolation_level=None)) as other:
        other.execute("begin immediate")
        looked.daemon._round()
        looked.daemon._round()
    assert {about["error"] for _, about in looked.said if "error" in about} == {BUSY}
    assert looked.daemon.reload_asked
    looked.daemon._round()
    assert ("configuration loaded", {"specs": len(looked.loaded.specs)}) in looked.said
    assert not looked.daemon.unkept
    at = looked.index.db.execute("select at from wake where spec = ?", (looked.spec.name,)).fetchone()[0]
    assert DAY <= at - looked.seam.now() < DAY + 61


def test_a_job_that_cannot_be_made_stops_no_other_and_is_tried_again_later(looked):
    first, second = looked.loaded.specs[:2]
    for each in (first, second):
        looked.index.sooner([(each.name, looked.seam.now())])

    def job(loaded, name):
        if name == first.name:
            raise BadInput("its plugin is gone")
        looked.made = name
        raise BadInput("enough of a test")

    looked.daemon.job = job
    looked.daemon._start_due()
    assert looked.made == second.name
    assert "its plugin is gone" in [text for text, _ in looked.said]
    assert looked.index.due(looked.seam.now() + 59) == []
    assert set(looked.index.due(looked.seam.now() + 200)) == {first.name, second.name}


def test_a_look_that_failed_is_repeated_later_each_time_though_its_slot_has_passed(looked):
    looked.begins()
    looked.daemon.looking[looked.spec.name] = looked.daemon.says[looked.spec.name], 3
    passed = looked.seam.now() - 5
    failed = RunResult(spec=looked.spec.name, exit=Exit.HUMAN, why="foreign_change", message="", wake=passed)
    looked.going.set_result(failed)
    looked.daemon._collect()
    assert looked.index.due(looked.seam.now() + 79) == []
    assert looked.index.due(looked.seam.now() + 82) == [looked.spec.name]


def torn(file):
    """Every page but the first is rubbish."""
    with closing(sqlite3.connect(file)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    data = file.read_bytes()
    file.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def test_a_torn_page_costs_no_look(looked):
    looked.index.close()
    torn(looked.file)
    looked.daemon.open_index()
    assert len(looked.daemon.index.due(looked.seam.now())) == len(looked.loaded.specs)


def test_an_index_that_is_torn_or_deleted_under_the_daemon_is_begun_anew(looked):
    begun = []
    looked.daemon._start_due = lambda: begun.append(looked.daemon.index.due(looked.seam.now()))
    looked.file.unlink()
    looked.daemon._round()
    assert len(begun[-1]) == len(looked.loaded.specs)
    looked.daemon._start_due = lambda: (_ for _ in ()).throw(sqlite3.DatabaseError("database disk image is malformed"))
    looked.daemon._round()
    looked.daemon._start_due = lambda: begun.append(looked.daemon.index.due(looked.seam.now()))
    looked.daemon._round()
    assert len(begun) == 2
    assert ("the wake index is begun anew", {"level": "warning"}) in looked.said


def test_what_is_due_is_begun_though_the_index_takes_no_writes(looked):
    begun = []
    looked.daemon._add = begun.append
    looked.index.sooner([(each.name, 1.0) for each in looked.loaded.specs])
    looked.begins()
    looked.ends()
    with closing(sqlite3.connect(looked.file, isolation_level=None)) as other:
        other.execute("begin immediate")
        looked.daemon._round()
    assert set(begun) == {each.name for each in looked.loaded.specs} - {looked.spec.name}
    assert list(looked.daemon.unkept) == [looked.spec.name]


def test_a_daemon_that_is_to_end_takes_no_new_configuration(looked):
    looked.reload(grace=77.0)
    looked.daemon.runner.stop()
    looked.daemon._round()
    assert looked.daemon.loaded.specs[0].grace != 77.0


def test_a_lock_at_the_start_is_waited_for(looked):
    looked.index.close()
    other = sqlite3.connect(looked.file, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    timer = threading.Timer(2.5, other.close)
    timer.start()
    looked.daemon.open_index()
    timer.join()
    assert set(looked.daemon.says) == {each.name for each in looked.loaded.specs}


def test_a_socket_of_systemd_that_is_gone_ends_nothing_and_one_that_comes_back_is_told(monkeypatch, tmp_path):
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    heard = []
    for _ in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(path))
            notify("WATCHDOG=1")
            heard.append(listener.recv(100))
        notify("WATCHDOG=1")  # nobody reads it
        path.unlink()
        notify("WATCHDOG=1")  # nothing is there
    assert heard == [b"WATCHDOG=1"] * 2


def test_a_state_directory_that_is_closed_to_us_is_said_and_ends_nothing(looked, monkeypatch):
    def denied(_state):
        raise PermissionError("not ours any more")

    looked.file.unlink()
    monkeypatch.setattr("rotator.daemon.open_index", denied)
    looked.daemon._round()
    assert "not ours any more" in looked.said[-1][1]["error"]
    monkeypatch.undo()
    looked.daemon._start_due = lambda: None
    looked.daemon._round()
    assert len(looked.daemon.index.due(looked.seam.now())) == len(looked.loaded.specs)


def test_a_heartbeat_that_cannot_be_written_ends_nothing(looked):
    (looked.daemon.state.path / "daemon.alive").mkdir(mode=0o500)
    looked.daemon._beat()
    looked.daemon.state.path.joinpath("daemon.alive").rmdir()
    looked.daemon.state = StateDir(looked.daemon.state.path / "gone")
    looked.daemon._beat()
    assert looked.said[-1][0] == "the heartbeat was not written"


def test_it_is_tried_again_soon(looked):
    armed = []
    looked.daemon._arm = armed.append
    looked.daemon.index.db.close()
    looked.daemon._round()
    assert armed == [looked.seam.now() + AGAIN]
    looked.daemon.open_index()


def test_a_short_lock_is_waited_for(looked):
    other = sqlite3.connect(looked.file, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    timer = threading.Timer(0.2, other.close)
    timer.start()
    begun = time.monotonic()
    looked.index.sooner([(looked.spec.name, 5.0)])
    assert time.monotonic() - begun < 2.0
    timer.join()


def test_an_index_that_cannot_be_opened_is_said_at_the_start(looked):
    looked.index.close()
    looked.file.unlink()
    looked.file.mkdir()
    with pytest.raises(BadInput, match="the wake index cannot be used"):
        looked.daemon.open_index()
    looked.file.rmdir()
    looked.daemon.open_index()


@pytest.mark.parametrize(
    ("code", "level"),
    [(Exit.FAILED, "error"), (Exit.BAD_INPUT, "error"), (Exit.HUMAN, "error"), (Exit.UNPROVEN, "warning"), (Exit.BUSY, "warning")],
)
def test_what_was_not_done_is_no_mere_information_and_an_advice_that_there_is_not_is_left_out(looked, code, level):
    for fix in (None, "do this"):
        looked.daemon._ended(RunResult(spec="a", exit=code, why="failed", message="not done", fix=fix))
    bare = {"level": level, "spec": "a", "exit": int(code)}
    assert looked.said[-2:] == [("not done", bare), ("not done", {**bare, "fix": "do this"})]


@pytest.mark.parametrize(("code", "after"), [(Exit.FAILED, 120), (Exit.BUSY, 120), (Exit.DONE, 86_400), (Exit.HUMAN, 86_400)])
def test_a_run_whose_end_did_not_reach_the_store_is_told_again_in_minutes_and_not_in_a_day(looked, code, after):
    now, name = looked.seam.now(), looked.spec.name
    looked.daemon._ended(RunResult(spec=name, exit=code, why="failed", message="not done", wake=now + 86_400, claimed=True))
    _, at, _ = looked.daemon.unkept[name]
    assert after <= at - now <= after + 60


def test_a_health_check_that_asks_for_the_lock_as_a_daemon_starts_does_not_keep_it_from_starting(looked):
    """The check holds it for a moment; another daemon holds it for good."""
    lock = os.open(looked.daemon.state.path / "daemon.lock", os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    asked, sleep = [], looked.seam.sleep

    def slept(seconds):
        sleep(seconds)
        asked.append(seconds)
        if len(asked) == 3:
            os.close(lock)

    looked.seam.sleep = slept
    alone = looked.daemon._alone()
    assert (alone is not None, len(asked)) == (True, 3)
    assert looked.daemon._alone() is None
    os.close(alone)
