"""The in-memory twin keeps the laws of the real ones."""

import pytest

from rotator.model import Reached
from rotator.testing.memory import MemorySettings
from rotator.testing.memory_reload import MemoryReload
from rotator.testing.reload_contract import ReloadContract, runtime


class TestTwin(ReloadContract):
    answers = Reached.adopted

    @pytest.fixture
    def reload(self):
        self.heard = []

        def make():
            one = MemoryReload(MemorySettings(), runtime())
            one.told = self.heard
            return one

        return make

    @pytest.fixture
    def told(self):
        return lambda: self.heard

    @pytest.fixture
    def misplaced(self):
        return MemoryReload(MemorySettings(mount="elsewhere"), runtime())
