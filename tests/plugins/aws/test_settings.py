"""What may stand in the YAML, what follows from it, and what the README prints."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import rotator_aws_iam_key
from rotator.target import Runtime
from rotator_aws_iam_key import AwsConnection, IamKey, IamKeySettings
from rotator_aws_iam_key.policy import Arn, policy

README = (Path(rotator_aws_iam_key.__file__).parent / "README.md").read_text()


def target(**connection: Any) -> IamKey:
    runtime = Runtime(reveal=lambda _ref: pytest.fail("construction is pure"), now=lambda: pytest.fail("construction is pure"))
    return IamKey(AwsConnection.model_validate({"region": "eu-west-1"} | connection), IamKeySettings(username="uploader"), runtime)


def test_the_readme_prints_exactly_the_policy_that_the_tests_run_with() -> None:
    printed = json.loads(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[0])
    assert printed == policy("123456789012", "orders-uploader", "arn:aws:iam::123456789012:user/rotator")


def test_every_key_of_the_connection_stands_in_the_readme() -> None:
    for name in AwsConnection.model_fields:
        assert f"`{name}" in README, name


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"region": "Ireland"}, "region"),
        ({"account": "12345"}, "account"),
        ({"endpoint_url": "http://iam.internal"}, "endpoint_url"),
        ({"endpoint_url": "https://user:pw@iam.internal"}, "endpoint_url"),
        ({"credentials": {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "written-out"}}, "credentials.secret_access_key"),
        ({"profile": "p", "credentials": {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": {"env": "A"}}}, ""),
        ({"settle": {"appears": "soon"}}, "settle.appears"),
        ({"retries": 3}, "retries"),
    ],
)
def test_a_mistake_is_named_by_its_key_and_shows_no_value(given: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as problem:
        target(**given)
    found = problem.value.errors(include_input=False, include_url=False, include_context=False)
    assert ".".join(str(part) for part in found[0]["loc"] if part != "env") == where
    assert "written-out" not in str(problem.value)
    assert "pw" not in str(problem.value)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a\n", "a" * 65, "ä"])
def test_a_username_is_what_iam_allows(name: str) -> None:
    with pytest.raises(ValidationError):
        IamKeySettings(username=name)


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ({}, "iam.amazonaws.com"),
        ({"account": "123456789012"}, "iam.amazonaws.com/123456789012"),
        ({"region": "cn-north-1"}, "iam.cn-north-1.amazonaws.com.cn"),
        ({"region": "us-gov-west-1"}, "iam.us-gov.amazonaws.com"),
        ({"endpoint_url": "http://LOCALHOST:4566/"}, "http://localhost:4566"),
        ({"endpoint_url": "https://iam.internal"}, "https://iam.internal:443"),
    ],
)
def test_one_account_has_one_endpoint_and_asking_is_pure(given: dict[str, Any], endpoint: str) -> None:
    assert target(**given).endpoint == endpoint
    assert target(**given).principals == ("uploader",)
    assert target(**given).admin is None


def test_what_the_target_can_do_follows_from_where_it_is() -> None:
    real, local = target().can, target(endpoint_url="http://127.0.0.1:4566").can
    assert (real.max_live, real.disables, real.tells_use, real.lists, real.labels) == (2, True, True, True, False)
    assert real.disappears.streak == 3
    assert local.disappears.within < real.disappears.within
    assert target(settle={"disappears": "20m"}).can.disappears.within == timedelta(minutes=20)


@pytest.mark.parametrize(
    ("text", "user", "grantee"),
    [
        ("arn:aws:iam::123456789012:user/a/b/c", "c", "arn:aws:iam::123456789012:user/a/b/c"),
        ("arn:aws:sts::123456789012:assumed-role/ops/run-1", None, "arn:aws:iam::123456789012:role/ops"),
        ("arn:aws-cn:iam::123456789012:root", None, "arn:aws-cn:iam::123456789012:root"),
    ],
)
def test_an_arn_tells_the_user_and_whom_a_policy_means(text: str, user: str | None, grantee: str) -> None:
    arn = Arn.parse(text)
    assert arn is not None
    assert (arn.user, arn.grantee) == (user, grantee)


def test_what_is_no_arn_is_none() -> None:
    assert Arn.parse("") is None
    assert Arn.parse("arn:aws:iam") is None
