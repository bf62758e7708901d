"""Deliberately bad plugins: in a real run each is contained, and the laws of the contract name what a run cannot see.

| it | contained by a run | named by a law |
|---|---|---|
| hangs | `proofs/test_processes.py` (sleeps, loops, swallows, ...), `faults/test_crowd.py` | `cli/test_plugins_check.py` |
| crashes the interpreter | here: `aborts`; no core file: `leaks/test_leaks.py` | here |
| exits | `proofs/test_processes.py` (exits, calls exit), `faults/test_crowd.py` | `cli/test_plugins_check.py` |
| leaks to stdout and logs | `leaks/test_leaks.py` (prints, logs, threads) | `cli/test_plugins_check.py` |
| raises with the secret in the message | `proofs/test_processes.py` (raises), `leaks/test_leaks.py`; here: an error of its own | here |
| prints 1 GB | here | - |
| fork-bombs within its limits | here: programs and copies of itself | - |
| returns nonsense | here: nine kinds, two of them refused at load | here |
| is slow | here: within the deadline; `proofs/test_processes.py` with SIGTERM | here: over it |
| mints twice | here | here |
| touches another principal | here: the other's own spec sees it | here, where it is asked to |
| lies "verified" | no run can see it | here |
| mutates in check | here, as a password that somebody changed | here |
| swallows a rejection | here: nothing is revoked on no answer | here |
| declares what it cannot do | no run can see it | here: fences, labels, a limit, disable, last use, two secrets |
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from rotator.cli.runs import make_job
from rotator.load import load
from rotator.model import Secret
from rotator.rotate import Adopt
from rotator.stores.file import prepare
from rotator.testing.canary import Canary
from rotator.testing.processes import alive
from rotator.testing.stands.world import ROTATOR, adopt, write_private
from rotator.testing.sweep import scan

HERE = Path(__file__).parent
REST, DIED = (0, "at rest"), (1, "died")
USERS = {
    "nothing": (*REST, ""),
    "prints_a_gigabyte": (*REST, ""),
    "is_slow": (*REST, ""),
    "answers_an_object": (*REST, ""),
    "aborts": (*DIED, "the run's process ended by itself (exit -6)"),
    "raises_an_error_of_its_own": (*DIED, "its text is not shown"),
    "finds_a_number": (*DIED, "TypeError"),
    "finds_words": (*DIED, "AttributeError"),
    "takes_a_no_for_no_answer": (1, "failed", "not done: CONFIRM (confirm dead) at bad.internal:1: could not log in"),
    "mutates_in_check": (4, "foreign_change", ""),
}
KEYS = {
    "mints_twice": (*REST, ""),
    "mints_words": (*DIED, "AttributeError"),
    "mints_plain_text": (1, "failed", "the plugin raised AttributeError: outcome unknown"),
    "lists_words": (*DIED, "AttributeError"),
}
"""What each comes to: exit code, state, a part of the message."""
CHILDREN = {"leaves_children": (*REST, ""), "leaves_forks": (1, "cut off", "the system does not answer")}
"""What stays behind holds what the run held: of the forks that is a lock of the system."""
LOAD = ("has_a_number_for_its_principals", "has_a_word_for_what_it_can")
EVERY = {**USERS, **KEYS, **CHILDREN}
BELONGS = ("*/system/*", "*/store.key")
"""Where secrets stand by design."""


def first(name):
    return f"First-secret-of-{name}-0123456789"


class World:
    """One small system, and a spec for each bad plugin on it, adopted while it was still a good one."""

    def __init__(self, path, plugins, ways):
        self.path, self.plugins, self.ways = path, plugins, {each.replace("_", "-"): each for each in ways}
        self.system = path / "system"
        for each in ("var", "system", "schedules"):
            (path / each).mkdir(mode=0o700)
        prepare(str(path / "var/store"))
        write_private(path / "var/store.key", base64.b64encode(os.urandom(32)).decode())
        owner = {
            "version": 1,
            "environment": "test",
            "connections": {"files": {"type": "bad", "folder": str(self.system)}},
            "stores": {"local": {"type": "file", "path": "var/store", "key": {"file": "var/store.key"}}},
            "limits": {"runs": 6, "per_connection": 6, "call_timeout": "2s"},
        }
        write_private(path / "rotator.yaml", yaml.safe_dump(owner))
        self.write(bad=False)
        self.adopt()
        self.write(bad=True, good=("neighbour",))

    def adopt(self):
        loaded = load(self.path / "rotator.yaml", plugin_dirs=[self.plugins])
        for spec in loaded.specs:
            secret = first(spec.name)
            if self.is_key(spec.name):
                self.file(spec.name).write_text(json.dumps({"key-first": {"secret": secret, "label": None}}))
                given = {"id": "key-first", "secret": secret}
            else:
                self.file(spec.name).write_text(json.dumps(secret))
                given = {"username": spec.name, "password": secret}
            adopt(make_job(loaded, spec, named=True, command=Adopt()), given)

    def is_key(self, name):
        return self.ways[name] in KEYS

    def file(self, name):
        return self.system / (f"{name}.keys.json" if self.is_key(name) else f"{name}.json")

    def write(self, *, bad, good=()):
        rotations = {
            name: {
                "owner": "team",
                "target": {
                    "type": "bad_key" if self.is_key(name) else "bad_user",
                    "connection": "files",
                    "username": name,
                    "does": way if bad and name not in good else "nothing",
                },
                "store": {"name": "local", "path": f"team/{name}"},
                "when": {"every": "30d"},
            }
            for name, way in self.ways.items()
        }
        write_private(self.path / "schedules/team.yaml", yaml.safe_dump({"version": 1, "rotations": rotations}))

    def rotator(self, *arguments):
        folder = ["--config", str(self.path / "rotator.yaml"), "--plugin-dir", str(self.plugins)]
        return subprocess.run([*ROTATOR, *folder, *arguments], capture_output=True, text=True, timeout=60, check=False)

    def run(self, *names, forced=True):
        """A run of these; what was said of each."""
        done = self.rotator("--json", "run", *names, *(["--force"] if forced else []))
        done.results = {each["spec"]: each for each in json.loads(done.stdout)["results"]}
        return done

    def secrets(self):
        """All that the system and a user of the first days hold."""
        found = [first(each) for each in self.ways]
        for name in self.ways:
            held = json.loads(self.file(name).read_text())
            found += [each["secret"] for each in held.values()] if isinstance(held, dict) else [held]
        return dict.fromkeys(found)

    def children(self, name):
        return json.loads((self.system / f"{name}.children").read_text())


@pytest.fixture(scope="module")
def world(plugins, tmp_path_factory):
    """All at once, and what came of it."""
    made = World(tmp_path_factory.mktemp("world"), plugins, EVERY)
    made.done = made.run(*made.ways)
    return made


# ---- a real run


@pytest.mark.parametrize("way", EVERY)
def test_a_bad_plugin_ends_its_own_run_with_its_exit_code_and_words(world, way):
    told = world.done.results[way.replace("_", "-")]
    code, state, part = EVERY[way]
    assert (told["exit"], told["state"]) == (code, state), told
    assert part in told["message"]


def test_the_command_ends_with_the_worst_of_all_and_no_traceback(world):
    assert world.done.returncode == 4
    assert world.done.results.keys() == world.ways.keys()
    assert "Traceback" not in world.done.stdout + world.done.stderr


def test_a_gigabyte_of_print_reaches_nobody(world):
    assert len(world.done.stdout) + len(world.done.stderr) < 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="children are followed by prctl(2)")
@pytest.mark.parametrize("way", CHILDREN)
def test_what_a_plugin_starts_ends_with_its_run(world, way):
    pids = world.children(way.replace("_", "-"))
    left = [each for each in pids if alive(each)]
    for each in left:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    assert len(pids) == 20
    assert left == []


def test_on_no_answer_about_the_old_one_the_rotation_stays_open(world):
    steps = [each["step"] for each in world.done.results["takes-a-no-for-no-answer"]["steps"]]
    assert steps[-1] == "CONFIRM"


def test_no_secret_is_in_any_output_or_file(world):
    canary = Canary()
    for number, each in enumerate(world.secrets()):
        canary.register(Secret(each), str(number))
    told = world.done.stdout + world.done.stderr
    assert canary.search(told, "what the command said") == []
    assert scan(canary, world.path, but=BELONGS) == []
    assert canary.count > len(told)


def test_the_next_run_with_a_good_plugin_heals_all_but_what_a_human_must_settle(world):
    world.write(bad=False)
    done = world.run(*world.ways, forced=False)
    states = {name: (each["exit"], each["state"]) for name, each in done.results.items()}
    assert states.pop("mutates-in-check") == (4, "foreign_change")
    assert set(states.values()) == {REST}, states
    for name in filter(world.is_key, world.ways):
        assert len(json.loads(world.file(name).read_text())) == 1, f"{name}: one key lives, and no orphan"
    assert world.rotator("audit", "verify").returncode == 0


def test_a_user_that_another_spec_s_plugin_changed_is_a_foreign_change_and_is_left_alone(plugins, tmp_path):
    world = World(tmp_path, plugins, ["touches_another", "neighbour"])
    assert world.run("touches-another").results["touches-another"]["state"] == "at rest"
    set_by_another = world.file("neighbour").read_text()
    told = world.run("neighbour").results["neighbour"]
    assert (told["exit"], told["state"]) == (4, "foreign_change")
    assert "rotator adopt neighbour" in told["fix"]
    assert world.file("neighbour").read_text() == set_by_another


def test_a_plugin_that_returns_nonsense_at_load_costs_its_own_spec_only(plugins, tmp_path):
    world = World(tmp_path, plugins, ["nothing", *LOAD])
    done = world.run("nothing")
    assert done.returncode == 2
    assert done.results["nothing"]["state"] == "at rest"
    for each in LOAD:
        assert f"rotations.{each.replace('_', '-')}.target: its plugin cannot take these settings (TypeError)" in done.stderr


# ---- the laws

A_NO = ("a wrong secret is rejected", "a control login tells a yes from a no")
IN_PLACE = "in place the old secret is rejected once the new one is set and works again when set again"
MINTED = ("what is issued works beside current", "a revoked one is dead and current lives", "an orphan is revoked by its id alone")
GONE = ("a revoked one is rejected at login", "no secret of a dead one is in what its refusal carries")
LAWS = {
    ("TestUser", "nothing"): (),
    ("TestUser", "lies"): (*A_NO, "no secret is in what an exception carries", IN_PLACE),
    ("TestUser", "takes_a_no_for_no_answer"): (*A_NO, IN_PLACE),
    ("TestUser", "finds_all_dead"): ("a wrong secret is confirmed dead only if it is the secret that is asked for",),
    ("TestUser", "mutates_in_check"): ("reads change nothing",),
    ("TestUser", "raises_the_secret"): ("no secret is in what an exception carries",),
    ("TestUser", "takes_any_user"): ("a user that is none of the targets is never touched",),
    ("TestUser", "is_too_slow"): ("every call to a frozen system ends within its deadline",),
    ("TestUser", "declares_fences"): ("a runner that was overtaken is refused and changes nothing",),
    ("TestUser", "declares_last_use"): ("reads change nothing", "times that it tells have a zone"),
    ("TestUser", "declares_two_secrets"): (
        "what is to be kept goes on working beside the new one",
        "a revoked secret is dead and the kept one lives",
    ),
    ("TestKey", "nothing"): (),
    ("TestKey", "mints_twice"): ("each issue mints one and it is listed",),
    ("TestKey", "mints_plain_text"): (*MINTED, *GONE),
    ("TestKey", "declares_labels"): ("a label is shown where the target has labels",),
    ("TestKey", "declares_a_limit"): ("no free slot is refused and nothing is minted",),
    ("TestKey", "declares_disable"): ("a disabled one is refused and works again when enabled",),
}
"""The laws that each breaks: these, and no other."""


@pytest.fixture(scope="module")
def broken(plugins, tmp_path_factory):
    """What pytest says of all of them: the broken laws by class and way."""
    folder = tmp_path_factory.mktemp("laws")
    shutil.copyfile(HERE / "laws.py", folder / "laws.py")
    ways = {each: [way for tests, way in LAWS if tests == each] for each in ("TestUser", "TestKey")}
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ROTATOR_", "COV", "PYTEST_"))}
    environment = clean | {"BAD_WAYS": json.dumps(ways), "PYTHONPATH": str(plugins)}
    words = [sys.executable, "-m", "pytest", "laws.py", "-p", "no:cacheprovider", "--tb=no", "--junitxml=told.xml"]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    found = {each: set() for each in LAWS}
    kept = dict.fromkeys(LAWS, 0)
    for case in ET.parse(folder / "told.xml").iter("testcase"):
        law, _, way = case.attrib["name"].removesuffix("]").partition("[")
        key = (case.attrib["classname"].rpartition(".")[2], way)
        kept[key] += len(case) == 0
        if case.find("failure") is not None or case.find("error") is not None:
            found[key].add(law.removeprefix("test_").replace("_", " "))
    assert min(kept.values()) > 10, "the others are kept, not skipped"
    return found


@pytest.mark.parametrize(("tests", "way"), LAWS)
def test_the_contract_names_the_law_that_a_bad_plugin_breaks(broken, tests, way):
    assert broken[tests, way] == {*LAWS[tests, way]}
