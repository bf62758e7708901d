"""One run over many rotations, each with a fault of its own: what is said of each, what becomes of the others, and how all come to rest."""

import base64
import json
import re

import pytest
from field import Cutter, new_key

from rotator.record import FORMAT
from rotator.testing.sweep import scan

SOUND = ("sound", "pair")
FAULTS = {
    "unset": (2, None, "the environment variable ROTATOR_TEST_UNSET is not set", "set it for the user that runs rotator"),
    "password": (1, "failed", "the admin postgres was refused: the server refused user and password", "Correct `admin` of the connection"),
    "down": (1, "failed", "CHECK (check target) at 127.0.0.1:", "no login: Connection refused"),
    "iam": (1, "failed", "CHECK (check target) at http://127.0.0.1:", "no answer that settles it (EndpointConnectionError)"),
    "api": (1, "failed", "CHECK (check target) at http://127.0.0.1:", "no answer (ConnectError)"),
    "nokey": (2, None, "keys/nokey: No such file", "put it there"),
    "loosekey": (2, None, "mode 0644: others could read", "chmod 600"),
    "otherkey": (4, "failed", "does not open with key k1", "give the store the key it was written with"),
    "nostore": (1, "failed", "there is no store at", "is it mounted?"),
    "newer": (4, "format", "written by a newer version of rotator", "use that version"),
    "altered": (4, "failed", "does not open with key k1: altered", "restore it from a backup"),
    "nodir": (1, "open place", "PUBLISH (read place) in nodir: read ", "is it mounted?"),
    "readonly": (1, "open place", "PUBLISH (publish) in readonly: write ", "mount it writable"),
    "full": (1, "failed", "No space left on device", "make room"),
    "notype": (2, None, "no plugin for this target type is installed", "did you mean `postgres`?"),
    "raises": (1, "cut off", "the plugin raised RuntimeError", "report it to the plugin's author"),
    "exits": (1, "died", "the run's process ended by itself (exit 7)", "the next run goes on"),
    "hangs": (1, "cut off", "APPLY (set secret) at 127.0.0.1:", "run it again at once"),
    "norole": (4, "foreign_change", "somebody else's hand changed", "rotator adopt norole"),
}
"""What each comes to: exit code, state, a part of the message, a part of what to do."""

KEPT = ("unset", "password", "down", "loosekey", "newer", "altered", "full", "notype", "raises", "hangs")
"""What was not begun, or not done: the old credential works on."""
BELONGS = ("*/admin/*", "*/keys/*", "*/store.key", "*/nodir*/env", "*/readonly/env", "*/app/*")
"""Where secrets stand by design."""


class Crowd:
    """The field, its faults, and what the command line said."""

    def __init__(self, field, drop_in, new_disk, relay):
        self.field, self.new_disk, self.relay = field, new_disk, relay
        field.environment["ROTATOR_PLUGIN_DIR"] = str(drop_in)
        field.rotations = {each: self.rotation(each) for each in ("sound", *FAULTS)}
        field.rotations |= {"pair": self.rotation("pair", usernames=[field.name("pair_a"), field.name("pair_b")])}
        field.rotations["iam"]["target"] = {"type": "aws_iam_key", "connection": "aws", "username": field.name("iam")}
        field.rotations["api"]["target"] = {"type": "http_token", "connection": "hub", "principal": field.name("api")}
        self.places()
        self.faults = {name: each for name, each in FAULTS.items() if name in field.rotations}
        field.write()
        field.adopt_fast(*field.rotations, plugins=[drop_in])
        self.key = (field.folder / "keys/otherkey").read_text()

    def rotation(self, name, **target):
        field = self.field
        kind = "careless" if name in ("raises", "exits", "hangs") else "postgres"
        who = target or {"username": f"{name}{field.suffix}"}
        connection = name if name in ("unset", "password", "down") else "pg"
        store = name if name in ("nokey", "loosekey", "otherkey", "nostore", "full") else "local"
        return field.spec(name, {"type": kind, "connection": connection, "dbname": "postgres", **who}, store)

    def places(self):
        """Connections, stores and destinations of their own, and small disks for two of them."""
        field = self.field
        field.owner["limits"] |= {"runs": 6, "per_connection": 6}
        for each in ("unset", "password", "down"):
            field.owner["connections"][each] = field.pg(f"admin/{each}", self.relay.port if each == "down" else None)
            field.private(f"admin/{each}", field.servers.postgres.password.reveal())
        (field.folder / "keys").mkdir(mode=0o700)
        for each in ("nokey", "loosekey", "otherkey", "nostore", "full"):
            field.owner["stores"][each] = {"type": "file", "path": f"stores/{each}", "key": {"file": f"keys/{each}"}}
            field.private(f"keys/{each}", field.canary.register(new_key(), f"the key of {each}").reveal())
            (field.folder / "stores" / each).mkdir(mode=0o700, parents=True)
        self.disk = self.new_disk(field.folder / "stores/full")
        for each in ("nokey", "loosekey", "otherkey", "nostore", "full"):
            for part in ("records", "values"):
                (field.folder / "stores" / each / part).mkdir(mode=0o700)
        for each in ("nodir", "readonly"):
            (field.folder / each).mkdir(mode=0o700)
            field.owner["destinations"][each] = {"type": "env_file", "path": f"{each}/env", "quote": "shell"}
            field.rotations[each]["publish"] = [{"destination": each, "keys": {"PGPASSWORD": "password"}}]
        self.readonly = self.new_disk(field.folder / "readonly")
        if self.disk is None or self.readonly is None:
            del field.rotations["full"], field.rotations["readonly"]

    def spoil(self):
        """All faults at once."""
        field, servers = self.field, self.field.servers
        field.owner["connections"]["unset"] = field.pg("", env="ROTATOR_TEST_UNSET")
        self.relay.cut()
        field.private("admin/password", field.canary.make("a wrong admin password").reveal())
        servers.aws_relay.cut()
        servers.hub_relay.cut()
        (field.folder / "keys/nokey").rename(field.folder / "keys/away")
        (field.folder / "keys/loosekey").chmod(0o644)
        field.private("keys/otherkey", field.canary.register(new_key(), "another key").reveal())
        (field.folder / "stores/nostore").rename(field.folder / "stores/away")
        self.records = {each: (self.file(each), self.file(each).read_bytes()) for each in ("newer", "altered")}
        field.store().write("team/newer", field.record("newer").but(format=FORMAT + 1))
        self.flip("altered")
        (field.folder / "nodir").rename(field.folder / "nodir-away")
        if "full" in self.faults:
            self.readonly.remount("ro")
            self.disk.fill()
        field.rotations["notype"]["target"]["type"] = "postgress"
        servers.postgres.query(f"ALTER ROLE {field.name('norole')} RENAME TO {field.name('elsewhere')}")
        field.write()

    def file(self, name):
        return self.field.folder / f"var/store/records/team/{name}.rec"

    def flip(self, name):
        """One character of the ciphertext, to another of the alphabet."""
        document = json.loads(self.file(name).read_text())
        raw = bytearray(base64.b64decode(document["ct"]))
        raw[len(raw) // 2] ^= 1
        self.file(name).write_text(json.dumps(document | {"ct": base64.b64encode(raw).decode()}))

    def mend(self):
        """All as it was."""
        field, servers = self.field, self.field.servers
        field.owner["connections"]["unset"] = field.pg("admin/unset")
        self.relay.mend()
        field.private("admin/password", servers.postgres.password.reveal())
        servers.aws_relay.mend()
        servers.hub_relay.mend()
        (field.folder / "keys/away").rename(field.folder / "keys/nokey")
        (field.folder / "keys/loosekey").chmod(0o600)
        field.private("keys/otherkey", self.key)
        (field.folder / "stores/away").rename(field.folder / "stores/nostore")
        for path, content in self.records.values():
            path.write_bytes(content)
        (field.folder / "nodir-away").rename(field.folder / "nodir")
        if "full" in self.faults:
            self.readonly.remount("rw")
            self.disk.free()
        field.rotations["notype"]["target"]["type"] = "postgres"
        field.environment["CARELESS_MENDED"] = "yes"
        servers.postgres.query(f"ALTER ROLE {field.name('elsewhere')} RENAME TO {field.name('norole')}")
        field.write()


@pytest.fixture(scope="module")
def crowd(new_field, servers, drop_in, new_disk):
    with Cutter(servers.postgres.port) as relay:
        yield Crowd(new_field(), drop_in, new_disk, relay)


def told(done, name):
    """What was said of one rotation: its result, or the line about the configuration."""
    result = done.results.get(name)
    if result:
        return result["exit"], result["state"], f"{result['message']} {result['fix'] or ''}"
    return 2, None, next(each for each in done.err.splitlines() if re.match(rf"(rotator|schedules/team)\.yaml:\d+: \w+\.{name}\b", each))


def not_as_expected(done, faults):
    """The faults of which something else was said."""
    said = {name: told(done, name) for name in faults}
    return {name: each for name, each in said.items() if not fits(each, faults[name])}


def fits(said, fault):
    """Exit code and state are these, and both parts of the message are there."""
    return said[:2] == fault[:2] and all(part in said[2] for part in fault[2:])


def test_many_faults_at_once_are_each_told_stop_nobody_else_and_are_gone_when_they_are_mended(crowd):
    field, old = crowd.field, {each: crowd.field.shown(each) for each in crowd.field.rotations}
    crowd.spoil()
    done = field.rotator("--json", "run", *field.rotations, "--force")
    assert done.code == 2, "the first of the table that applies to any"
    assert not_as_expected(done, crowd.faults) == {}
    assert "Traceback" not in done.err + done.out
    for name in SOUND:
        assert (done.results[name]["exit"], done.results[name]["state"]) == (0, "at rest")
        assert (field.works(name), field.works(name, old[name])) == (True, False)
    assert [each for each in KEPT if each in crowd.faults and not field.works(each, old[each])] == []
    assert [hit for name, texts in field.said.items() for each in texts for hit in field.canary.search(each, name)] == []
    assert scan(field.canary, field.folder, but=BELONGS) == []
    crowd.mend()
    field.rest(runs=2)
    assert field.rotator("audit", "verify").code == 0
