"""`rotator plugins check`: what it says of each law, what it refuses to touch, and that no secret gets out."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rotator.model import Secret
from rotator.testing.canary import HARD, Canary

ROTATOR = str(Path(sys.executable).with_name("rotator"))
SECRET = "the-first-password-of-app-" + HARD
ENTRY_POINTS = """
[rotator.targets]
toy = toy_plugin:Toy
[rotator.connections]
toy = rotator.testing.twins:TwinConnection
"""
PLUGIN = """
import logging, os, sys, time
from rotator.target import Refused
from rotator.testing.twins import TwinSet

class Toy(TwinSet):
    connection_type = "toy"

    def __init__(self, connection, config, runtime, system=None):
        super().__init__(connection, config, runtime, system)

    def revoke(self, credential, keep):
        if credential.name not in self.principals:
            raise Refused("none of ours")
        super().revoke(credential, keep)

    {method}
"""
TESTS = """
import pytest
from rotator.model import Credential, Secret
from rotator.target import Runtime
from rotator.testing.set_contract import SetBench, SetTargetContract
from rotator.testing.twins import TwinConnection, TwinSetSettings, TwinSystem, TwinUser
from toy_plugin import Toy

class ToyBench(SetBench):
    def __init__(self, touched):
        self.current = Credential(name="app", secret=Secret({secret!r}))
        self.system = TwinSystem(lambda: 0.0, {{"app": TwinUser([{secret!r}])}})
        self.system.on_change = lambda what: touched.open("a").write(what)

    def make_target(self, *, timeout=10.0, fence=1, admin="good"):
        if admin != "good":
            self.lacks(f"{{admin}} admin")
        config = TwinSetSettings(fences=False)
        return Toy(TwinConnection(system="db1.internal:5432"), config, Runtime(None, None, timeout, fence), self.system)

    def make_credential(self, secret=None):
        return Credential(name="app", secret=Secret(secret or "the-next-password-of-app"))

    def logs_in(self, credential):
        return self.system.lets_in(credential.name, credential.secret.reveal())

    def state(self):
        return {{name: list(user.secrets) for name, user in self.system.users.items()}}

    def remove(self, credential):
        del self.system.users[credential.name]

class TestToy(SetTargetContract):
    @pytest.fixture
    def bench(self, pytestconfig):
        return ToyBench(pytestconfig.rootpath / "touched")

    {more}
"""
LEAKING = """
    def verify(self, credential):
        secret = credential.secret.reveal()
        print(secret)
        print(secret, file=sys.stderr)
        os.write(1, secret.encode())
        os.write(2, secret.encode())
        logging.error(secret)
        raise RuntimeError(f"cannot log in with {secret}")
"""


@pytest.fixture
def author(tmp_path):
    """Writes a plugin and its tests, and calls `plugins check` on it."""
    tmp_path.chmod(0o700)

    def write(method="", more="", tests=TESTS):
        (tmp_path / "plugins").mkdir(mode=0o700)
        (tmp_path / "tests").mkdir()
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -x -k nothing\n")
        (tmp_path / "plugins/entry_points.txt").write_text(ENTRY_POINTS)
        (tmp_path / "plugins/toy_plugin.py").write_text(PLUGIN.format(method=textwrap.indent(textwrap.dedent(method), "    ").strip()))
        (tmp_path / "tests/test_toy.py").write_text(
            tests.format(secret=SECRET, more=textwrap.indent(textwrap.dedent(more), "    ").strip())
        )

    def check(*words, before=(), type="toy"):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ROTATOR_", "COV", "PYTEST_"))}
        command = [ROTATOR, "--plugin-dir", "plugins", *before, "plugins", "check", type, *words]
        return subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=60, check=False)

    check.write, check.folder = write, tmp_path
    return check


MAY = ("--may-change", "db1.internal")


def laws(done):
    told = json.loads(done.stdout)
    assert told["exit"] == done.returncode
    assert {state: count for state, count in told["counts"].items() if count} == {
        state: sum(each["state"] == state for each in told["laws"]) for state in {each["state"] for each in told["laws"]}
    }
    return {each["sentence"]: (each["state"], each["why"]) for each in told["laws"]}


# ---- what it says


def test_a_target_that_keeps_every_law_is_exit_3_while_its_bench_cannot_show_some(author):
    author.write()
    done = author(*MAY, before=["--json"])
    found = laws(done)
    assert done.returncode == 3
    assert found["apply makes the new secret work"] == ("kept", None)
    assert found["a disabled secret is refused and works again when enabled"] == ("not declared", "this target cannot disable")
    assert found["a system that is down is unreachable"] == ("not shown", "this bench has no down")
    assert "broken" not in {state for state, _ in found.values()}
    assert (author.folder / "touched").read_text()


def test_a_broken_law_is_exit_1_and_stands_in_the_table_with_what_was_seen(author):
    author.write("""
        def verify(self, credential):
            return credential.name
    """)
    done = author(*MAY)
    row = next(each for each in done.stdout.splitlines() if "a wrong secret is rejected" in each)
    assert done.returncode == 1
    assert row.split()[:2] == ["target", "2"]
    assert "broken" in row
    assert "nothing was raised where Rejected was to be" in row
    assert " broken, " in done.stdout.splitlines()[-1]


def test_what_was_seen_is_told_in_words_and_none_of_them_are_pytests_own(author):
    author.write("""
        def verify(self, credential):
            if credential.name not in self.principals or credential.secret.reveal() == "the-next-password-of-app":
                return False
            raise Refused("no")

        def revoke(self, credential, keep):
            pass

        def apply(self, credential, keep):
            pass
    """)
    found = laws(author(*MAY, before=["--json"]))
    whys = {why for state, why in found.values() if state == "broken"}
    assert found["a wrong secret is rejected"] == ("broken", "Refused was raised: no")
    assert found["apply makes the new secret work"] == ("broken", "`bench.logs_in(new)` was not true")
    assert len(whys) >= 3
    for why in whys:
        assert not re.search(r"DID NOT RAISE|assert |\\+ +where|rotator\\.|<class", why), why


def test_a_method_that_is_not_written_is_a_broken_law_that_says_what_to_write(author):
    author.write("""
        def apply(self, credential, keep):
            raise NotImplementedError("NEXT: write `apply` in toy_plugin.py.")
    """)
    found = laws(author(*MAY, before=["--json"]))
    assert found["apply twice equals once"] == ("broken", "NEXT: write `apply` in toy_plugin.py.")


def test_a_law_that_the_tests_replace_leave_out_or_expect_to_fail_is_not_kept(author):
    author.write(
        more="""
        test_a_wrong_secret_is_rejected = None

        def test_reads_change_nothing(self):
            pass

        @pytest.mark.skip(reason="one secret in place")
        def test_apply_twice_equals_once(self):
            pass

        @pytest.mark.parametrize("bench", [None])
        def test_apply_makes_the_new_secret_work(self, bench):
            raise AssertionError("this is no law, and is never run")
    """
    )
    found = laws(author(*MAY, before=["--json"]))
    assert found["a wrong secret is rejected"] == ("not shown", "the tests leave it out, or the process ended before")
    assert found["reads change nothing"] == ("not shown", "the tests have a test of their own in its place")
    assert found["apply twice equals once"][0] == "not shown"
    assert found["apply makes the new secret work"][0] == "not shown"


def test_a_law_that_is_expected_to_fail_and_does_is_broken(author):
    author.write(method="def apply(self, credential, keep): pass", more="pytestmark = pytest.mark.xfail(reason='it does')")
    found = laws(author(*MAY, before=["--json"]))
    assert found["apply makes the new secret work"] == ("broken", "expected to fail: it does")
    assert found["a wrong secret is rejected"] == ("kept", None)


def test_laws_that_the_tests_skip_are_not_shown(author):
    author.write(more="pytestmark = pytest.mark.skip(reason='one secret in place')")
    done = author(*MAY, before=["--json"])
    assert done.returncode == 3
    assert {each for each, _ in laws(done).values()} == {"not shown"}


def test_a_bench_that_cannot_be_set_up_shows_no_law_and_breaks_none(author):
    author.write(
        more="""
        @pytest.fixture(autouse=True)
        def system(self):
            raise ConnectionRefusedError("nobody listens at db1.internal")
        """
    )
    done = author(*MAY, before=["--json"])
    assert done.returncode == 3
    assert {*laws(done).values()} == {
        ("not shown", "the bench was not set up: ConnectionRefusedError was raised: nobody listens at db1.internal"),
    }


def test_a_plugin_that_ends_the_process_has_broken_the_law_and_the_rest_is_not_shown(author):
    author.write("""
        def apply(self, credential, keep):
            os._exit(0)
    """)
    done = author(*MAY, before=["--json"])
    found = laws(done)
    assert done.returncode == 1
    assert found["apply makes the new secret work"] == ("broken", "it ended the process, or did not end in time")
    assert found["apply twice equals once"][0] == "not shown"
    assert found["a wrong secret is rejected"][0] == "kept"


def test_a_plugin_that_hangs_is_ended(author):
    author.write("""
        def verify(self, credential):
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    pass
    """)
    request = {"type": "toy", "tests": "tests", "may_change": ["db1.internal"], "plugin_dirs": ["plugins"], "in_use": []}
    code = "import rotator.testing.check as c, io, sys, json; c.LIMIT = c.GRACE = 0.5; c.main(json.loads(sys.argv[1]), sys.__stdout__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, json.dumps(request)], cwd=author.folder, capture_output=True, text=True, timeout=30, check=False
    )
    begun = [each for each in done.stdout.splitlines() if '"event": "begin"' in each]
    assert done.returncode != 0
    assert len(begun) == 1
    assert '"event": "end"' not in done.stdout


# ---- secrets


@pytest.mark.parametrize("before", [[], ["--json"]], ids=["table", "json"])
def test_a_plugin_that_prints_and_raises_its_secret_leaks_nothing(author, before):
    author.write(LEAKING)
    done = author(*MAY, before=before)
    canary = Canary()
    canary.register(Secret(SECRET))
    assert done.returncode == 1
    assert canary.search(done.stdout, "stdout") + canary.search(done.stderr, "stderr") == []
    assert "what it says holds a secret, and is not shown" in done.stdout


# ---- what it refuses to touch


@pytest.mark.parametrize("words", [(), ("--may-change", "db2.internal"), ("--may-change", "db1"), ("--may-change", "5432")])
def test_a_system_that_was_not_named_is_left_alone(author, words):
    author.write()
    done = author(*words)
    assert done.returncode == 2
    assert "credentials of app at db1.internal:5432" in done.stderr
    assert "--may-change db1.internal:5432" in done.stderr
    assert not done.stdout
    assert not (author.folder / "touched").exists()


@pytest.mark.parametrize(("system", "also"), [("db1.internal:5432", ""), ("DB1.internal:5432", ", which may be DB1.internal:5432")])
def test_a_user_that_a_spec_rotates_there_is_left_alone_even_if_the_system_was_named(author, system, also):
    author.write()
    subprocess.run([ROTATOR, "init"], cwd=author.folder, check=True, capture_output=True, timeout=30)
    (author.folder / "rotator.yaml").write_text(
        f"version: 1\nenvironment: test\nconnections:\n  db: {{type: toy, system: '{system}'}}\n"
        "stores:\n  local: {type: file, path: var/store, key: {file: var/store.key}}\n"
    )
    (author.folder / "schedules/example.yaml").write_text(
        "version: 1\nrotations:\n  orders:\n    owner: me\n    target: {type: toy, connection: db, usernames: [app]}\n"
        "    store: {name: local, path: orders}\n    when: {every: 30d}\n"
    )
    done = author(*MAY, "--may-change", "db1.internal:5432")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"spec orders rotates app at db1.internal:5432{also}. " in done.stderr
    assert not (author.folder / "touched").exists()


def test_a_plugin_in_a_folder_may_keep_the_law_that_constructing_is_pure(author):
    """It is tried in a process of its own, which must find the plugin too."""
    author.write(tests=TESTS.replace("class ToyBench(SetBench):", "class ToyBench(SetBench):\n    driver = 'a_driver_of_nobody'"))
    done = author(*MAY, before=["--json"])
    assert laws(done)["constructing is pure"] == ("kept", None)


def test_a_configuration_that_cannot_be_read_is_exit_2_since_nobody_knows_what_is_in_use(author):
    author.write()
    (author.folder / "rotator.yaml").write_text("version: 1\nnonsense: true\n")
    done = author(*MAY)
    assert (done.returncode, done.stdout) == (2, "")
    assert "rotator.yaml:" in done.stderr
    assert not (author.folder / "touched").exists()


# ---- what it cannot do


def test_a_type_that_is_not_installed_and_tests_that_are_not_there_are_exit_2(author):
    author.write()
    for done, says in ((author(type="toys"), "no plugin for this target type"), (author("--tests", "nowhere"), "there is no nowhere")):
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr


@pytest.mark.parametrize(
    ("tests", "says"),
    [
        ("def test_other():\n    pass\n", "there is no class of contract tests in tests"),
        ("import no_such_module\n", "tests/test_toy.py cannot be read: E ModuleNotFoundError: No module named 'no_such_module'"),
        (TESTS.replace("from toy_plugin import Toy", "from rotator.testing.twins import TwinSet as Toy"), "which is not of type `toy`"),
    ],
    ids=["no contract", "unreadable", "another type"],
)
def test_tests_that_prove_nothing_about_the_type_are_exit_2(author, tests, says):
    author.write(tests=tests)
    done = author(*MAY)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_without_pytest_it_says_how_to_install_it(author):
    author.write()
    code = "import sys; sys.modules['pytest'] = None; from rotator.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["--plugin-dir", "plugins", "plugins", "check", "toy"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=author.folder, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "-m pip install 'pytest>=9'" in done.stderr
