"""The laws of a store as tests. Derive, and give the fixtures `store` and `misplaced`; a store is a destination too."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rotator.destination import Place
from rotator.errors import Conflict, Denied, Refused
from rotator.record import Record
from rotator.store import Store
from rotator.testing.destination_contract import DestinationContract
from rotator.testing.records import ODD, a_record, same

Make = Callable[[], Store[Any]]
PATH = "team/app"


class StoreContract(DestinationContract):
    """What every store keeps."""

    writes_each = 10
    """Successful writes of each of the eight writers in the race."""

    @pytest.fixture
    def store(self) -> Make:
        """Makes instances; all of them see one world."""
        raise NotImplementedError

    @pytest.fixture
    def destination(self, store: Make) -> Make:
        """The store as the place that consumers see."""
        return store

    def race(self, writers: list[Callable[[], Any]]) -> list[Any]:
        """Run all at once, and return what each returned. Threads; a store that means processes says so here."""
        with ThreadPoolExecutor(len(writers)) as pool:
            return [each.result() for each in [pool.submit(one) for one in writers]]

    def test_an_absent_record_is_empty_and_reading_makes_none(self, store: Make) -> None:
        for _ in range(2):
            found = store().read(PATH)
            assert found.revision is None
            assert same(found, Record())
        assert store().paths() == []

    def test_a_record_reads_back_exactly_from_another_instance(self, store: Make) -> None:
        written = store().write(PATH, a_record(secret=ODD))
        found = store().read(PATH)
        assert same(found, a_record(secret=ODD))
        assert found.revision == written.revision is not None

    def test_a_chain_of_writes_needs_no_read(self, store: Make) -> None:
        one, record = store(), Record()
        for n in range(1, 21):
            record = one.write(PATH, a_record(n, before=record))
        assert same(store().read(PATH), record)

    def test_a_stale_revision_is_a_conflict_and_changes_nothing(self, store: Make) -> None:
        first = store().write(PATH, a_record(1))
        second = store().write(PATH, a_record(2, before=first))
        with pytest.raises(Conflict):
            store().write(PATH, a_record(3, before=first))
        assert same(store().read(PATH), second)

    def test_a_second_create_is_a_conflict(self, store: Make) -> None:
        store().write(PATH, a_record(1))
        with pytest.raises(Conflict):
            store().write(PATH, a_record(2))
        assert same(store().read(PATH), a_record(1))

    def test_a_revision_of_a_record_that_is_not_there_is_a_conflict(self, store: Make) -> None:
        elsewhere = store().write("team/other", a_record(1))
        with pytest.raises(Conflict):
            store().write(PATH, a_record(2, before=elsewhere))
        assert store().paths() == ["team/other"]

    def test_a_write_whose_reply_was_lost_may_be_sent_again(self, store: Make) -> None:
        first = store().write(PATH, a_record(1))
        store().write(PATH, a_record(2, before=first))
        again = store().write(PATH, a_record(2, before=first))
        assert store().read(PATH).revision == again.revision
        assert same(store().write(PATH, a_record(3, before=again)), store().read(PATH))

    def test_a_landed_write_that_another_followed_is_a_success_that_cannot_overwrite(self, store: Make) -> None:
        first = store().write(PATH, a_record(1))
        ours = a_record(2, before=first)
        theirs = store().write(PATH, a_record(3, before=store().write(PATH, ours)))
        again = store().write(PATH, ours)
        with pytest.raises(Conflict):
            store().write(PATH, a_record(4, before=again))
        assert same(store().read(PATH), theirs)

    def test_eight_writers_lose_no_update(self, store: Make) -> None:
        def writer(name: int) -> int:
            one, done, conflicts = store(), 0, 0
            while done < self.writes_each:
                try:
                    one.write(PATH, a_record(1000 * name + done, before=one.read(PATH)))
                    done += 1
                except Conflict:
                    conflicts += 1
            return conflicts

        self.race([lambda name=name: writer(name) for name in range(1, 9)])  # type: ignore[misc]  # the default binds the loop variable
        assert store().read(PATH).seq == 8 * self.writes_each

    def test_of_eight_creators_one_wins(self, store: Make) -> None:
        def creator(n: int) -> int:
            try:
                store().write(PATH, a_record(n))
            except Conflict:
                return 0
            return n

        winners = [each for each in self.race([lambda n=n: creator(n) for n in range(1, 9)]) if each]  # type: ignore[misc]  # the default binds the loop variable
        assert len(winners) == 1
        assert same(store().read(PATH), a_record(winners[0]))

    def test_of_a_newer_format_only_the_format_is_read(self, store: Make) -> None:
        store().write(PATH, a_record(1).but(format=99, name="app"))
        found = store().read(PATH)
        assert (found.format, found.name, found.current) == (99, "app", None)

    def test_an_oversized_record_is_refused_and_changes_nothing(self, store: Make) -> None:
        first = store().write(PATH, a_record(1))
        with pytest.raises(Refused):
            store().write(PATH, a_record(2, secret="x" * store().limits.max_bytes, before=first))
        assert same(store().read(PATH), first)

    def test_consumers_see_nothing_of_a_record_and_paths_lists_no_values(self, store: Make) -> None:
        store().write(PATH, a_record(1))
        place = Place("store", "team/shown")
        store().publish(place, self.values(place, 1), "v1", 1)
        assert store().published(Place("store", PATH)) == {}
        assert store().paths() == [PATH]

    def test_a_store_that_is_missing_by_configuration_is_denied_and_never_empty(self, misplaced: Store[Any]) -> None:
        for call in (lambda: misplaced.read(PATH), lambda: misplaced.write(PATH, a_record(1)), misplaced.paths):
            with pytest.raises(Denied):
                call()
