"""What the owner's programs get and say, and how their words become ours."""

import json
import os
import sys

import pytest

from rotator.destination import Denied, Level, Place, Refused, Runtime, Secret, Unreachable
from rotator.destinations.exec import Exec, ExecSettings
from rotator.model import same_values
from rotator.testing.destination_contract import CANARY, DestinationContract, runtime, told_by

PLACE = Place("legacy", "billing", {"user": "username", "password": "password"})
VALUES = {"user": Secret("app"), "password": Secret(f"{CANARY}-1")}
KEEPER = """#!{python} -IS
import json, os, sys
path = "{folder}/" + os.environ["ROTATOR_PLACE"] + ".json"
held = json.load(open(path)) if os.path.exists(path) else {{"generation": -1, "shown": {{}}}}
if not os.path.isdir("{folder}"):
    sys.exit(78)
if "ROTATOR_GENERATION" not in os.environ:
    json.dump(held["shown"], sys.stdout)
elif int(os.environ["ROTATOR_GENERATION"]) < held["generation"]:
    sys.exit(65)
else:
    held["generation"] = int(os.environ["ROTATOR_GENERATION"])
    held["shown"].update(json.load(sys.stdin))
    json.dump(held, open(path + ".new", "w"))
    os.rename(path + ".new", path)
"""


def program(folder, text, name="program"):
    file = folder / name
    file.write_text(text)
    file.chmod(0o755)
    return str(file)


def destination(write, read, timeout=10.0):
    settings = ExecSettings(write=write if isinstance(write, list) else [write], read=read if isinstance(read, list) else [read])
    one = runtime()
    return Exec(settings, Runtime(reveal=one.reveal, now=one.now, timeout=timeout))


class TestExec(DestinationContract):
    @pytest.fixture
    def destination(self, tmp_path):
        self.folder = tmp_path / "kept"
        self.folder.mkdir()
        keeper = program(tmp_path, KEEPER.format(python=sys.executable, folder=self.folder))
        return lambda: destination(keeper, keeper)

    @pytest.fixture
    def place(self):
        return PLACE

    @pytest.fixture
    def misplaced(self, tmp_path):
        return destination("/nowhere/write", "/nowhere/read")

    def add_sibling(self, place):
        file = self.folder / "billing.json"
        file.write_text(json.dumps({"generation": -1, "shown": {"other": "x", "password": "", "user": None}}))
        return lambda: json.loads(file.read_text())["shown"]["other"] == "x"


def scripted(folder, script):
    """A destination whose two programs are this shell script."""
    name = program(folder, f"#!/bin/sh\n{script}\n")
    return destination(name, name)


def test_values_come_by_stdin_and_ids_by_the_environment_and_nothing_by_the_arguments(tmp_path, monkeypatch):
    monkeypatch.setenv("OF_OURS", "x")
    script = f'cat > {tmp_path}/stdin; env > {tmp_path}/env; tr "\\0" "\\n" < /proc/$$/cmdline > {tmp_path}/argv'
    scripted(tmp_path, script).publish(PLACE, VALUES, "v7", 7)
    assert json.loads((tmp_path / "stdin").read_text()) == {"user": "app", "password": f"{CANARY}-1"}
    env = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert {"ROTATOR_PLACE": "billing", "ROTATOR_VERSION": "v7", "ROTATOR_GENERATION": "7"}.items() <= env.items()
    assert set(env) <= {"ROTATOR_PLACE", "ROTATOR_VERSION", "ROTATOR_GENERATION", "PATH", "HOME", "LANG", "PWD", "SHLVL", "_"}
    assert CANARY not in (tmp_path / "env").read_text() + (tmp_path / "argv").read_text()


def test_read_is_given_the_place_and_nothing_to_read(tmp_path):
    script = f'cat > {tmp_path}/stdin; env | grep ROTATOR > {tmp_path}/env; echo "{{}}"'
    assert scripted(tmp_path, script).published(PLACE) == {}
    assert (tmp_path / "stdin").read_text() == ""
    assert (tmp_path / "env").read_text() == "ROTATOR_PLACE=billing\n"


def test_arguments_are_handed_on_as_they_stand(tmp_path):
    name = program(tmp_path, '#!/bin/sh\nprintf \'{"user": "%s"}\' "$1"\n')
    assert same_values(destination([name], [name, "$HOME {name}"]).published(PLACE), {"user": Secret("$HOME {name}")})


def test_without_keys_all_that_it_prints_is_shown(tmp_path):
    one = scripted(tmp_path, """echo '{"user": "app", "port": "5432", "empty": "", "none": null}'""")
    assert same_values(one.published(Place("legacy", "billing")), {"user": Secret("app"), "port": Secret("5432")})
    assert same_values(one.published(PLACE), {"user": Secret("app")})


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("", "not one JSON object"),
        ("[]", "not one JSON object"),
        ('["user"]', "not one JSON object"),
        ('"text"', "not one JSON object"),
        ('{"user": "a"} more', "not one JSON object"),
        ('{"user": "a", "user": "b"}', "not one JSON object"),
        ("[" * 100_000, "not one JSON object"),
        ('{"user": 5}', "'user' in what it printed is no text"),
        ('{"user": {"a": "b"}}', "'user' in what it printed is no text"),
    ],
)
def test_what_cannot_be_read_is_never_empty(tmp_path, printed, says):
    (tmp_path / "printed").write_text(printed)
    with pytest.raises(Unreachable, match=says):
        scripted(tmp_path, f"cat {tmp_path}/printed").published(PLACE)


@pytest.mark.parametrize(
    ("script", "kind", "says"),
    [
        ("exit 65", Refused, "refused .exit 65"),
        ("exit 77", Denied, "a right is missing .exit 77"),
        ("exit 78", Denied, "wrongly configured .exit 78"),
        ("exit 1", Unreachable, "failed .exit 1"),
        ("exit 127", Unreachable, "failed .exit 127"),
        ("kill -9 $$", Unreachable, "failed .signal 9"),
        ("cat /dev/zero", Unreachable, "more than 1048576 bytes"),
    ],
)
def test_how_it_ended_becomes_our_word_and_what_it_said_is_not_repeated(tmp_path, script, kind, says):
    one = scripted(tmp_path, f"cat; echo {CANARY}-spoken >&2; {script}")
    for act in (lambda: one.published(PLACE), lambda: one.publish(PLACE, VALUES, "v1", 1)):
        with pytest.raises(kind, match=says) as error:
            act()
        assert CANARY not in told_by(error.value)


def test_one_that_hangs_is_killed_before_the_call_is_over(tmp_path):
    name = program(tmp_path, "#!/bin/sh\nsleep 600\n")
    with pytest.raises(Unreachable, match=r"did not end within 0.18 s"):
        destination(name, name, timeout=0.2).publish(PLACE, VALUES, "v1", 1)


def test_a_program_that_others_may_change_is_never_run(tmp_path):
    one = scripted(tmp_path, f"touch {tmp_path}/run")
    (tmp_path / "program").chmod(0o777)
    for act in (lambda: one.published(PLACE), lambda: one.publish(PLACE, VALUES, "v1", 1)):
        with pytest.raises(Denied, match="others could read or change it"):
            act()
    assert not (tmp_path / "run").exists()
    assert [(each.level, each.code) for each in one.check()] == [(Level.FAIL, "place.missing")]


def refused(one, says, folder):
    """Neither program is run, and `check` says so."""
    for act in (lambda: one.published(PLACE), lambda: one.publish(PLACE, VALUES, "v1", 1)):
        with pytest.raises(Denied, match=says):
            act()
    assert not (folder / "run").exists()
    assert {each.code for each in one.check()} == {"place.missing"}
    return True


@pytest.mark.parametrize("mode", [0o777, 0o666, 0o602])
def test_a_script_among_the_arguments_that_others_may_change_is_never_run(tmp_path, mode):
    script = program(tmp_path, f"touch {tmp_path}/run; echo '{{}}'\n")
    one = destination(["/bin/sh", "-e", script], ["/bin/sh", script])
    (tmp_path / "program").chmod(mode)
    assert refused(one, "the argument of /bin/sh, which may be a script, .* others could read or change it", tmp_path)
    (tmp_path / "program").chmod(0o644)
    assert one.published(PLACE) == {}
    assert one.check() == []


def test_an_argument_that_is_no_file_is_handed_on_whoever_may_write_there(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    name = program(tmp_path, "#!/bin/sh\necho '{}'\n")
    one = destination([name, "/dev/null", str(tmp_path / "shared"), "/nowhere/at/all", "-x"], [name, "/dev/null"])
    assert one.published(PLACE) == {}
    assert one.check() == []


@pytest.mark.parametrize("above", ["a", "a/b"])
def test_a_program_in_a_directory_where_others_could_exchange_it_is_never_run(tmp_path, above):
    (tmp_path / "a" / "b").mkdir(parents=True)
    name = program(tmp_path / "a" / "b", f"#!/bin/sh\ntouch {tmp_path}/run\n")
    (tmp_path / above).chmod(0o777)
    assert refused(destination(name, name), f"the directory {tmp_path / above} has mode 0777", tmp_path)
    (tmp_path / above).chmod(0o1777)
    destination(name, name).publish(PLACE, VALUES, "v1", 1)
    assert (tmp_path / "run").exists(), "in a sticky directory nobody else can exchange it"


def test_a_link_is_looked_at_where_it_stands_and_where_it_leads(tmp_path):
    (tmp_path / "open").mkdir()
    program(tmp_path, f"#!/bin/sh\ntouch {tmp_path}/run\n")
    link, way = tmp_path / "open" / "link", tmp_path / "way"
    link.symlink_to("../program")
    way.symlink_to(tmp_path / "open")
    for name in (str(link), f"{way}//./link", f"{way}/../way/link"):
        (tmp_path / "open").chmod(0o777)
        assert refused(destination(name, name), f"the directory {tmp_path}/open has mode 0777", tmp_path)
        (tmp_path / "open").chmod(0o755)
        destination(name, name).publish(PLACE, VALUES, "v1", 1)
        (tmp_path / "run").unlink()


def test_a_link_that_leads_to_itself_is_denied(tmp_path):
    (tmp_path / "link").symlink_to("link")
    name = str(tmp_path / "link")
    assert refused(destination(name, name), "Too many levels of symbolic links", tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")
def test_a_link_or_a_sticky_directory_of_another_user_is_not_passed(tmp_path):
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    link = tmp_path / "sticky" / "link"
    link.symlink_to(program(tmp_path, f"#!/bin/sh\ntouch {tmp_path}/run\n"))
    for each in (link, link.parent):
        os.chown(each, 1234, 1234, follow_symlinks=False)
        assert refused(destination(str(link), str(link)), f"{each} belongs to user 1234", tmp_path)
        os.chown(each, 0, 0, follow_symlinks=False)


def test_check_finds_what_is_missing_and_runs_nothing(tmp_path):
    good = program(tmp_path, f"#!/bin/sh\ntouch {tmp_path}/run\n")
    assert destination(good, good).check() == []
    found = destination(good, str(tmp_path / "nowhere")).check()
    assert [(each.level, each.code) for each in found] == [(Level.FAIL, "place.missing")]
    (tmp_path / "program").chmod(0o644)
    assert [(each.level, each.code) for each in destination(good, good).check()] == [(Level.FAIL, "privilege.missing")]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "wrong", [{"write": ["/a"]}, {"write": [], "read": ["/a"]}, {"write": ["a"], "read": ["/a"]}, {"write": ["/a"], "read": ["/a", "b\0"]}]
)
def test_both_programs_are_named_by_their_whole_path(wrong):
    with pytest.raises(ValueError):
        ExecSettings.model_validate(wrong)
