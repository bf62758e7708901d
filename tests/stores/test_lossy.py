"""A file store and a twin that lose a quarter of requests and of answers: nothing is lost, no conflict, no success is false.

A record knows its last 16 writes: what more have overtaken between its sending and its repetition looks like one that never came.
"""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rotator.errors import Conflict, Unreachable
from rotator.stores.file import FileStore, FileStoreSettings, prepare
from rotator.testing.destination_contract import runtime
from rotator.testing.memory import MemorySettings, MemoryStore, Shelf
from rotator.testing.records import a_record
from rotator.testing.store_contract import PATH

KEY = "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U="
WRITERS, WRITES, RATE = 8, 640, 0.25
WAY = 0.002
"""Seconds of each way there, as over a network: so long that no writer is overtaken by sixteen."""


@pytest.fixture(params=["file", "twin"])
def new_store(request, tmp_path):
    """Makes one more instance over the same truth."""
    shelf = Shelf()
    if request.param == "twin":
        return lambda: MemoryStore(MemorySettings(), runtime(), shelf)
    prepare(str(tmp_path / "store"))
    return lambda: FileStore(FileStoreSettings(path=str(tmp_path / "store"), key={"env": "KEY"}), runtime(KEY=KEY))


class Lossy:
    """Loses requests, and replies."""

    def __init__(self, store, seed):
        self.store, self.rng, self.lost = store, random.Random(seed), 0

    def ask(self, call):
        """As the engine does: what had no answer is asked again, the very same."""
        for _ in range(4):
            time.sleep(WAY)
            before, after = self.rng.random() < RATE, self.rng.random() < RATE
            self.lost += before or after
            answer = None if before else call(self.store)
            if not before and not after:
                return answer
        raise Unreachable("no answer")


def write_all(store, name):
    """What one writer heard of its writes, and the ids that it saw in what it read."""
    lossy, said, seen = Lossy(store, name), {"written": set(), "conflict": set(), "undecided": set()}, set()
    for n in range(WRITES // WRITERS):
        kind = "undecided"
        try:
            before = lossy.ask(lambda each: each.read(PATH))
            seen |= set(before.writes)
            record = a_record(1000 * name + n, before=before)
            lossy.ask(lambda each, record=record: each.write(PATH, record))
            kind = "written"
        except Conflict:
            kind = "conflict"
            assert record.writes[-1] not in store.read(PATH).writes, "false conflict"
        except Unreachable:
            pass
        said[kind].add(f"write-{1000 * name + n}")
    return said, seen, lossy.lost


def test_640_writes_that_are_lost_or_unanswered_at_a_quarter_lose_nothing_and_hear_no_falsehood(new_store):
    new_store().write(PATH, a_record(1))
    with ThreadPoolExecutor(WRITERS) as pool:
        every = list(pool.map(lambda name: write_all(new_store(), name), range(1, WRITERS + 1)))
    said = {kind: set().union(*(each[kind] for each, _, _ in every)) for kind in ("written", "conflict", "undecided")}
    last = new_store().read(PATH)
    seen = set().union(set(last.writes), *(ids for _, ids, _ in every)) - {"write-1"}
    assert sum(map(len, said.values())) == WRITES
    overtaken = said["conflict"] & seen
    assert overtaken == set(), "false conflict"
    assert seen - said["written"] - said["undecided"] == overtaken, "landed unknown to its writer"
    assert len(said["written"]) <= last.seq - 1 - len(overtaken) <= len(said["written"] | said["undecided"]), "lost, or a false success"
    assert min(lost for _, _, lost in every) > WRITES / WRITERS / 5
    assert len(said["written"]) > WRITES / 20
