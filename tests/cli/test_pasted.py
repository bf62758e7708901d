"""Commands that messages give are pasted into a shell: they must do what they say where a path has a blank or worse."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from typed import run

from rotator.destination import Place
from rotator.destinations.env_file import EnvFile, EnvFileSettings
from rotator.errors import Denied, LedgerFailed
from rotator.ledgers.place import settle
from rotator.stores.file import FileStore, FileStoreSettings
from rotator.testing.destination_contract import runtime

KEY = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="


@pytest.fixture(params=["My Data", "a; touch PWNED", "it's $HOME"])
def folder(request, tmp_path):
    made = tmp_path / request.param
    made.mkdir()
    return made


def paste(command, folder):
    """In a shell, from the folder above: nothing may appear beside the one that is meant."""
    subprocess.run(["sh", "-c", command], cwd=folder.parent, check=True, timeout=10)
    assert list(folder.parent.iterdir()) == [folder]


def opened(folder):
    return FileStore(FileStoreSettings(path=str(folder / "store"), key={"env": "KEY"}), runtime(KEY=KEY))


def test_a_store_is_made_and_closed_to_others_by_the_commands_of_its_messages(folder):
    with pytest.raises(Denied) as caught:
        opened(folder).read("a/b")
    paste(caught.value.fix.partition("For a new store: ")[2], folder)
    assert opened(folder).read("a/b").revision is None
    (folder / "store").chmod(0o755)
    with pytest.raises(Denied) as caught:
        opened(folder).read("a/b")
    paste(caught.value.fix.partition("; ")[2], folder)
    assert opened(folder).read("a/b").revision is None


def test_a_ledger_is_closed_to_others_by_the_command_of_its_message(folder):
    (folder / "ledger.db").touch(0o600)
    (folder / "ledger.db").chmod(0o644)
    with pytest.raises(LedgerFailed) as caught:
        settle(folder / "ledger.db", create=False)
    paste(caught.value.fix.partition("; ")[2], folder)
    settle(folder / "ledger.db", create=False)


def test_an_env_file_is_closed_to_others_by_the_command_of_its_finding(folder):
    (folder / "env").touch(0o600)
    (folder / "env").chmod(0o604)
    place = EnvFile(EnvFileSettings(path=str(folder / "env")), runtime())
    (found,) = place.check()
    paste(found.fix, folder)
    assert place.check() == []
    assert place.published(Place("env", "", {"A": "password"})) == {}


def test_a_new_package_is_found_by_the_command_that_comes_next(folder):
    done = run("plugins", "new", "porter", "--family", "set", "--into", folder)
    assert done.returncode == 0, done.stderr
    paste(f"{done.stdout.partition('next:')[2].splitlines()[1].strip()} && test -f pyproject.toml", folder)
