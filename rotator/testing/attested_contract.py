"""The laws of a place that nobody can read back as tests. Derive, and give the fixtures `destination`, `place`, `misplaced` and `held`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from rotator.destination import Attested, Denied, Place, PortError, Refused, Secret
from rotator.model import Level, Proof
from rotator.testing.destination_contract import CANARY, UNFIT, told_by

Make = Callable[[], Attested[Any]]
Held = Callable[[Place], Any]


class AttestedContract:
    """What every attested destination keeps."""

    checks: ClassVar[bool] = True
    """Its `check` finds what is missing by configuration. False for a twin that has none."""

    @pytest.fixture
    def destination(self) -> Make:
        """Makes instances; all of them see one world."""
        raise NotImplementedError

    @pytest.fixture
    def place(self) -> Place:
        """Where the tests publish; its keys map to `username` and `password`, or to `password` alone."""
        return Place("store", "team/app", {"user": "username", "password": "password"})

    @pytest.fixture
    def misplaced(self) -> Attested[Any]:
        """An instance whose project, region or mount is not there."""
        raise NotImplementedError

    @pytest.fixture
    def held(self) -> Held:
        """What consumers get at a place, by a way that only the test has; None where nothing is there."""
        raise NotImplementedError

    def add_sibling(self, place: Place) -> Callable[[], bool]:
        """Put something of another's beside ours; returns how to see that it is still as it was. As it stands: nothing is beside ours."""
        return lambda: True

    def values(self, place: Place, n: int, password: str = "") -> Mapping[str, Secret]:
        """The n-th credential as that place shows it."""
        return place.values({"username": Secret(f"app_{n}"), "password": Secret(password or f"{CANARY}-{n:024d}")})

    def test_it_says_that_it_is_attested_and_may_be_made_before_anything_answers(self, destination: Make, misplaced: Attested[Any]) -> None:
        for each in (destination(), misplaced):
            assert each.proof is Proof.ATTESTED
            each.close()

    def test_nobody_can_read_it_back(self, destination: Make, place: Place) -> None:
        for _ in range(2):
            with pytest.raises(Refused):
                destination().published(place)
            destination().publish(place, self.values(place, 1), "v1", 1)

    def test_a_place_where_nothing_was_published_has_no_mark(self, destination: Make, place: Place, held: Held) -> None:
        untouched = self.add_sibling(place)
        assert destination().mark(place) is None
        assert destination().mark(place) is None
        assert held(place) is None
        assert untouched()

    def test_a_mark_stays_while_nobody_writes_and_changes_with_each_write(self, destination: Make, place: Place) -> None:
        marks = []
        for n in (1, 2, 2, 1):
            destination().publish(place, self.values(place, n), f"v{n}", n)
            marks.append(destination().mark(place))
            assert destination().mark(place) == marks[-1]
        assert None not in marks
        assert len(set(marks)) == len(marks)

    def test_a_mark_tells_nothing_of_what_is_held(self, destination: Make, place: Place) -> None:
        destination().publish(place, self.values(place, 1), "v1", 1)
        assert CANARY not in str(destination().mark(place))

    def test_publishing_twice_equals_once_in_what_is_held(self, destination: Make, place: Place, held: Held) -> None:
        untouched, one = self.add_sibling(place), destination()
        one.publish(place, self.values(place, 1), "v1", 1)
        once = held(place)
        assert CANARY in str(once)
        for each in (one, destination()):
            each.publish(place, self.values(place, 1), "v1", 1)
        assert held(place) == once
        assert untouched()

    def test_a_later_version_and_an_undo_take_the_place_of_what_was_there(self, destination: Make, place: Place, held: Held) -> None:
        seen = []
        for n, generation in ((1, 1), (2, 2), (1, 3)):
            destination().publish(place, self.values(place, n), f"v{n}", generation)
            seen.append(held(place))
        for n, shown in zip((1, 2, 1), seen, strict=True):
            assert [f"{CANARY}-{each:024d}" in str(shown) for each in (1, 2)] == [n == 1, n == 2]

    @pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
    def test_a_value_that_no_consumer_can_use_is_refused_and_nothing_is_written(
        self, destination: Make, place: Place, held: Held, unfit: str
    ) -> None:
        destination().publish(place, self.values(place, 1), "v1", 1)
        before = held(place), destination().mark(place)
        with pytest.raises(Refused):
            destination().publish(place, {**self.values(place, 2), list(place.keys)[-1]: Secret(unfit)}, "v2", 2)
        assert (held(place), destination().mark(place)) == before

    def test_no_error_carries_a_value(self, destination: Make, place: Place, misplaced: Attested[Any]) -> None:
        for each, password in ((destination(), f"{CANARY}\0"), (misplaced, "")):
            with pytest.raises(PortError) as error:
                each.publish(place, self.values(place, 1, password), "v1", 1)
            assert CANARY not in told_by(error.value)

    def test_a_place_that_is_missing_by_configuration_is_denied_and_never_empty(self, place: Place, misplaced: Attested[Any]) -> None:
        with pytest.raises(Denied) as no:
            misplaced.mark(place)
        assert no.value.fix
        with pytest.raises(Denied):
            misplaced.publish(place, self.values(place, 1), "v1", 1)
        assert any(each.level is Level.FAIL and each.fix for each in misplaced.check()) is self.checks

    def test_check_and_close_may_be_called_twice_and_change_nothing(self, destination: Make, place: Place, held: Held) -> None:
        one = destination()
        one.publish(place, self.values(place, 1), "v1", 1)
        before = one.mark(place), held(place)
        for _ in range(2):
            assert not [each for each in one.check() if each.level is Level.FAIL]
            one.close()
        assert (one.mark(place), held(place)) == before
