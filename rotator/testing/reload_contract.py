"""The laws of a reload as tests. Derive, and give the fixtures `reload`, `told`, `deaf` and `misplaced`.

class TestCommand(ReloadContract):
    @pytest.fixture
    def reload(self, script): return lambda: Command(CommandSettings(argv=(script,)), runtime())
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

from rotator.model import Level
from rotator.reload import Denied, PortError, Reached, Reload, Unreachable
from rotator.settings import Settings
from rotator.testing.destination_contract import runtime, told_by

Make = Callable[[], Reload[Any]]
NAME = "orders-db"
V1, V2 = "01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-000000000002"
CANARY = "canary-of-a-reload-Zq7"
"""A key that an instance is given must be, or hold, this text: no message may."""
SHORT = 1.0
"""Seconds that one call of the instance `deaf` may take."""

__all__ = ["CANARY", "NAME", "SHORT", "V1", "V2", "Make", "ReloadContract", "runtime", "told_by"]


class ReloadContract:
    """What every reload keeps."""

    answers: ClassVar[Reached] = Reached.accepted
    """The level that `reload` reaches when all is well."""

    @pytest.fixture
    def reload(self) -> Make:
        """Makes instances, for which all is well; all of them see one world."""
        raise NotImplementedError

    @pytest.fixture
    def told(self) -> Callable[[], Sequence[str]]:
        """What the other side was told so far: the versions, where it hears them; else one word for each time."""
        raise NotImplementedError

    @pytest.fixture
    def deaf(self) -> Reload[Any] | None:
        """An instance whose other side never answers, with `SHORT` seconds for a call. None: it has none that could be silent."""
        return None

    @pytest.fixture
    def misplaced(self) -> Reload[Any]:
        """An instance that lacks what its configuration names: a program, a file of certificates, a user."""
        raise NotImplementedError

    def test_it_says_what_it_reaches(self, reload: Make) -> None:
        one = reload()
        assert issubclass(type(one).settings, Settings)
        assert type(one).most(one.config) <= type(one).reaches
        assert 0 < one.timeout <= 60

    def test_making_one_touches_nothing(self, reload: Make, told: Callable[[], Sequence[str]]) -> None:
        for _ in range(2):
            reload().close()
        assert list(told()) == []

    def test_it_tells_and_says_how_far_it_got(self, reload: Make, told: Callable[[], Sequence[str]]) -> None:
        one = reload()
        level = one.tell(NAME, V1)
        assert level is self.answers
        assert level <= type(one).most(one.config)
        assert len(told()) == 1
        assert list(told())[-1] in (V1, "told")

    def test_telling_twice_equals_once(self, reload: Make, told: Callable[[], Sequence[str]]) -> None:
        one = reload()
        assert [one.tell(NAME, V1), one.tell(NAME, V1), reload().tell(NAME, V1)] == [self.answers] * 3
        assert len(set(told())) == 1

    def test_an_undo_is_told_too(self, reload: Make, told: Callable[[], Sequence[str]]) -> None:
        one = reload()
        assert [one.tell(NAME, each) for each in (V1, V2, V1)] == [self.answers] * 3
        assert list(told()) in ([V1, V2, V1], ["told"] * 3)

    def test_what_is_missing_by_configuration_is_denied_and_found_by_check(self, misplaced: Reload[Any]) -> None:
        with pytest.raises(Denied) as no:
            misplaced.tell(NAME, V1)
        assert no.value.fix
        assert any(each.level is Level.FAIL and each.fix for each in misplaced.check())

    def test_no_answer_is_unreachable_within_the_time_of_a_call(self, deaf: Reload[Any] | None) -> None:
        if deaf is None:
            pytest.skip("nobody is asked")
        assert deaf.timeout == SHORT
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            deaf.tell(NAME, V1)
        assert time.monotonic() - begun < SHORT + 1

    def test_no_error_carries_a_secret(self, misplaced: Reload[Any], deaf: Reload[Any] | None) -> None:
        for each in filter(None, (misplaced, deaf)):
            with pytest.raises(PortError) as error:
                each.tell(NAME, V1)
            assert CANARY not in told_by(error.value)

    def test_check_and_close_may_be_called_twice_and_tell_nobody(self, reload: Make, told: Callable[[], Sequence[str]]) -> None:
        one = reload()
        for _ in range(2):
            assert not [each for each in one.check() if each.level is Level.FAIL]
            one.close()
        assert list(told()) == []
        assert one.tell(NAME, V1) is self.answers
