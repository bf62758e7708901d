from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from load_kit import write_plugins


@pytest.fixture(scope="session")
def plugin_dir(tmp_path_factory):
    """One drop-in directory for all tests: a second one with the same types would be a clash."""
    folder = write_plugins(tmp_path_factory.mktemp("toys"))
    yield folder
    sys.path[:] = [each for each in sys.path if each != str(folder)]
