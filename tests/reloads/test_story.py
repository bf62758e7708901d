"""The command line with reloads, at a real server: told, refused, healed; and what the other side was shown."""

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from receiver import Receiver

from rotator.cli import main
from rotator.errors import Exit
from rotator.model import Level, Secret
from rotator.testing.canary import Canary
from rotator.testing.servers.kubernetes import KubernetesServer
from rotator.testing.stands import World
from rotator.testing.stands.twin import Overlapping
from rotator.testing.stands.world import NAME, write_private

KEY = "the-key-of-the-webhook-0123456789"
SCRIPT = """#!/bin/sh
{{ env; tr '\\0' '\\n' < /proc/$$/cmdline; }} >> {folder}/seen
echo it prints things; echo "and $ROTATOR_VERSION" >&2
test ! -e {folder}/broken || exit 3
echo "$ROTATOR_NAME $ROTATOR_VERSION" >> {folder}/told
"""


@pytest.fixture(scope="module")
def stand():
    with Overlapping() as started:
        yield started


@pytest.fixture
def receiver():
    with Receiver(KEY) as server:
        server.more = {"adopted": True}
        yield server
    assert server.faults == []


@pytest.fixture
def world(stand, receiver, tmp_path):
    made = World(stand, tmp_path / "world", "user-1", grace="0s")
    script = tmp_path / "reload"
    script.write_text(SCRIPT.format(folder=tmp_path))
    script.chmod(0o700)
    write_private(made.folder / "var/hook", KEY)
    file = made.folder / "rotator.yaml"
    owner = yaml.safe_load(file.read_text())
    owner["reloads"] = {
        "app": {"type": "command", "argv": [str(script), "reload"], "timeout": "5s"},
        "hook": {"type": "webhook", "url": f"{receiver.url}/rotated", "secret": {"file": "var/hook"}},
    }
    write_private(file, yaml.safe_dump(owner))
    made.write_schedule(reload=["app", {"name": "hook", "ack": "adopted"}])
    return made


@pytest.fixture
def here(world, capsys):
    """A command in this process, where starting one would show no more."""

    def run(*words):
        capsys.readouterr()
        code = main(world.command(*words, entry=()))
        return code, capsys.readouterr().out

    return run


def row(here):
    code, out = here("--json", "status")
    return code, json.loads(out)["specs"][0]


def test_a_reload_that_fails_keeps_the_old_one_alive_and_the_next_run_heals(world, here, receiver, tmp_path):
    told, broken = tmp_path / "told", tmp_path / "broken"
    world.adopt()
    first = world.record().current
    assert told.read_text().split() == [NAME, first.id]

    broken.touch()
    planned = world.rotator("dry-run", NAME, "--force")
    assert "would RELOAD tell consumers (app, accepted is asked)" in planned.out
    assert "would RELOAD tell consumers (hook, adopted is asked)" in planned.out
    failed = world.rotator("--json", "run", NAME, "--force")
    assert (failed.code, failed.first["state"]) == (3, "open place")
    assert "nothing is revoked before: RELOAD (reload) in app: " in failed.first["message"]
    assert "reload ended with exit code 3. run it by hand" in failed.first["message"]
    assert "it prints things" not in failed.out + failed.err
    assert {each["what"]: each["level"] for each in failed.first["steps"] if each["step"] == "RELOAD"} == {
        "app": "accepted",
        "hook": "adopted",
    }
    new = world.record().current
    assert (new.id != first.id, receiver.told) == (True, [first.id, new.id])
    assert world.stand.works(first.credential)
    assert world.stand.works(new.credential)

    code, shown = row(here)
    assert code == 3
    assert shown["reloads"] == {
        "app": {"asked": "accepted", "reached": None, "open": True},
        "hook": {"asked": "adopted", "reached": "adopted", "open": False},
    }
    assert shown["waits_for"].endswith("; app is still open")
    assert "app open (nothing, accepted is asked), hook adopted" in here("status")[1]
    assert world.run(named=False).why == "not_before"
    assert world.stand.works(first.credential)

    broken.unlink()
    healed = world.rotator("run", NAME)
    assert healed.code == 0
    assert "the old credential is proven dead" in healed.out
    assert told.read_text().splitlines() == [f"{NAME} {first.id}", f"{NAME} {new.id}"]
    assert receiver.told == [first.id, new.id]
    assert not world.stand.works(first.credential)
    code, shown = row(here)
    assert (code, shown["reloads"]["app"]["reached"], shown["waits_for"]) == (0, "accepted", None)
    lines = here("audit", "show")[1]
    assert ": app accepted" in lines
    assert ": hook adopted" in lines
    assert "failure (reload) user-1 on twin:" in lines
    assert here("audit", "verify")[0] == 0
    nothing_leaked(world, receiver, tmp_path, first, new)


def nothing_leaked(world, receiver, folder, *versions):
    """Neither the program nor the receiver was shown a secret."""
    canary = Canary()
    for version in versions:
        canary.register(version.credential.secret, version.id)
    canary.register(Secret(KEY), "the key of the webhook")
    seen = (folder / "seen").read_bytes()
    assert f"ROTATOR_VERSION={versions[-1].id}".encode() in seen
    assert b"\nreload\n" in seen
    requests = [json.dumps([each.path, dict(each.headers), each.body.decode()]).encode() for each in receiver.requests]
    assert [hit.label for text in (seen, *requests) for hit in canary.search(text, "reload")] == []


def test_what_a_reload_lacks_is_said_before_it_is_needed_and_stops_nothing(world, tmp_path):
    world.adopt()
    (tmp_path / "reload").unlink()
    planned = world.run(dry=True, forced=True)
    (found,) = [each for each in planned.findings if each.code == "reload"]
    assert (planned.exit, found.level, found.text) == (Exit.UNPROVEN, Level.WARN, f"app: the program {tmp_path}/reload is not there")
    done = world.run(forced=True)
    assert (done.exit, done.why) == (Exit.UNPROVEN, "open place")
    assert "reload is not there. install it" in done.message
    assert world.record().reloads["hook"].version == world.record().current.id


def test_a_rollout_that_outlasts_a_run_keeps_the_old_one_alive_and_the_next_run_ends_it(world, here):
    with KubernetesServer() as server:
        server.cluster.namespaces.add("billing")
        server.cluster.roles = {KEY: None}
        workload = server.cluster.deploy("Deployment", "billing", "app")
        file = world.folder / "rotator.yaml"
        login = {"api_server": server.url, "token": {"file": "var/hook"}, "namespace": "billing"}
        pods = {"type": "kubernetes_rollout", **login, "kind": "Deployment", "name": "app", "timeout": "4s"}
        write_private(file, yaml.safe_dump({**yaml.safe_load(file.read_text()), "reloads": {"pods": pods}}))
        world.write_schedule(reload=[{"name": "pods", "ack": "adopted"}])
        world.adopt()
        first = world.record().current

        workload.at_once = False
        slow = world.run(forced=True)
        assert (slow.exit, slow.why) == (Exit.UNPROVEN, "open place")
        assert row(here)[1]["reloads"] == {"pods": {"asked": "adopted", "reached": "accepted", "open": True}}
        assert world.stand.works(first.credential)

        workload.finish()
        assert world.run(named=True).exit is Exit.DONE
        assert not world.stand.works(first.credential)
        marks = [each["metadata"]["annotations"].get(f"version.rotator/{NAME}") for each in workload.templates]
        assert marks == [None, first.id, world.record().current.id]
