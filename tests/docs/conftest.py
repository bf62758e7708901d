"""Helpers of these tests are imported by path, as everywhere in our tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("rotator.testing")
