"""Labs over memory and over the file store on a disk that needs no sync."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from rotator.rotate import door
from rotator.testing import memory_ledger
from rotator.testing.lab import SHAPES, as_objects, on_disk

sys.path.insert(0, str(Path(__file__).parent))  # for labs.py: tests are imported by path, not as a package


@pytest.fixture(params=sorted(SHAPES))
def shape(request):
    return request.param


@pytest.fixture
def fast_folder():
    """A folder on a file system in memory, where there is one: thousands of histories need no platter."""
    shm = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shm if shm.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["memory", "file"])
def new_storage(request, fast_folder):
    """Makes a storage of its own at each call."""
    made = []

    def make():
        made.append(None)
        return as_objects() if request.param == "memory" else on_disk(fast_folder / str(len(made)))

    return make


@pytest.fixture
def numbered(monkeypatch):
    """Events that are numbered, not digested."""
    link = memory_ledger.numbering()
    for module in (door, memory_ledger):
        monkeypatch.setattr(module, "link", link)
