"""One field for all tests of this folder, and what ran on it."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from field import Field
from watch import Watch

from rotator.testing.canary import Canary


@pytest.fixture(scope="module")
def canary():
    """Of these stories alone."""
    return Canary()


@pytest.fixture(scope="module")
def drop_in(tmp_path_factory):
    """The plugins of `drop_in/`, where nobody else may write."""
    folder = tmp_path_factory.mktemp("plugins")
    folder.chmod(0o700)
    for each in Path(__file__).with_name("drop_in").glob("*.*"):
        shutil.copyfile(each, folder / each.name)
        (folder / each.name).chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def field(servers, canary, drop_in, tmp_path_factory):
    made = Field(tmp_path_factory.mktemp("field"), servers, canary)
    made.environment["ROTATOR_PLUGIN_DIR"] = str(drop_in)
    return made


@pytest.fixture(scope="module")
def watch():
    with Watch() as made:
        yield made
