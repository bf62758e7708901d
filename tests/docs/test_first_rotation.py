"""The first own rotation of the README, word by word, against a real PostgreSQL; and the shapes of `--json` on what it left."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import DOCS, README, marked

from rotator.model import Secret
from rotator.testing.servers.postgres import PostgresServer

BIN = Path(sys.executable).parent
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("ROTATOR_", "PG_", "CI"))}
ENVIRONMENT = {**CLEAN, "PATH": f"{BIN}:{os.environ['PATH']}"}
FIRST = Secret("the-first-password-of-app-a")


class Reader:
    """Somebody who does what the README says. All that is changed is the port."""

    def __init__(self, folder, server):
        self.folder, self.server, self.said = folder, server, ""
        self.admin = ""

    def part(self, kind, number=0):
        return marked(README, f"first-rotation: {kind}")[number].text.replace("port: 5432", f"port: {self.server.port}")

    def types(self, text):
        bash = ["bash", "-e", "-u", "-o", "pipefail", "-c", text]
        done = subprocess.run(bash, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def follows(self):
        for statement in self.part("sql").split(";\n"):
            if statement.strip():
                self.server.query(statement)
        self.types(self.part("sh"))
        owner, schedule = self.folder / "rotator.yaml", self.folder / "schedules/example.yaml"
        before, _, rest = owner.read_text().partition("connections:")
        owner.write_text(before + self.part("connections") + "stores:" + rest.partition("\nstores:")[2])
        schedule.write_text(self.part("schedule"))
        commands = self.part("sh", 1)
        self.admin = re.search(r"^export PG_ADMIN_PASSWORD='(.+)'$", commands, re.MULTILINE)[1]
        self.said = self.types(commands)

    def asks(self, *words):
        env = ENVIRONMENT | {"PG_ADMIN_PASSWORD": self.admin}
        done = subprocess.run(["rotator", *words], cwd=self.folder, env=env, capture_output=True, text=True, timeout=60, check=False)
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    with PostgresServer() as server:
        made = Reader(tmp_path_factory.mktemp("first"), server)
        made.follows()
        yield made


def test_following_the_readme_rotates_and_proves_the_old_one_dead(reader):
    for each in ("taken over", "would APPLY", "rotated", "app_a (not revoked)", "the old credential is proven dead", "whole"):
        assert each in reader.said
    assert reader.said.index("rotated: the new") < reader.said.index("proven dead")


def test_what_get_prints_logs_in_and_the_first_password_does_not(reader):
    shown = reader.asks("get", "app")
    assert shown["username"] == "app_b"
    assert reader.server.logs_in("app_b", Secret(shown["password"]))
    assert not reader.server.logs_in("app_a", FIRST)


# ---- shapes of --json


def shape(value):
    """The keys and kinds of a document. Of a list, what its elements have in common; null fits anything."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return None if value is None else "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def fits(one, other):
    if one is None or other is None or [] in (one, other):
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(fits(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return fits(one[0], other[0])
    return one == other


ASKED = {
    "run": ["--json", "dry-run", "app", "--force"],
    "status": ["--json", "status"],
    "validate": ["--json", "validate"],
    "get": ["get", "app"],
    "store rekey": ["--json", "store", "rekey"],
    "audit verify": ["--json", "audit", "verify"],
    "plugins list": ["--json", "plugins", "list"],
}


@pytest.mark.parametrize("command", ASKED)
def test_the_page_of_shapes_shows_what_the_command_prints(reader, command):
    told = json.loads(marked(DOCS / "json.md", f"json: {command}")[0].text)
    given = reader.asks(*ASKED[command])
    assert fits(shape(told), shape(given)), (shape(told), shape(given))
    assert fits(shape(given), shape(told))


def test_run_prints_the_shape_of_dry_run(reader):
    told = json.loads(marked(DOCS / "json.md", "json: run")[0].text)
    assert fits(shape(told), shape(reader.asks("--json", "run")))


def test_every_shape_of_the_page_is_compared():
    page = (DOCS / "json.md").read_text()
    assert sorted(re.findall(r"<!-- json: (.+) -->", page)) == sorted(ASKED)
