"""The two servers that a test of the plugin may run at."""

import pytest

DEBIANS = pytest.param("debian", marks=pytest.mark.proof)
"""Older, and only where it is installed: what the newest has passed is told there by `make proofs`."""
SERVERS = pytest.mark.parametrize("server", [DEBIANS, "newest"])
