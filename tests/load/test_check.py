"""What a settings model refuses is said in our words, with the count or the duration to write."""

from datetime import timedelta
from typing import Annotated

import pytest
from pydantic import Field

from rotator.load.check import validated
from rotator.load.problems import Notes
from rotator.load.shapes import Limits
from rotator.settings import Duration, Settings
from rotator_postgres.connection import PostgresUserSettings


class Pairs(Settings):
    several: Annotated[tuple[str, ...], Field(max_length=2)] = ()
    inner: PostgresUserSettings | None = None
    wait: Annotated[Duration, Field(ge=timedelta(minutes=1, seconds=30), le=timedelta(days=1, hours=2))] = timedelta(hours=1)


def said(model, data):
    notes = Notes("x.yaml")
    assert validated(model, data, notes, ()) is None
    return [(each.path, each.text) for each in notes.problems]


@pytest.mark.parametrize("given", [[], ["a_a"], ["a_a", "a_b", "a_c"]])
def test_a_pair_that_has_too_few_or_too_many_is_told_once_how_many_belong_there(given):
    found = said(PostgresUserSettings, {"dbname": "d", "usernames": given})
    assert [text for _, text in found] == ["write exactly 2 items here, `[a, b]`"]


def test_a_pair_that_stands_deeper_is_told_the_same():
    assert [text for _, text in said(Pairs, {"inner": {"dbname": "d", "usernames": ["a"]}})] == ["write exactly 2 items here, `[a, b]`"]


def test_a_list_of_any_length_is_told_how_many_it_takes_and_not_how_the_library_looks_at_it():
    assert [text for _, text in said(Pairs, {"several": ["a", "b", "c"]})] == ["should have at most 2 items"]


def test_a_limit_of_a_duration_is_told_as_it_is_written():
    assert [text for _, text in said(Limits, {"call_timeout": "1s"})] == ["should be greater than or equal to 2s"]
    assert [text for _, text in said(Limits, {"call_timeout": "2m"})] == ["should be less than or equal to 1m"]
    assert [text for _, text in said(Pairs, {"wait": "1m"})] == ["should be greater than or equal to 1m 30s"]
    assert [text for _, text in said(Pairs, {"wait": "9d"})] == ["should be less than or equal to 1d 2h"]


def test_a_key_that_is_missing_is_still_required():
    assert said(PostgresUserSettings, {"username": "a"}) == [("", "this is required")]
