"""What a run is given to do its work with."""

import base64

import pytest

from rotator.cli.runs import make_job
from rotator.destinations.env_file import EnvFile
from rotator.load import load
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


@pytest.mark.parametrize("name", ["target", "store", "reload", "reload-again"])
def test_a_destination_may_be_called_like_any_part_of_a_run(tmp_path, monkeypatch, name):
    monkeypatch.setenv("KEY", base64.b64encode(b"k" * 32).decode())
    (tmp_path / "schedules").mkdir()
    (tmp_path / "rotator.yaml").write_text(OWNER.format(name=name))
    (tmp_path / "schedules/team.yaml").write_text(SCHEDULE.format(name=name))
    loaded = load(tmp_path / "rotator.yaml")
    job = make_job(loaded, loaded.specs[0])
    opened = ports(job, job.order)
    assert isinstance(opened.places[name], EnvFile)
    assert isinstance(opened.places["local"], FileStore)
    assert opened.places["local"] is opened.store
    assert type(opened.target).__name__ == "PostgresUser"
    assert list(opened.reloads) == ["again"]
