import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for env_world.py: tests are imported by path, not as a package


@pytest.fixture
def env(tmp_path):
    path = tmp_path / "env"
    path.write_text("A=1\nAPI_TOKEN=old\nB=2\n")
    path.chmod(0o640)
    return path
