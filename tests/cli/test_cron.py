"""The line for cron: what is not done reaches stderr, which cron mails, and what went well does not."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from rotator.record import Lease
from rotator.testing.canary import Canary
from rotator.testing.stands import World
from rotator.testing.stands.twin import Overlapping

TABLE = (Path(__file__).parents[2] / "deploy/crontab.example").read_text()
ROTATOR = str(Path(sys.executable).with_name("rotator"))


@pytest.fixture(scope="module")
def stand():
    with Overlapping() as started:
        yield started


@pytest.fixture
def world(stand, tmp_path):
    made = World(stand, tmp_path / "world", f"user-{tmp_path.name}")
    made.adopt()
    return made


def cron(world, more=""):
    """The command of the table as cron runs it: exit code, and what is mailed."""
    settings = dict(re.findall(r"^(\w+)=(.*)$", TABLE, re.MULTILINE))
    (command,) = re.findall(r"^[\d*]+(?: \S+){4} rotator (.*)$", TABLE, re.MULTILINE)
    settings |= {"ROTATOR_CONFIG": str(world.folder / "rotator.yaml"), "ROTATOR_STATE": str(world.folder / "var")}
    settings |= {"ROTATOR_PLUGIN_DIR": str(world.plugins[0])}
    line = command.replace("/opt/rotator/bin/rotator run", f"{ROTATOR} run {more}")
    assert ROTATOR in line
    plain = {name: each for name, each in os.environ.items() if not name.startswith("ROTATOR_")}
    done = subprocess.run([settings["SHELL"], "-c", line], env=plain | settings, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_line_of_cron_mails_nothing_of_a_rotation_that_went_well(world):
    before = world.record().current.id
    assert cron(world, "it --force") == (0, "")
    assert world.record().current.id != before


def test_the_line_of_cron_mails_what_was_not_done_and_what_to_do(world):
    world.overwrite()
    code, mail = cron(world)
    assert code == 1
    assert "it: exit 4: a place shows a value that is none of ours" in mail
    assert "`rotator resolve it --overwrite env`" in mail
    canary = Canary()
    for each in (world.first, world.record().current.credential):
        canary.register(each.secret)
    assert canary.search(mail, "the mail") == []


def test_the_line_of_cron_mails_nothing_of_another_runner(world):
    with closing(world.store()) as store:
        record = store.read(world.store_path)
        store.write(
            world.store_path, record.but(lease=Lease("another", time.time() + 200, "elsewhere"), writes=("another", *record.writes))
        )
    assert world.rotator("run").code == 5
    assert cron(world) == (0, "")


def test_with_json_the_document_stays_alone_on_stdout_and_what_was_not_done_is_a_line_of_the_log(world):
    world.overwrite()
    done = world.rotator("--json", "--log-level", "error", "run")
    assert (done.code, done.first["exit"]) == (4, 4)
    told = [json.loads(each) for each in done.err.splitlines()]
    assert [(each["level"], each["spec"], each["exit"], each["fix"]) for each in told] == [("error", "it", 4, done.first["fix"])]
    assert told[0]["event"] == done.first["message"]


def test_where_both_go_to_the_same_it_is_said_once(world):
    world.overwrite()
    told = subprocess.run(world.command("run"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert "exit 4:" not in told.stdout
    assert "none of ours" in told.stdout
