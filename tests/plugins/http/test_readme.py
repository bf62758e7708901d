"""The README's YAML is what the settings take."""

from __future__ import annotations

import pytest

from rotator_http_token import HttpConnection
from tests.plugins.http.readme import CONNECTIONS, README


@pytest.mark.parametrize("block", CONNECTIONS, ids=lambda each: each["base_url"])
def test_each_connection_in_the_readme_is_valid(block: dict[str, object]) -> None:
    assert HttpConnection.model_validate({key: each for key, each in block.items() if key != "type"})


def test_the_readme_has_all_five_connections() -> None:
    assert len(CONNECTIONS) == 5


def test_every_key_of_the_connection_stands_in_the_readme() -> None:
    for name in HttpConnection.model_fields:
        assert f"`{name}" in README, name
