"""A day of the real command line on real servers that log everything; then the canary looks wherever a secret could have been left."""

import json
import resource
import signal
import time
from collections import defaultdict

import pytest
from field import end

from rotator.testing.canary import ENCODINGS
from rotator.testing.servers.raw import RawServer, json_answer
from rotator.testing.sweep import scan

CARELESS = ("raises", "prints", "logs", "threads", "aborts", "exits", "quits")
FOUR = ("solo", "duo", "key", "token")
DEBUG = ("--log-level", "debug")
ADMIN = "the admin of PostgreSQL"
BELONGS = ("*/admin/*", "*/app/*", "*/var/store.key", "*/leaky.json")
"""Where secrets stand by design: the operator's own files, and what the application reads."""
PATIENCE = 60.0


def sinks(field, watch):
    """All places in which a secret was found: by its label, the names of the places."""
    servers, canary, found = field.servers, field.canary, defaultdict(set)
    for name, texts in field.said.items():
        for hit in (hit for each in texts for hit in canary.search(each, name)):
            found[hit.label].add(name)
    names = {"postgres log": servers.postgres.log_file, "access log": servers.access_log, "hub log": servers.hub.folder / "log"}
    for name, path in names.items():
        for hit in scan(canary, path):
            found[hit.label].add(name)
    for hit in scan(canary, field.folder, but=BELONGS):
        path = hit.where.removeprefix("name of ").removeprefix(f"{field.folder}/")
        found[hit.label].add("ledger" if path.startswith("var/ledger.db") else path.partition("/")[0])
    for hit in watch.hits(canary, ours_may_hold=ADMIN):
        found[hit.label].add(hit.where)
    return dict(found)


def daemon(field):
    """Some seconds of the daemon, in which two rotations come round."""
    for name in ("solo", "duo"):
        field.rotations[name]["when"] = {"every": "2s"}
    field.write()
    before = {each: field.record(each).generation for each in ("solo", "duo")}
    with (field.folder / "daemon.log").open("wb") as log:
        process = field.start(*DEBUG, "daemon", stdout=log, stderr=log)
        try:
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until and any(field.record(each).generation < before[each] + 2 for each in before):
                assert process.poll() is None
                field.learn()
                time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            end(process)
    field.learn()
    assert all(field.record(each).generation >= before[each] + 2 for each in before)
    for name in before:
        field.rotations[name]["when"] = {"every": "30d"}
    field.write()


REMEMBERS = """#!/bin/sh
{{ env; tr '\\0' '\\n' < /proc/$$/cmdline; }} >> {file}
echo "told of $ROTATOR_VERSION"; echo "told of $ROTATOR_VERSION" >&2
"""


@pytest.fixture(scope="module")
def receiver(field):
    """A webhook's other side: it keeps all that it is sent where secrets are searched for."""

    def answer(request):
        with (field.folder / "webhook").open("a") as file:
            file.write(f"{request.method} {request.path} {request.headers} {request.body.decode()}\n")
        return json_answer({"version": json.loads(request.body)["version"]})

    with RawServer(answer) as server:
        yield server


def told_by(field, receiver):
    """Consumers of two rotations are told: by a program that writes down all it is given, and by a webhook."""
    program = field.private("remembers", REMEMBERS.format(file=field.folder / "reloaded"))
    program.chmod(0o700)
    field.private("admin/hook", field.canary.make("the key of the webhook").reveal())
    field.owner["reloads"] = {
        "program": {"type": "command", "argv": [str(program), "--now"]},
        "hook": {"type": "webhook", "url": receiver.url, "secret": {"file": "admin/hook"}},
    }
    for name in ("solo", "key"):
        field.rotations[name]["reload"] = ["program", "hook"]


def day(field, servers, drop_in):
    """What an operator and the servers do; returns the exit codes."""
    field.environment["PG_ADMIN"] = servers.postgres.password.reveal()
    field.owner["connections"]["pg"]["admin"]["password"] = {"env": "PG_ADMIN"}
    field.owner["connections"]["other"] = field.pg("admin/pg")
    for each in CARELESS:
        field.rotations[each] = field.spec(each, {"type": "careless", "connection": "other", "dbname": "postgres", "username": each})
    field.write()
    field.adopt_fast(*CARELESS, plugins=[drop_in])
    for each in FOUR:
        field.adopt(each)
    codes = {"run": field.rotator(*DEBUG, "run", *field.rotations, "--force").code}
    for relay in servers.relays:
        relay.cut()
    codes["down"] = field.rotator(*DEBUG, "--json", "run", *FOUR, "--force").code
    for relay in servers.relays:
        relay.mend()
    field.private("admin/hub", field.canary.make("a wrong admin of the hub").reveal())
    codes["denied"] = field.rotator(*DEBUG, "run", "token", "--force").code
    for command in (("status",), ("--json", "status"), ("daemon", "--healthy"), ("audit", "show", "--spec", "nobody")):
        field.rotator(*DEBUG, *command)  # what they say of failures
    field.private("admin/hub", servers.hub.tokens["admin"])
    codes["healed"] = field.rotator("--json", *DEBUG, "run", *FOUR).code
    for command in (("status",), ("dry-run",), ("audit", "show"), ("--json", "audit", "show"), ("store", "rekey")):
        field.rotator(*DEBUG, *command)
    codes["verify"] = field.rotator(*DEBUG, "audit", "verify").code
    shown = field.rotator(*DEBUG, "get", "solo", kept=False)
    codes["get"] = shown.code
    assert json.loads(shown.out)["password"] == field.shown("solo").secret.reveal()
    daemon(field)
    return codes


def every_place_has_something_in_it(field, servers, watch):
    """Where nothing was written, nothing is found."""
    said = {name: b"".join(texts).decode() for name, texts in field.said.items()}
    assert "a thread was stopped by RuntimeError" in said["stderr"]
    assert "ignored in a destructor: RuntimeError" in said["stderr"]
    assert "intent" in said["stderr"]
    assert "rotated" in said["stdout"]
    assert "exit -6" in said["stdout"], "a process was killed by SIGABRT"
    assert "ALTER ROLE" in servers.postgres.log_file.read_text()
    assert "SCRAM-SHA-256$" in servers.postgres.log_file.read_text(), "its own verifier is the one exception: salted, and made for that"
    assert "CreateAccessKey" in servers.access_log.read_text()
    assert "201 POST" in servers.hub.log
    assert (field.folder / "var/ledger.db").stat().st_size > 50_000
    assert "daemon has stopped" in (field.folder / "daemon.log").read_text()
    assert any(b"\0--force" in each for each in watch.arguments)
    password = servers.postgres.password.reveal().encode()
    assert {ours for ours, each in watch.environments if password in each} == {True}, "it stands where the operator put it"
    assert watch.looks > 100
    assert "ROTATOR_VERSION=" in (field.folder / "reloaded").read_text()
    assert "Rotator-Signature" in (field.folder / "webhook").read_text()


def test_after_a_day_of_rotations_and_failures_no_secret_was_left_anywhere(field, servers, drop_in, watch, cores, receiver):
    told_by(field, receiver)
    codes = day(field, servers, drop_in)
    assert codes == {"run": 1, "down": 1, "denied": 1, "healed": 0, "verify": 0, "get": 0}
    assert all(field.works(each) for each in FOUR)
    assert len(field.canary.labels) > 30
    assert len(ENCODINGS) == 13
    every_place_has_something_in_it(field, servers, watch)
    assert sinks(field, watch) == {}
    assert not [each for each in field.folder.rglob("core*") if each.is_file()]


@pytest.fixture
def cores():
    """Processes of this test may leave core files."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)
