"""Plugins that hang, exit, raise and print: each costs its own spec only. And what dies with main, and what does not."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from multiprocessing import forkserver
from pathlib import Path

import pytest
import yaml

from rotator import runner
from rotator.cli.runs import make_job
from rotator.load import load
from rotator.rotate import Adopt, Undo
from rotator.runner import Runner, result_of
from rotator.stores.file import prepare
from rotator.testing.processes import Vigil, children, descendants, gone_within
from rotator.testing.stands.world import ROTATOR, adopt, write_private

HANGS = ["sleeps", "loops", "holds_the_interpreter", "swallows"]
EVERY = [*HANGS, "exits", "calls_exit", "raises", "prints", "nothing"]
MAIN_AND_RUNS = 0.1
"""Seconds after main's death by which every run is gone."""


class Folder:
    """A configuration of rogues: one spec for each of these ways to misbehave, adopted."""

    def __init__(self, path, plugins, ways):
        self.path, self.plugins, self.ways = path, plugins, {name.replace("_", "-"): name for name in ways}
        for each in ("var", "users", "schedules"):
            (path / each).mkdir(mode=0o700)
        prepare(str(path / "var/store"))
        write_private(path / "var/store.key", base64.b64encode(os.urandom(32)).decode())
        owner = {
            "version": 1,
            "environment": "test",
            "connections": {"rogues": {"type": "rogue", "folder": str(path / "users")}},
            "stores": {"local": {"type": "file", "path": "var/store", "key": {"file": "var/store.key"}}},
            "limits": {"runs": 16, "per_connection": 16, "call_timeout": "2s"},
        }
        write_private(path / "rotator.yaml", yaml.safe_dump(owner))
        self.write(misbehave=False)
        loaded = load(path / "rotator.yaml", plugin_dirs=[plugins])
        for spec in loaded.specs:
            (path / "users" / spec.name).write_text(json.dumps(self.first(spec.name)))
            adopt(make_job(loaded, spec, named=True, command=Adopt()), {"username": spec.name, "password": self.first(spec.name)})
        self.write(misbehave=True)

    def first(self, name):
        return f"first-secret-of-{name}-0123456789-0123456789"

    def secrets(self):
        return [json.loads((self.path / "users" / name).read_text()) for name in self.ways]

    def write(self, *, misbehave):
        rotations = {
            name: {
                "owner": "team",
                "target": {"type": "rogue", "connection": "rogues", "username": name, "does": way if misbehave else "nothing"},
                "store": {"name": "local", "path": f"team/{name}"},
                "when": {"every": "30d"},
            }
            for name, way in self.ways.items()
        }
        write_private(self.path / "schedules/team.yaml", yaml.safe_dump({"version": 1, "rotations": rotations}))

    def command(self, *arguments):
        folder = ["--config", str(self.path / "rotator.yaml"), "--plugin-dir", str(self.plugins)]
        return [*ROTATOR, *folder, *arguments]

    def rotator(self, *arguments, text=None):
        command = self.command(*arguments)
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)

    def start(self, *arguments):
        """A command in a session of its own, once every run is inside `apply`."""
        for each in (self.path / "users").glob("*.here"):
            each.unlink()
        out = (self.path / "out").open("w")
        process = subprocess.Popen(self.command(*arguments), stdout=out, stderr=out, start_new_session=True)
        end = time.monotonic() + 30
        while sum(bool(each.read_text()) for each in (self.path / "users").glob("*.here")) < len(self.ways):
            assert time.monotonic() < end, (self.path / "out").read_text()
            time.sleep(0.01)
        return process

    def events(self):
        done = self.rotator("--json", "audit", "show")
        return [json.loads(line) for line in done.stdout.splitlines()]


def drop_in(folder, *more):
    """A drop-in directory with the rogues' plugin, and further lines of its entry points."""
    shutil.copyfile(Path(__file__).with_name("rogue_target.py"), folder / "rogue_target.py")
    points = ["[rotator.connections]", "rogue = rogue_target:RogueConnection", "[rotator.targets]", "rogue = rogue_target:Rogue", *more]
    write_private(folder / "entry_points.txt", "\n".join(points))
    return folder


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """One for all tests: two of them would both offer the type."""
    return drop_in(tmp_path_factory.mktemp("plugins"))


@pytest.fixture(scope="module")
def rogues(plugins, tmp_path_factory):
    """Every way to misbehave at once, and what came of it."""
    folder = Folder(tmp_path_factory.mktemp("rogues"), plugins, EVERY)
    folder.before = folder.secrets()
    folder.done = folder.rotator("--json", "run", *folder.ways, "--force")
    folder.results = {each["spec"]: each for each in json.loads(folder.done.stdout)["results"]}
    return folder


@pytest.mark.parametrize("way", [each for each in EVERY if each not in ("nothing", "prints")])
def test_a_rogue_plugin_ends_its_own_spec_with_a_message_that_says_what_to_do(rogues, way):
    result = rogues.results[way.replace("_", "-")]
    assert result["exit"] == 1
    assert result["fix"]
    told = {"raises": "RuntimeError", "calls_exit": "SystemExit", "exits": "ended by itself"}.get(way)
    told = told or ("no answer within the deadline" if way in ("sleeps", "loops") else "ended by itself")
    assert told in result["message"]


def test_the_others_are_done(rogues):
    assert rogues.done.returncode == 1
    for name in ("nothing", "prints"):
        assert (rogues.results[name]["exit"], rogues.results[name]["state"]) == (0, "at rest")


def test_no_secret_and_nothing_that_a_plugin_prints_is_on_stdout(rogues):
    told = rogues.done.stdout + rogues.done.stderr
    for secret in (*rogues.before, *rogues.secrets()):
        assert secret not in told
    assert "x" * 100 not in rogues.done.stdout
    assert "is wrong" not in told


def test_the_next_run_heals_what_rogues_left_behind(rogues):
    rogues.write(misbehave=False)
    healed = rogues.rotator("--json", "run", *rogues.ways)
    states = {each["spec"]: (each["exit"], each["state"]) for each in json.loads(healed.stdout)["results"]}
    assert set(states.values()) == {(0, "at rest")}, states
    assert healed.returncode == 0
    assert rogues.rotator("audit", "verify").returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_runs_are_gone_with_main_whatever_they_do_and_the_next_run_takes_their_lease_at_once(plugins, tmp_path, record_property):
    folder = Folder(tmp_path, plugins, HANGS)
    main = folder.start("run", *folder.ways, "--force")
    runs = [int(each.read_text()) for each in (tmp_path / "users").glob("*.here")]
    everything = descendants(main.pid)
    assert set(runs) <= set(everything)
    with Vigil([main.pid, *runs]) as vigil:
        os.kill(main.pid, signal.SIGKILL)
        took = vigil.gone(5.0, main.pid)  # from main's own end: on a busy machine that may take longer than theirs
    main.wait()
    record_property("runs_gone_after_ms", round(took.seconds * 1000))
    assert took.counted <= MAIN_AND_RUNS
    assert gone_within(everything, 20.0).seconds < 20.0
    folder.write(misbehave=False)
    healed = folder.rotator("--json", "run", *folder.ways)
    assert healed.returncode == 0, "no lease was waited for"
    assert {each["spec"] for each in folder.events() if each["event"] == "lease.taken_over"} == set(folder.ways)


@pytest.mark.parametrize("how", ["main", "group"])
def test_sigterm_finishes_the_swap_in_place_and_the_next_run_goes_on(plugins, tmp_path, how):
    folder = Folder(tmp_path, plugins, ["is_slow"])
    main = folder.start("--json", "run", "is-slow", "--force")
    (os.kill if how == "main" else os.killpg)(main.pid, signal.SIGTERM)
    assert main.wait(timeout=30) == 1, (tmp_path / "out").read_text()
    assert folder.secrets() != [folder.first("is-slow")], "the step was finished"
    events = folder.events()
    steps = [(each.get("step"), each.get("phase"), each.get("outcome")) for each in events]
    assert ("APPLY", "outcome", "success") in steps
    assert "stopped" in [each.get("reason") for each in events if each["event"] == "run.end"]
    published = [step for step, *_ in steps].index("PUBLISH")
    assert "CONFIRM" not in [step for step, *_ in steps][published:], "in place it goes on until consumers are not cut off, and no further"
    again = folder.rotator("--json", "run", "is-slow")
    assert json.loads(again.stdout)["results"][0]["state"] == "at rest"


class Line:
    """Runs one after another, each in the process that waited for it."""

    def __init__(self, folder):
        self.loaded = load(folder.path / "rotator.yaml", plugin_dirs=[folder.plugins])
        self.runner = Runner(runs=1, per_connection=16)
        self.users = folder.path / "users"

    def job(self, name):
        return make_job(self.loaded, next(each for each in self.loaded.specs if each.name == name), named=True, forced=True)

    def pid(self, name):
        return int((self.users / name).with_suffix(".here").read_text())

    def waiting(self, result):
        """The process that waits, while no run goes on any more."""
        assert result.exit == 0, result
        end = time.monotonic() + 20
        while len(found := [each for each in children(forkserver._forkserver._forkserver_pid) if each in descendants(os.getpid())]) != 1:
            assert time.monotonic() < end, found
            time.sleep(0.01)
        return found[0]


@pytest.fixture
def line(plugins, tmp_path):
    made = Line(Folder(tmp_path, plugins, ["nothing", "prints", "holds_the_interpreter"]))
    yield made
    made.runner.dismiss()


def test_every_run_of_a_line_has_a_process_of_its_own_and_none_waits_when_the_line_is_empty(line):
    names = ["prints", "nothing"]
    results = list(line.runner.run([line.job(each) for each in names]))
    assert [(each.spec, each.exit) for each in results] == [(each, 0) for each in names]
    pids = [line.pid(each) for each in names]
    assert len({*pids, os.getpid()}) == 3
    assert line.runner.spare is None
    assert gone_within(pids, 20.0).seconds < 20.0


def test_the_process_that_waits_performs_the_next_run(line):
    waiting = line.waiting(line.runner.start(line.job("nothing"), more=True).result())
    assert line.runner.start(line.job("prints")).result().exit == 0
    assert line.pid("prints") == waiting


def test_a_process_that_died_while_it_waited_is_passed_over(line):
    waiting = line.waiting(line.runner.start(line.job("nothing"), more=True).result())
    os.kill(waiting, signal.SIGKILL)
    assert gone_within([waiting], 20.0).seconds < 20.0
    assert line.runner.start(line.job("prints")).result().exit == 0
    assert line.pid("prints") != waiting


def test_sigterm_for_the_whole_group_does_not_end_a_process_that_waits_for_its_run(line):
    waiting = line.waiting(line.runner.start(line.job("nothing"), more=True).result())
    os.kill(waiting, signal.SIGTERM)
    assert line.runner.start(line.job("prints")).result().exit == 0
    assert line.pid("prints") == waiting


def test_a_run_whose_processes_die_before_they_take_it_is_told_as_died(line, monkeypatch):
    wait = line.runner._wait

    def dead():
        spare = wait()
        spare.pipe.close()  # it is let go at once
        spare.future.exception()
        spare.pipe, theirs = line.runner.context.Pipe()
        theirs.close()
        spare.future = line.runner._process(None, os._exit, 1)
        return spare

    monkeypatch.setattr(line.runner, "_wait", dead)
    job = line.job("nothing")
    assert result_of(job, line.runner.start(job)).why == "died"


def test_a_run_of_a_spec_whose_last_process_is_just_ending_is_never_told_that_it_is_busy(line):
    ends = [line.runner.start(line.job("nothing"), more=True).result().exit for _ in range(15)]
    assert set(ends) == {0}, ends


def test_a_run_is_not_handed_over_before_the_last_process_of_its_spec_is_gone(line, monkeypatch):
    job, last, handed = line.job("nothing"), Future(), []
    hand_over = line.runner._hand_over
    monkeypatch.setattr(line.runner, "_hand_over", lambda *given: handed.append(last.done()) or hand_over(*given))
    line.runner.ending[job.spec.chain] = last
    threading.Timer(0.3, last.set_result, [None]).start()
    assert line.runner.start(job).result().exit == 0
    assert handed == [True]


def test_a_process_that_let_go_of_its_pipe_and_hangs_is_killed_at_its_deadline(line, monkeypatch):
    wait, made = line.runner._wait, []

    def deaf():
        spare = wait()
        spare.pipe.close()  # the one that waits for its job ends
        spare.pipe, theirs = line.runner.context.Pipe()
        theirs.close()
        spare.future = line.runner._process(None, time.sleep, 300)
        made.append(spare)
        return spare

    monkeypatch.setattr(line.runner, "_wait", deaf)
    job = line.job("nothing")
    monkeypatch.setattr(runner, "KILL_AFTER", 1.0 - job.order.run_time)
    begun = time.monotonic()
    result = result_of(job, line.runner.start(job))
    assert (result.why, result.exit) == ("died", 1)
    assert "killed after 1 s" in result.message
    assert time.monotonic() - begun < 20.0
    assert made[-1].future.cancelled()
    made[0].future.cancel()  # that a process which only waits hangs is the doing of this test


def test_a_process_that_waits_ends_when_it_is_let_go(line):
    waiting = line.waiting(line.runner.start(line.job("nothing"), more=True).result())
    line.runner.dismiss()
    assert gone_within([waiting], 20.0).seconds < 20.0


def test_a_run_in_a_process_that_waited_is_killed_at_its_deadline_too(line, monkeypatch):
    job = line.job("holds-the-interpreter")
    line.waiting(line.runner.start(line.job("nothing"), more=True).result())
    monkeypatch.setattr(runner, "KILL_AFTER", 1.0 - job.order.run_time)
    result = result_of(job, line.runner.start(job))
    assert (result.exit, result.why) == (1, "died")
    assert "killed after 1 s" in result.message
    assert gone_within([line.pid("holds-the-interpreter")], 20.0).seconds < 20.0


def test_a_plugin_that_cannot_be_imported_costs_its_own_spec_only(plugins, tmp_path):
    folder = Folder(tmp_path, plugins, ["nothing"])
    folder.plugins = tmp_path / "broken"
    folder.plugins.mkdir(mode=0o700)
    drop_in(folder.plugins, "broken = broken:Broken")
    (folder.plugins / "broken.py").write_text("raise SystemExit('no')\n")
    schedule = yaml.safe_load((tmp_path / "schedules/team.yaml").read_text())
    schedule["rotations"]["broken"] = schedule["rotations"]["nothing"] | {
        "target": {"type": "broken", "connection": "rogues", "username": "broken"},
        "store": {"name": "local", "path": "team/broken"},
    }
    write_private(tmp_path / "schedules/team.yaml", yaml.safe_dump(json.loads(json.dumps(schedule))))
    done = folder.rotator("--json", "run", "nothing", "--force")
    assert [each["state"] for each in json.loads(done.stdout)["results"]] == ["at rest"], done.stderr
    assert done.returncode == 2
    assert "broken" in done.stderr
    assert "cannot be imported" in done.stderr


def test_a_command_whose_run_died_is_looked_up_before_anybody_trusts_in_it():
    loaded = load(Path(__file__).parents[2] / "rotator.example.yaml")
    future = Future()
    future.set_exception(TimeoutError())
    asked, plain = (result_of(make_job(loaded, loaded.specs[0], command=each), future) for each in (Undo(), None))
    assert (asked.why, plain.why) == ("died", "died")
    assert f"`rotator status {loaded.specs[0].name}`" in asked.fix
    assert plain.fix == "the next run goes on where this one stopped"
