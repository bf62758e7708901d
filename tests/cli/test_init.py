"""`rotator init`: a beginning that validates, and nothing that was there before is touched."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from typed import ROTATOR, run

from rotator.cli import main


def test_init_makes_a_configuration_that_validates(tmp_path):
    done = run("init", "--environment", "staging", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    checked = run("validate", "--strict", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("var", "var/store.key", "var/store", "rotator.yaml")}
    assert modes == {"var": 0o700, "var/store.key": 0o600, "var/store": 0o700, "rotator.yaml": 0o644}
    assert "environment: staging" in (tmp_path / "rotator.yaml").read_text()
    assert len((tmp_path / "var/store.key").read_text()) == 45


def test_init_makes_a_store_that_opens(tmp_path):
    from datetime import UTC, datetime

    from rotator.load import load
    from rotator.load.plugins import store_class
    from rotator.load.secrets import Revealer
    from rotator.target import Runtime

    run("init", cwd=tmp_path)
    config = load(tmp_path / "rotator.yaml").config
    entry = config.stores["local"]
    store = store_class(entry.type)(entry.settings, Runtime(reveal=Revealer(config).reveal, now=lambda: datetime.now(UTC)))
    assert store.read("orders/db").revision is None
    assert not [each for each in store.check() if each.level == "fail"]


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """The same command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        code = main([*args])
        told = capsys.readouterr()
        return subprocess.CompletedProcess([ROTATOR, *args], code, told.out, told.err)

    return call


@pytest.mark.parametrize("there", ["rotator.yaml", "schedules/example.yaml", "var/store.key", "var/store"])
def test_init_overwrites_nothing_and_then_writes_nothing(there, call, tmp_path):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")
    done = call("init")
    assert done.returncode == 2
    assert f"already there: {there}; nothing was written" in done.stderr
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [tmp_path / there]
    assert (tmp_path / there).read_text() == "mine"


def test_init_in_a_folder_in_use_says_to_take_another_and_never_to_move_what_is_there(call, tmp_path):
    assert call("init").returncode == 0
    told = call("init").stderr
    assert "var/store.key, var/store; nothing was written" in told
    assert "leave what is there, it may be in use; begin in another folder: --config FOLDER/rotator.yaml" in told
    assert "move" not in told
    (tmp_path / "other").mkdir()
    assert call("--config", "other/rotator.yaml", "init").returncode == 0


def test_init_follows_no_dangling_link(call, tmp_path):
    (tmp_path / "rotator.yaml").symlink_to(tmp_path / "elsewhere")
    assert call("init").returncode == 2
    assert not (tmp_path / "elsewhere").exists()


def test_init_goes_where_it_is_told(tmp_path):
    options = ["--config", tmp_path / "etc" / "r.yaml", "--schedules", tmp_path / "s", "--state", tmp_path / "state"]
    assert run(*options, "init", cwd="/").returncode == 0
    assert run(*options, "validate", "--strict", cwd="/").returncode == 0
    assert f"path: {tmp_path}/state/store" in (tmp_path / "etc" / "r.yaml").read_text()


@pytest.mark.parametrize(
    ("prepare", "args", "says"),
    [
        (lambda _: None, ["init", "--environment", "No Such"], "a name has"),
        (lambda _: None, ["--state", "va r", "init"], "unusual characters"),
        (lambda path: (path / "var").mkdir(mode=0o755), ["init"], "chmod 700 var"),
        (lambda path: (path / "schedules").write_text(""), ["init"], "cannot be written"),
    ],
)
def test_init_says_what_is_in_its_way(prepare, args, says, call, tmp_path):
    prepare(tmp_path)
    done = call(*args)
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "rotator.yaml").exists() or says == "cannot be written"


def test_init_never_says_to_close_a_directory_that_holds_what_is_not_ours(call, tmp_path):
    (tmp_path / "var/log").mkdir(parents=True)
    (tmp_path / "var").chmod(0o755)
    done = call("init")
    assert done.returncode == 2
    assert "the state directory var has mode 0755" in done.stderr
    assert "give another with --state" in done.stderr
    assert "chmod" not in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["var"]
