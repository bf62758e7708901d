"""What commands say of their input and of what comes next."""

import io

import pytest

from rotator.cli.adopt import read_credential
from rotator.cli.runs import next_look
from rotator.errors import BadInput, Exit
from rotator.load import load
from rotator.rotate import RunResult

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def spec():
    from pathlib import Path

    return load(Path(__file__).parents[2] / "rotator.example.yaml").specs[0]


@pytest.mark.parametrize(("source", "named"), [(None, "stdin is"), ("-", "stdin is"), ("env:GIVEN", "env:GIVEN is")])
def test_an_input_that_is_no_credential_is_named_as_an_operator_knows_it(spec, source, named, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("no JSON, and perhaps a secret"))
    monkeypatch.setenv("GIVEN", "no JSON, and perhaps a secret")
    with pytest.raises(BadInput) as caught:
        read_credential(spec, source)
    assert caught.value.what.startswith(f"{named} no JSON object")
    assert "perhaps" not in str(caught.value)


@pytest.mark.parametrize(
    ("about", "shown"),
    [
        ({"exit": Exit.DONE, "wake": NOW + 60, "claimed": True}, NOW + 60),
        ({"exit": Exit.DONE, "wake": NOW + 60, "claimed": False}, NOW + 60),
        ({"exit": Exit.UNPROVEN, "wake": NOW + 60, "claimed": True}, NOW + 60),
        ({"exit": Exit.FAILED, "wake": NOW + 86_400, "claimed": False}, None),
        ({"exit": Exit.FAILED, "wake": NOW - 1, "claimed": True}, None),
        ({"exit": Exit.HUMAN, "wake": None, "claimed": True}, None),
    ],
)
def test_no_next_look_is_shown_that_lies_in_the_past_or_that_a_daemon_does_not_wait_for(about, shown):
    assert next_look(RunResult(spec="a", why="any", message="", **about), NOW) == shown


def test_a_time_that_no_date_can_say_is_shown_as_the_last_one():
    from rotator.cli.runs import when

    assert (when(0.0), when(None)) == ("1970-01-01T00:00:00Z", "")
    assert when(8_640_000_923_621.6).startswith("9999-12-3")
