from __future__ import annotations

import os
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from load_kit import write_plugins

from rotator.errors import BadInput
from rotator.load import plugins


@pytest.fixture
def drop_in(tmp_path, monkeypatch):
    """A drop-in directory, and the module path as it was before."""
    monkeypatch.setattr(sys, "path", [each for each in sys.path if "toys" not in each])
    return write_plugins(tmp_path / "drop-in")


def installed(folder, name, entry_points, version="1.0"):
    """A distribution as `pip install --target` leaves it."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True, mode=0o755)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)
    for each in (info, *info.iterdir()):
        each.chmod(0o755 if each.is_dir() else 0o644)


def test_our_own_plugins_are_found_by_entry_point():
    names = {each.name for each in plugins.found(plugins.TARGETS) if each.origin == "rotator"}
    assert names == {"postgres", "aws_iam_key", "http_token", "mysql", "redis"}
    assert plugins.plugin_version("postgres") == "0.1.0"
    assert plugins.store_class("file").__name__ == "FileStore"
    assert plugins.destination_class("env_file").__name__ == "EnvFile"
    places = {each.name for each in plugins.found(plugins.DESTINATIONS) if each.origin == "rotator"}
    assert places == {
        "env_file", "file", "vault", "aws_secrets_manager", "kubernetes_secret", "gitlab_variable", "github_actions", "aws_ssm", "exec",
    }  # fmt: skip


def test_a_distribution_in_a_drop_in_directory_is_found(drop_in):
    installed(drop_in, "rotator-toy", "[rotator.targets]\ntoy_installed = toy_plugins:One\n", "2.5")
    plugins.use([drop_in])
    plugins.use([drop_in])
    assert sys.path.count(str(drop_in)) == 1
    assert sys.path[-1] == str(drop_in), "it shadows nothing"
    assert plugins.target_class("toy_installed").__name__ == "One"
    assert plugins.plugin_version("toy_installed") == "2.5"
    assert plugins.plugin_version("toy_one") is None
    assert plugins.plugin_version("nothing") is None


def test_what_is_installed_while_a_daemon_runs_is_found_once_it_looks_anew(drop_in):
    plugins.use([drop_in])
    assert plugins.plugin_version("toy_late") is None
    info = "rotator-late-2.5.dist-info"
    installed(drop_in, "rotator-late", "[rotator.targets]\ntoy_late = toy_late:One\n", "2.5")
    (drop_in / "toy_late.py").write_text("from toy_plugins import One\n")
    with pytest.raises(BadInput, match="no plugin for this target type is installed"):
        plugins.target_class("toy_late")
    plugins.forget()
    assert plugins.target_class("toy_late").__name__ == "One"
    assert plugins.plugin_version("toy_late") == "2.5"
    (drop_in / info).rename(drop_in / info.replace("2.5", "2.6"))
    (drop_in / info.replace("2.5", "2.6") / "METADATA").write_text("Metadata-Version: 2.1\nName: rotator-late\nVersion: 2.6\n")
    plugins.forget()
    assert plugins.plugin_version("toy_late") == "2.6", "what runs import is what the audit names"


def test_a_distribution_is_described_once_however_many_types_it_brings(drop_in, monkeypatch):
    """Its METADATA holds its whole README: to parse that for each entry point made a fifth of every command's start."""
    read, original = [], PathDistribution.read_text
    monkeypatch.setattr(PathDistribution, "read_text", lambda self, name: read.append(name) or original(self, name))
    installed(drop_in, "rotator-toys", "[rotator.targets]\n" + "".join(f"toy_{n} = toy_plugins:One\n" for n in range(9)))
    plugins.use([drop_in])
    read.clear()
    assert len([each for each in plugins.found(plugins.TARGETS) if each.origin == "rotator-toys"]) == 9
    assert read.count("METADATA") == 1


def test_two_distributions_of_one_type_are_both_named(drop_in):
    for name in ("rotator-a", "rotator-b"):
        installed(drop_in, name, "[rotator.targets]\nclash = toy_plugins:One\n")
    plugins.use([drop_in])
    with pytest.raises(BadInput, match="`rotator-a` and `rotator-b` each offer target type `clash`: leave one"):
        plugins.target_class("clash")


def test_a_distribution_that_stands_in_two_directories_counts_once(drop_in, tmp_path):
    for folder in (drop_in, tmp_path / "other"):
        installed(folder, "rotator-a", "[rotator.targets]\ntwice = toy_plugins:One\n")
    (tmp_path / "other").chmod(0o755)
    plugins.use([drop_in, tmp_path / "other"])
    assert len([each for each in plugins.found(plugins.TARGETS) if each.name == "twice"]) == 1


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.parametrize("which", ["toy_plugins.py", "entry_points.txt", "deep/module.py"])
def test_a_file_that_others_may_write_is_refused(mode, which, drop_in):
    (drop_in / "deep").mkdir(mode=0o755)
    (drop_in / which).touch()
    (drop_in / which).chmod(0o640)
    plugins.use([drop_in])
    (drop_in / which).chmod(mode)
    if mode == 0o620:
        os.chown(drop_in / which, -1, 12345)
    with pytest.raises(BadInput, match=f"{which} has mode {mode:04o}"):
        plugins.use([drop_in])


def test_a_directory_that_others_may_write_is_refused(drop_in):
    drop_in.chmod(0o777)
    with pytest.raises(BadInput, match="has mode 0777"):
        plugins.use([drop_in])
    drop_in.chmod(0o755)
    (drop_in / "deep").mkdir()
    (drop_in / "deep").chmod(0o777)
    with pytest.raises(BadInput, match="deep has mode 0777"):
        plugins.use([drop_in])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(drop_in):
    os.chown(drop_in / "toy_plugins.py", 12345, 12345)
    with pytest.raises(BadInput, match="belongs to user 12345"):
        plugins.use([drop_in])


def test_a_link_in_the_directory_is_refused(drop_in, tmp_path):
    (tmp_path / "elsewhere.py").touch()
    (drop_in / "linked.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(BadInput, match="symbolic link"):
        plugins.use([drop_in])


def test_a_drop_in_list_that_cannot_be_read_is_refused(drop_in):
    (drop_in / "entry_points.txt").write_text("toy = x:Y\n")
    with pytest.raises(BadInput, match=r"entry_points.txt cannot be read \(MissingSectionHeaderError\)"):
        plugins.use([drop_in])


@pytest.mark.parametrize(
    ("attribute", "says"),
    [
        ("fields = ('a', 'a')", "not two different names"),
        ("fields = 7", "not two different names"),
        ("fields = ('a', 7)", "not two different names"),
        ("settings = dict", "no subclass of rotator.settings.Settings"),
    ],
)
def test_a_target_that_declares_nonsense_is_refused(attribute, says, drop_in):
    name = f"odd_{abs(hash(attribute))}"
    (drop_in / f"{name}.py").write_text(f"from toy_plugins import One\n\n\nclass Odd(One):\n    {attribute}\n")
    (drop_in / "entry_points.txt").write_text(f"[rotator.targets]\nodd = {name}:Odd\n[rotator.stores]\nodd = {name}:Odd\n")
    plugins.use([drop_in])
    with pytest.raises(BadInput, match=says):
        plugins.target_class("odd")
    with pytest.raises(BadInput, match="no subclass of Store"):
        plugins.store_class("odd")


def test_a_target_without_its_fields_is_refused(drop_in):
    text = (
        "from rotator.target import Settings, SetTarget\n\n\nclass Bare(SetTarget):\n    connection_type = 'x'\n    settings = Settings\n"
    )
    methods = "".join(f"    {name} = None\n" for name in ("can", "endpoint", "principals", "check", "verify", "revoke", "apply"))
    (drop_in / "bare_target.py").write_text(text + methods)
    (drop_in / "entry_points.txt").write_text("[rotator.targets]\nbare = bare_target:Bare\n")
    plugins.use([drop_in])
    with pytest.raises(BadInput, match="it lacks `fields`"):
        plugins.target_class("bare")
