import multiprocessing
import os

import pytest

from rotator.stores.file import FileStore, FileStoreSettings, prepare
from rotator.testing.destination_contract import runtime
from rotator.testing.store_contract import StoreContract

KEY = "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U="


def make(path, **extra):
    settings = FileStoreSettings(path=str(path), key={"env": "KEY"}, **extra)
    return FileStore(settings, runtime(KEY=KEY))


class TestFileStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        prepare(str(tmp_path / "store"))
        return lambda: make(tmp_path / "store")

    @pytest.fixture
    def misplaced(self, tmp_path):
        (tmp_path / "mountpoint").mkdir(mode=0o700)
        return make(tmp_path / "mountpoint")


class TestFileStoreAmongProcesses(StoreContract):
    """The races again, each writer in a process of its own."""

    @pytest.fixture
    def store(self, tmp_path):
        prepare(str(tmp_path / "store"))
        return lambda: make(tmp_path / "store")

    @pytest.fixture
    def misplaced(self, tmp_path):
        return make(tmp_path / "nowhere")

    def race(self, writers):
        context = multiprocessing.get_context("fork")
        answers = context.SimpleQueue()

        def child(writer):
            try:
                answers.put(writer())
            except BaseException as error:  # noqa: BLE001 - the parent fails on it
                answers.put(repr(error))
                os._exit(1)

        children = [context.Process(target=child, args=(each,)) for each in writers]
        try:
            for each in children:
                each.start()
            results = [answers.get() for _ in children]
        finally:
            for each in children:
                each.join(30)
                assert each.exitcode == 0
        return results
