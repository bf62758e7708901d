"""What a run is given to do its work with."""

import base64
from concurrent.futures import Future
from dataclasses import replace

import pytest

from rotator.cli import runs
from rotator.cli.runs import make_job, new_runner
from rotator.destinations.env_file import EnvFile
from rotator.errors import Denied
from rotator.ledgers.commands import last_ends
from rotator.ledgers.sqlite import open_ledger
from rotator.load import load
from rotator.settings import EnvRef
from rotator.stores.file import FileStore
from rotator.worker import ports

OWNER = """\
version: 1
environment: test
connections:
  pg: {{type: postgres, host: 127.0.0.1, admin: {{username: rotator, password: {{env: PG}}}}, tls: off}}
stores:
  local: {{type: file, path: store, key: {{env: KEY}}}}
destinations:
  {name}: {{type: env_file, path: env}}
reloads:
  again: {{type: command, argv: [systemctl, reload, app]}}
audit: {{ledger: sqlite:///ledger.db, required: [ledger]}}
"""
SCHEDULE = """\
version: 1
rotations:
  app:
    owner: team
    target: {{type: postgres, connection: pg, dbname: app, username: app}}
    store: {{name: local, path: app}}
    when: {{every: 30d}}
    publish: [{{destination: {name}, keys: {{PASSWORD: password}}}}]
    reload: [again]
"""


@pytest.fixture
def job_of(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY", base64.b64encode(b"k" * 32).decode())

    def made(name):
        (tmp_path / "schedules").mkdir()
        (tmp_path / "rotator.yaml").write_text(OWNER.format(name=name))
        (tmp_path / "schedules/team.yaml").write_text(SCHEDULE.format(name=name))
        made.loaded = loaded = load(tmp_path / "rotator.yaml")
        return make_job(loaded, loaded.specs[0])

    return made


@pytest.mark.parametrize("name", ["target", "store", "reload", "reload-again"])
def test_a_destination_may_be_called_like_any_part_of_a_run(job_of, name):
    job = job_of(name)
    opened = ports(job, job.order)
    assert isinstance(opened.places[name], EnvFile)
    assert isinstance(opened.places["local"], FileStore)
    assert opened.places["local"] is opened.store


def test_a_secret_that_is_gone_once_the_job_is_made_is_denied_at_the_port_that_needs_it(job_of, monkeypatch):
    """`BadInput` would end the run with exit 2, which says that nothing was touched."""
    job = job_of("env")
    opened = ports(job, job.order)
    assert opened.store.runtime.reveal(EnvRef(env="KEY")).matches(opened.revealed[0])
    monkeypatch.delenv("KEY")
    for port in (opened.target, opened.store, *opened.places.values(), *opened.reloads.values()):
        with pytest.raises(Denied, match="the environment variable KEY is not set, or empty") as no:
            port.runtime.reveal(EnvRef(env="KEY"))
        assert no.value.fix == "set it for the user that runs rotator"
    assert len(opened.revealed) == 1


# ---- a run that dies


def died(runner, job):
    """How the run ended for whoever asked for it, once its process was killed at its deadline."""
    future = Future()
    future.set_exception(TimeoutError())
    runner.running[future] = job
    return runner.pump()


def test_a_run_that_died_is_told_in_the_ledger_by_whoever_began_it(job_of):
    job = job_of("env")
    runner = new_runner(job_of.loaded, ())
    assert [each.why for each in died(runner, replace(job, order=replace(job.order, dry=True)))] == ["died"]
    assert not (job.config.root / "ledger.db").exists(), "a dry-run writes nothing"
    (told,) = died(runner, job)
    assert (told.why, told.message) == ("died", f"the run was killed after {job.order.run_time + 20:.0f} s")
    assert [(each.why, each.well) for each in last_ends(job.config.ledger_url)["app"]] == [("died", False)]


def test_a_ledger_that_is_held_keeps_nobody_from_hearing_that_a_run_died(job_of, monkeypatch):
    monkeypatch.setattr(runs, "PATIENCE", 0.05)
    job = job_of("env")
    runner, ledger = new_runner(job_of.loaded, ()), open_ledger(job.config.ledger_url)
    with ledger._transaction():
        (told,) = died(runner, job)
    ledger.close()
    assert told.why == "died"
    assert "was killed" in told.message
    assert "that was not written down" in told.message
