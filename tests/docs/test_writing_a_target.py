"""The example of docs/writing-a-target.md: through the conformance kit, and through the commands, as a drop-in."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from htpasswd_bench import HtpasswdBench, WebServer
from pages import DOCS, ROOT, marked

from rotator.testing.set_contract import SetTargetContract

PAGE = DOCS / "writing-a-target.md"
CODE = marked(PAGE, "example: rotator_htpasswd.py")[0].text
ROTATOR = str(Path(sys.executable).with_name("rotator"))
FIRST = {"username": "app", "password": "the-first-password-of-app"}
OWNER = """
version: 1
environment: test
connections:
  web: {{type: htpasswd, file: users, url: "{url}"}}
stores:
  local: {{type: file, path: var/store, key: {{file: var/store.key}}}}
"""
TEAM = """
version: 1
rotations:
  web-user:
    owner: me
    target: {type: htpasswd, connection: web, username: app}
    store: {name: local, path: web/app}
    when: {every: 30d}
"""


@pytest.fixture(scope="module")
def drop_in(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drop-in")
    (folder / "rotator_htpasswd.py").write_text(CODE)
    (folder / "entry_points.txt").write_text(marked(PAGE, "example: entry_points.txt")[0].text)
    return folder


@pytest.fixture(scope="module")
def plugin(drop_in):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(drop_in))
        yield importlib.import_module("rotator_htpasswd")
        sys.modules.pop("rotator_htpasswd")


@pytest.fixture
def web(tmp_path):
    with WebServer(tmp_path) as server:
        yield server


class TestTheExampleOfThePage(SetTargetContract):
    @pytest.fixture
    def bench(self, plugin, web):
        return HtpasswdBench(plugin, web)


def test_the_code_of_the_page_is_what_the_type_checker_sees():
    assert (ROOT / "tests/typing/htpasswd.py").read_text() == CODE


def rotator(folder, drop_in, *words, given=None):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ROTATOR_")}
    command = [ROTATOR, "--plugin-dir", str(drop_in), "--json", *words]
    done = subprocess.run(command, cwd=folder, env=clean, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_rotates_as_a_drop_in(drop_in, web, tmp_path):
    rotator(tmp_path, drop_in, "init")
    (tmp_path / "rotator.yaml").write_text(OWNER.format(url=web.url))
    (tmp_path / "schedules/example.yaml").write_text(TEAM)
    web.set({"app": FIRST["password"], "other": "somebody-else-s-password"})
    rotator(tmp_path, drop_in, "adopt", "web-user", given=json.dumps(FIRST))
    ran = json.loads(rotator(tmp_path, drop_in, "run", "web-user", "--force"))
    shown = json.loads(rotator(tmp_path, drop_in, "get", "web-user"))
    assert ran["results"][0]["state"] == "at rest"
    assert web.logs_in("app", shown["password"])
    assert not web.logs_in("app", FIRST["password"])
    assert web.logs_in("other", "somebody-else-s-password")
