"""All that a store holds is sealed with another key: by every crash on the way, beside a run, and past what does not open."""

import errno
import json
import threading

import pytest

from rotator.destination import Place, Secret
from rotator.errors import Conflict, Corrupt, Unreachable
from rotator.record import Lease
from rotator.stores.file import RECORDS, VALUES, FileStore, FileStoreSettings, prepare
from rotator.testing.broken_disk import each_fault
from rotator.testing.destination_contract import CANARY, runtime
from rotator.testing.records import a_record, same
from rotator.testing.store_contract import PATH

K1, K2 = "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U=", "MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjI="
OLD, NEW = {"id": "k1", "env": "KEY"}, {"id": "k2", "env": "NEW"}
PLACE = Place("store", PATH)
VALUE = {"password": Secret(CANARY)}
NOW = 5_000.0


def with_keys(home, *keys, disk=None):
    prepare(str(home))
    return FileStore(FileStoreSettings(path=str(home), keys=keys), runtime(KEY=K1, NEW=K2), disk=disk)


@pytest.fixture
def home(tmp_path):
    store = with_keys(tmp_path / "store", OLD)
    store.write(PATH, a_record(1))
    store.publish(PLACE, VALUE, "v1", 1)
    return tmp_path / "store"


def sealed_with(home, kind, path=PATH):
    return json.loads((home / kind / f"{path}.rec").read_text())["kid"]


def rekey_all(store):
    return {document: store.rekey(*document, NOW) for document in store.documents()}


def test_records_and_values_open_with_the_new_key_alone_afterwards(home):
    assert with_keys(home, NEW, OLD).key_id == "k2"
    assert rekey_all(with_keys(home, NEW, OLD)) == {(RECORDS, PATH): True, (VALUES, PATH): True}
    after = with_keys(home, NEW)
    assert same(after.read(PATH), a_record(1))
    assert after.published(PLACE)["password"].reveal() == CANARY
    with pytest.raises(Corrupt, match="not among the store's keys"):
        with_keys(home, OLD).read(PATH)


def test_what_is_sealed_with_the_first_key_already_is_not_written_again(home):
    rekey_all(with_keys(home, NEW, OLD))
    before = (home / RECORDS / f"{PATH}.rec").read_bytes()
    assert set(rekey_all(with_keys(home, NEW, OLD)).values()) == {False}
    assert (home / RECORDS / f"{PATH}.rec").read_bytes() == before


def test_a_record_whose_lease_runs_is_left_as_it_is_and_one_whose_lease_has_lapsed_is_not(home):
    store = with_keys(home, OLD)
    leased = store.write(PATH, store.read(PATH).but(lease=Lease("run", NOW + 1, "home"), writes=("write-1", "write-2")))
    both = with_keys(home, NEW, OLD)
    assert both.rekey(RECORDS, PATH, NOW) is None
    assert sealed_with(home, RECORDS) == "k1"
    assert store.read(PATH).revision == leased.revision
    assert both.rekey(RECORDS, PATH, NOW + 1) is True


def test_a_run_that_read_the_record_before_and_claims_after_is_a_conflict_and_loses_nothing(home):
    store = with_keys(home, NEW, OLD)
    seen = store.read(PATH)
    store.rekey(RECORDS, PATH, NOW)
    with pytest.raises(Conflict):
        store.write(PATH, a_record(2, before=seen).but(revision=seen.revision, writes=("other",)))
    assert same(store.read(PATH), a_record(1))


def test_a_record_that_does_not_open_is_said_to_be_corrupt_and_stays(home):
    bad = home / RECORDS / f"{PATH}.rec"
    bad.write_text(bad.read_text().replace('"rev":1', '"rev":2'))
    before = bad.read_bytes()
    with pytest.raises(Corrupt):
        with_keys(home, NEW, OLD).rekey(RECORDS, PATH, NOW)
    assert bad.read_bytes() == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_fault_at_any_call_of_the_disk_leaves_a_record_that_opens_and_the_next_try_ends_it(tmp_path, code):
    failed = 0
    for n, disk in each_fault(code):
        home = tmp_path / str(n)
        with_keys(home, OLD).write(PATH, a_record(1))
        store = with_keys(home, NEW, OLD, disk=disk)
        try:
            store.rekey(RECORDS, PATH, NOW)
        except Unreachable:
            failed += 1
        assert same(with_keys(home, NEW, OLD).read(PATH), a_record(1))
        disk.at = 0
        store.rekey(RECORDS, PATH, NOW)
        assert same(with_keys(home, NEW).read(PATH), a_record(1))
    assert failed >= 4


def test_writers_beside_it_lose_no_write(home):
    store, mine = with_keys(home, OLD), with_keys(home, NEW, OLD)
    written = []

    def write():
        for n in range(2, 60):
            while True:
                try:  # who knows the old key alone may find the new one between any two calls
                    head = (store if sealed_with(home, RECORDS) == "k1" else mine).read(PATH)
                    (store if n % 2 else mine).write(PATH, a_record(n, before=head).but(revision=head.revision))
                except (Conflict, Corrupt):
                    continue
                written.append(n)
                break

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        mine.rekey(RECORDS, PATH, NOW)
    writer.join()
    assert mine.read(PATH).current.id == f"v{written[-1]}"
    assert written == list(range(2, 60))
