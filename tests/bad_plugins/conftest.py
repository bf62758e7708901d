"""The drop-in directory of the bad plugins."""

import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENTRY_POINTS = """
[rotator.connections]
bad = bad:BadConnection
[rotator.targets]
bad_user = bad:BadUser
bad_key = bad:BadKey
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """One for all tests: two of them would both offer the types."""
    folder = tmp_path_factory.mktemp("plugins")
    folder.chmod(0o700)
    shutil.copyfile(HERE / "bad.py", folder / "bad.py")
    (folder / "entry_points.txt").write_text(ENTRY_POINTS)
    for each in folder.iterdir():
        each.chmod(0o600)
    return folder
