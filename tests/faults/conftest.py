"""Servers for all tests of this folder, and disks that can be full."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "leaks"))
from field import Field

from rotator.testing.canary import Canary

DROP_IN = Path(__file__).parent.parent / "leaks/drop_in"


@pytest.fixture(autouse=True)
def mended(servers):
    """Whatever a test did to the servers' lines ends with it."""
    yield
    for each in servers.relays:
        each.mend()


@pytest.fixture(scope="package")
def drop_in(tmp_path_factory):
    """The plugins of `DROP_IN`, where nobody else may write."""
    folder = tmp_path_factory.mktemp("plugins")
    folder.chmod(0o700)
    for each in DROP_IN.glob("*.*"):
        shutil.copyfile(each, folder / each.name)
        (folder / each.name).chmod(0o600)
    return folder


@pytest.fixture(scope="package")
def new_field(servers, tmp_path_factory):
    """Makes fields whose principals differ."""
    made = []

    def make():
        made.append(None)
        return Field(tmp_path_factory.mktemp("field"), servers, Canary(), f"_{len(made)}")

    return make


class Disk:
    """A small file system of its own at `path`, once it is mounted."""

    def __init__(self, path, size):
        self.path, self.size = path, size

    def mount(self):
        """Whether that could be done: as a rule only root may."""
        command = ["mount", "-t", "tmpfs", "-o", f"size={self.size},mode=700", "tmpfs", self.path]
        return bool(shutil.which("mount")) and subprocess.run(command, capture_output=True, check=False).returncode == 0

    def fill(self):
        """To the last byte."""
        with (self.path / "filler").open("wb", buffering=0) as filler:
            for size in (4096, 1):
                try:
                    while filler.write(b"x" * size):
                        pass
                except OSError:
                    continue

    def free(self):
        """Room again."""
        (self.path / "filler").unlink(missing_ok=True)

    def remount(self, how):
        """`ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], check=True)


@pytest.fixture(scope="package")
def need():
    """Leaves a test out that needs a small disk where none can be mounted."""

    def need(disk):
        if disk is None:
            pytest.skip("no file system can be mounted here: nothing can be filled up")
        return disk

    return need


@pytest.fixture(scope="package")
def new_disk():
    """Mounts file systems, or gives None where that cannot be done; they are gone at the end."""
    made = []

    def make(path, size="400k"):
        disk = Disk(path, size)
        if not disk.mount():
            return None
        made.append(disk)
        return disk

    yield make
    for each in reversed(made):
        subprocess.run(["umount", "--lazy", each.path], check=True)
