"""`rotator store rekey`, as an operator uses it: a new key, everything sealed with it, the old key gone."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rotator.destination import Place, Secret
from rotator.record import Lease
from rotator.stores.file import FileStore, FileStoreSettings, prepare
from rotator.testing.destination_contract import CANARY, runtime
from rotator.testing.records import a_record, same

ROTATOR = str(Path(sys.executable).with_name("rotator"))
KEYS = {number: base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)}
OWNER = """\
version: 1
environment: test
stores:
  local: {type: file, path: var/store, KEYS, allow: {schedules: ["*"]}}
connections: {}
"""
BOTH = "keys: [{id: k2, file: var/2.key}, {id: k1, file: var/1.key}]"


class Machine:
    """A folder with a store of two specs, sealed with the key k1."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "var").mkdir(mode=0o700)
        (folder / "schedules").mkdir()
        for number, key in KEYS.items():
            self.private(f"var/{number}.key", key)
        self.configure("key: {file: var/1.key}")
        prepare(str(folder / "var/store"))
        for path in ("team/a", "team/b"):
            self.store("KEY").write(path, a_record(1))
            self.store("KEY").publish(Place("local", path), {"password": Secret(CANARY)}, "v1", 1)

    def private(self, name, text):
        path = self.folder / name
        path.touch(0o600)
        path.write_text(text)

    def configure(self, keys):
        self.private("rotator.yaml", OWNER.replace("KEYS", keys))

    def store(self, key):
        settings = FileStoreSettings(path=str(self.folder / "var/store"), keys=[{"id": "k1" if key == "KEY" else "k2", "env": key}])
        return FileStore(settings, runtime(KEY=KEYS[1], NEW=KEYS[2]))

    def rotator(self, *args):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("ROTATOR_")}
        done = subprocess.run([ROTATOR, *args], cwd=self.folder, env=clean, capture_output=True, text=True, timeout=30, check=False)
        for secret in (CANARY, *KEYS.values()):
            assert secret not in done.stdout + done.stderr
        return done


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_everything_is_sealed_with_the_first_key_and_the_old_one_can_go(machine):
    machine.configure(BOTH)
    done = machine.rotator("store", "rekey")
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 documents sealed with key k2 now, 0 were before, 0 are left" in done.stdout
    assert "all other keys of store local may be removed" in done.stdout
    for path in ("team/a", "team/b"):
        assert same(machine.store("NEW").read(path), a_record(1))
        assert machine.store("NEW").published(Place("local", path))["password"].reveal() == CANARY
    again = machine.rotator("store", "rekey", "local")
    assert "0 documents sealed with key k2 now, 4 were before" in again.stdout


def test_what_a_run_holds_is_left_and_told_and_the_next_call_takes_it(machine):
    store = machine.store("KEY")
    held = store.read("team/a")
    store.write("team/a", held.but(lease=Lease("run", time.time() + 4, "home"), writes=(*held.writes, "write-2")))
    machine.configure(BOTH)
    done = machine.rotator("store", "rekey")
    assert done.returncode == 1
    assert "records/team/a" in done.stdout
    assert "leased" in done.stdout
    assert "1 are left" in done.stdout
    time.sleep(max(0, store.read("team/a").lease.until - time.time()))
    assert machine.rotator("store", "rekey").returncode == 0


def test_a_torn_record_stops_no_other(machine):
    (machine.folder / "var/store/records/team/a.rec").write_text("{")
    machine.configure(BOTH)
    done = machine.rotator("--json", "store", "rekey")
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit"], told["rewritten"], told["key"]) == (1, 1, 3, "k2")
    assert [each["document"] for each in told["left"]] == ["records/team/a"]
    assert "torn or none of ours" in told["left"][0]["why"]


def test_the_ledger_says_who_did_it_and_what_came_of_it(machine):
    machine.configure(BOTH)
    machine.rotator("store", "rekey")
    shown = machine.rotator("--json", "audit", "show")
    events = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [(each["event"], each["outcome"], each["reason"]) for each in events] == [
        ("store.rekeyed", "success", "store local, key k2: 4 rewritten, 0 already, 0 left")
    ]
    assert events[0]["actor"]


@pytest.mark.parametrize(
    ("name", "words"), [("other", "other is no store of type file. the stores of type file are: local"), ("rotator", "is no store")]
)
def test_another_store_is_refused_by_name(machine, name, words):
    done = machine.rotator("store", "rekey", name)
    assert done.returncode == 2
    assert words in done.stderr.replace("\n", " ")


def test_where_the_ledger_takes_no_event_nothing_is_sealed_anew(machine):
    machine.configure(BOTH)
    ledger = machine.folder / "var/ledger.db"
    ledger.touch()
    ledger.chmod(0o666)
    files = sorted((machine.folder / "var/store").rglob("*.rec"))
    before = [each.read_bytes() for each in files]
    done = machine.rotator("store", "rekey")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the audit ledger has mode 0666" in done.stderr
    assert [each.read_bytes() for each in files] == before
