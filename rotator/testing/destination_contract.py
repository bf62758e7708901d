"""The laws of a destination as tests. Derive, and give the fixtures `destination`, `place` and `misplaced`.

class TestEnvFile(DestinationContract):
    holds_generation = False

    @pytest.fixture
    def destination(self, tmp_path): return lambda: EnvFile(EnvFileSettings(path=...), runtime())
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from rotator.destination import Denied, Destination, Place, PortError, Refused, Runtime, Secret
from rotator.model import Level, same_values

Make = Callable[[], Destination[Any]]
UNFIT = {
    "empty": "",
    "a mask": "***",
    "two lines": "one\ntwo",
    "a NUL": "one\0two",
    "half a character": "one\ud800two",
    "long": "x" * 65537,
}
CANARY = "canary-Zq7"


def runtime(**secrets: str) -> Runtime:
    """A runtime whose references are looked up among `secrets` by their environment name."""
    return Runtime(reveal=lambda ref: Secret(secrets[getattr(ref, "env", "")]), now=lambda: datetime.now(UTC), timeout=10)


class DestinationContract:
    """What every destination keeps, and a store's own place too."""

    holds_generation: ClassVar[bool] = True
    """It refuses a writer that comes late."""

    @pytest.fixture
    def destination(self) -> Make:
        """Makes instances; all of them see one world."""
        raise NotImplementedError

    @pytest.fixture
    def place(self) -> Place:
        """Where the tests publish; its keys map to `username` and `password`."""
        return Place("store", "team/app")

    @pytest.fixture
    def misplaced(self) -> Destination[Any]:
        """An instance whose mount, region or directory is not there."""
        raise NotImplementedError

    def add_sibling(self, place: Place) -> Callable[[], bool]:
        """Put something of another's beside ours; returns how to see that it is still as it was. As it stands: nothing is beside ours."""
        return lambda: True

    def values(self, place: Place, n: int, password: str = "") -> Mapping[str, Secret]:
        """The n-th credential as that place shows it."""
        return place.values({"username": Secret(f"app_{n}"), "password": Secret(password or f"{CANARY}-{n:024d}")})

    def test_a_place_where_nothing_was_published_is_empty(self, destination: Make, place: Place) -> None:
        assert destination().published(place) == {}
        assert destination().published(place) == {}

    def test_what_was_published_reads_back(self, destination: Make, place: Place) -> None:
        destination().publish(place, self.values(place, 1), "v1", 1)
        assert same_values(destination().published(place), self.values(place, 1))

    def test_publishing_twice_equals_once(self, destination: Make, place: Place) -> None:
        one = destination()
        for each in (one, one, destination()):
            each.publish(place, self.values(place, 1), "v1", 1)
        assert same_values(one.published(place), self.values(place, 1))

    def test_a_later_version_takes_the_place_of_the_earlier(self, destination: Make, place: Place) -> None:
        one = destination()
        one.publish(place, self.values(place, 1), "v1", 1)
        destination().publish(place, self.values(place, 2), "v2", 2)
        assert same_values(one.published(place), self.values(place, 2))

    def test_an_undo_shows_the_earlier_version_again(self, destination: Make, place: Place) -> None:
        for n, generation in ((1, 1), (2, 2), (1, 3)):
            destination().publish(place, self.values(place, n), f"v{n}", generation)
        assert same_values(destination().published(place), self.values(place, 1))

    def test_a_late_writer_is_refused_where_the_generation_is_held(self, destination: Make, place: Place) -> None:
        destination().publish(place, self.values(place, 2), "v2", 2)
        if not self.holds_generation:
            return destination().publish(place, self.values(place, 1), "v1", 1)
        with pytest.raises(Refused):
            destination().publish(place, self.values(place, 1), "v1", 1)
        assert same_values(destination().published(place), self.values(place, 2))
        return None

    def test_siblings_are_kept_and_alone_they_are_nothing(self, destination: Make, place: Place) -> None:
        untouched = self.add_sibling(place)
        assert destination().published(place) == {}
        for n in (1, 2):
            destination().publish(place, self.values(place, n), f"v{n}", n)
        assert untouched()
        assert same_values(destination().published(place), self.values(place, 2))

    @pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
    def test_a_value_that_no_consumer_can_use_is_refused_and_nothing_is_written(self, destination: Make, place: Place, unfit: str) -> None:
        destination().publish(place, self.values(place, 1), "v1", 1)
        half_good = {**self.values(place, 2), list(self.values(place, 2))[-1]: Secret(unfit)}
        with pytest.raises(Refused):
            destination().publish(place, half_good, "v2", 2)
        assert same_values(destination().published(place), self.values(place, 1))

    def test_no_error_carries_a_value(self, destination: Make, place: Place, misplaced: Destination[Any]) -> None:
        spoilt = self.values(place, 1, f"{CANARY}\0")
        for each in (destination(), misplaced):
            with pytest.raises(PortError) as error:
                each.publish(place, spoilt, "v1", 1)
            assert CANARY not in told_by(error.value)

    def test_a_place_that_is_missing_by_configuration_is_denied_and_never_empty(self, place: Place, misplaced: Destination[Any]) -> None:
        with pytest.raises(Denied) as no:
            misplaced.published(place)
        assert no.value.fix
        with pytest.raises(Denied):
            misplaced.publish(place, self.values(place, 1), "v1", 1)
        assert any(each.level is Level.FAIL and each.fix for each in misplaced.check())

    def test_check_and_close_may_be_called_twice_and_change_nothing(self, destination: Make, place: Place) -> None:
        one = destination()
        one.publish(place, self.values(place, 1), "v1", 1)
        for _ in range(2):
            assert not [each for each in one.check() if each.level is Level.FAIL]
            one.close()
        assert same_values(one.published(place), self.values(place, 1))


def told_by(error: BaseException | None) -> str:
    """All that an exception carries, and what it came from."""
    told = ""
    while error is not None:
        told += f"{error!r} {error} {vars(error)} {error.args}"
        error = error.__cause__ or error.__context__
    return told
