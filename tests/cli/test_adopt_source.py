"""Where `adopt` reads a credential from, and what it says where none is there."""

import json
from types import SimpleNamespace

import pytest

from rotator.cli.adopt import read_credential
from rotator.errors import BadInput

SPEC = SimpleNamespace(target=SimpleNamespace(type="postgres"))
CANARY = "C4N4RY-hunter2-zebra"


def refusal(source):
    with pytest.raises(BadInput) as caught:
        read_credential(SPEC, source)
    return str(caught.value)


def test_a_credential_is_read_from_the_variable_that_is_named(monkeypatch):
    monkeypatch.setenv("FIRST", json.dumps({"username": "a", "password": "b"}))
    assert read_credential(SPEC, "env:FIRST") == {"username": "a", "password": "b"}


@pytest.mark.parametrize(("value", "says"), [(None, "is not set"), ("", "is empty")])
def test_a_variable_that_is_not_set_or_empty_is_said_to_be_so_and_what_to_do(value, says, monkeypatch):
    monkeypatch.delenv("FIRST", raising=False)
    if value is not None:
        monkeypatch.setenv("FIRST", value)
    told = refusal("env:FIRST")
    assert f"--from env:FIRST: the environment variable FIRST {says}" in told
    assert "set it for this command" in told
    assert "JSON" not in told


def test_a_variable_that_holds_something_else_is_said_to_be_no_json_object_without_its_value(monkeypatch):
    monkeypatch.setenv("FIRST", CANARY)
    told = refusal("env:FIRST")
    assert "env:FIRST is no JSON object" in told
    assert CANARY not in told


def test_a_credential_that_stands_where_the_name_of_a_variable_should_is_not_repeated():
    told = refusal(f'env:{{"password": "{CANARY}"}}')
    assert "no name of a variable" in told
    assert CANARY not in told
