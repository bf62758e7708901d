"""A daemon whose rounds a test makes itself."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from rotator.cli.runs import make_job
from rotator.daemon import Daemon
from rotator.errors import Exit
from rotator.load import load
from rotator.rotate import RunResult
from rotator.runner import Runner
from rotator.testing.fake_seam import FakeSeam
from rotator.wakes import INDEX

ROOT = Path(__file__).parents[2]
DAY = 86_400.0


def example():
    return load(ROOT / "rotator.example.yaml", ROOT / "schedules")


class Looked:
    """A daemon whose rounds a test makes itself; its runs are results that the test sets."""

    def __init__(self, folder):
        loaded = example()
        self.loaded = replace(loaded, config=replace(loaded.config, state=folder / "state"))
        self.said, self.seam = [], FakeSeam()
        runner = Runner(runs=1, per_connection=1)
        job = lambda loaded, name: make_job(loaded, loaded.spec(name))  # noqa: E731 - the daemon's own way
        self.daemon = Daemon(self.loaded, load=lambda: self.loaded, job=job, runner=runner, say=self.say, seam=self.seam)
        self.daemon.state.prepare()
        self.daemon.open_index()
        self.spec, self.index = self.loaded.specs[0], self.daemon.index
        for name, says in self.daemon.says.items():
            self.index.set(name, says, self.seam.now() + 1000 * DAY, 0, self.seam.now())
        self.file = self.daemon.state.path / INDEX
        self.daemon.woken.wait = lambda _: None
        self.daemon.scheduler.add_job = lambda *_, **__: None

    def say(self, text, **about):
        self.said.append((text, about))

    def begins(self):
        """A run of the first spec."""
        self.going = Future()
        self.daemon.looking[self.spec.name] = self.daemon.says[self.spec.name], 0
        self.daemon.runner.running[self.going] = make_job(self.loaded, self.spec)
        self.daemon.runner.busy[self.spec.connection.name] = 1

    def ends(self):
        """It is at rest, and wants a look in a day."""
        self.going.set_result(RunResult(spec=self.spec.name, exit=Exit.DONE, why="at rest", message="", wake=self.seam.now() + DAY))

    def reload(self, **says):
        """SIGHUP, with the first spec changed."""
        self.loaded = replace(self.loaded, specs=(replace(self.spec, **says), *self.loaded.specs[1:]))
        self.daemon.reload_asked = True


@pytest.fixture
def looked(tmp_path):
    made = Looked(tmp_path)
    yield made
    made.daemon.index.close()
