"""What the tests demand of moto's Secrets Manager: each mend refuses what AWS refuses, and moto alone still does not.

Where the second half of a test fails, moto has mended itself: take the mend out of `_moto_secrets.py`.
"""

import itertools
import json
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from rotator.testing.servers.moto import ACCOUNT, REGION, MotoServer

NAMES = itertools.count()
A, B, C = (letter * 36 for letter in "abc")


@pytest.fixture(scope="module")
def lenient():
    """moto as it comes, but for IAM."""
    with MotoServer() as server:
        yield server


def told(call: Callable[[], object]) -> str | None:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def made(server):
    """A secret whose version A is current and whose version B holds the label `custom`."""
    client, name = server.client("secretsmanager", server.admin_key), f"secret-{next(NAMES)}"
    client.create_secret(Name=name, SecretString="one", ClientRequestToken=A)
    client.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=B, VersionStages=["custom"])
    return client, name


def of_both(aws, lenient, attempt):
    """What the mended server and moto alone say to the same attempt."""
    return [told(lambda server=server: attempt(*made(server))) for server in (aws, lenient)]


def test_a_label_that_another_version_holds_is_not_moved_without_naming_its_holder(aws, lenient):
    def attempt(client, name):
        client.update_secret_version_stage(SecretId=name, VersionStage="custom", MoveToVersionId=A)

    assert of_both(aws, lenient, attempt) == ["InvalidParameterException", None]


def test_a_label_stands_on_one_version_alone(aws, lenient):
    def holders(server):
        client, name = made(server)
        client.put_secret_value(SecretId=name, SecretString="three", ClientRequestToken=C, VersionStages=["custom", "other"])
        client.put_secret_value(SecretId=name, SecretString="one", ClientRequestToken=A, VersionStages=["custom"])
        return [id for id, labels in client.describe_secret(SecretId=name)["VersionIdsToStages"].items() if "custom" in labels]

    assert holders(aws) == [C]
    assert holders(lenient) == [C]


def test_a_move_to_a_version_that_is_not_there_leaves_the_label_where_it_was(aws, lenient):
    def current(server):
        client, name = made(server)
        told(lambda: client.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=C, RemoveFromVersionId=A))
        return client.describe_secret(SecretId=name)["VersionIdsToStages"].get(A, [])

    assert current(aws) == ["AWSCURRENT"]
    assert current(lenient) == []


def test_one_token_stands_for_one_value(aws, lenient):
    def attempt(client, name):
        client.put_secret_value(SecretId=name, SecretString="x", ClientRequestToken=C, VersionStages=["AWSPENDING"])
        client.put_secret_value(SecretId=name, SecretString="y", ClientRequestToken=C, VersionStages=["AWSPENDING"])

    assert of_both(aws, lenient, attempt) == ["ResourceExistsException", None]


def test_nothing_is_put_into_a_secret_that_is_scheduled_for_deletion(aws, lenient):
    def attempt(client, name):
        client.delete_secret(SecretId=name)
        client.put_secret_value(SecretId=name, SecretString="x", VersionStages=["custom"])

    assert of_both(aws, lenient, attempt) == ["InvalidRequestException", None]


def test_a_value_has_at_most_65536_bytes(aws, lenient):
    def attempt(client, name):
        client.put_secret_value(SecretId=name, SecretString="é" * 32768, VersionStages=["custom"])
        client.put_secret_value(SecretId=name, SecretString="é" * 32768 + "x", VersionStages=["custom"])

    assert of_both(aws, lenient, attempt) == ["InvalidParameterException", None]


def test_a_secret_has_at_most_20_labels(aws, lenient):
    def attempt(client, name):
        for n in range(19):
            client.put_secret_value(SecretId=name, SecretString="x", VersionStages=[f"label-{n}"])

    assert of_both(aws, lenient, attempt) == ["LimitExceededException", None]


def test_moto_alone_knows_no_quota_of_versions(lenient):
    """With the mend: `test_a_run_begins_only_while_a_day_has_writes_left_and_one_that_has_begun_ends`."""
    client, name = made(lenient)
    assert told(lambda: [client.put_secret_value(SecretId=name, SecretString=f"{n}", VersionStages=["custom"]) for n in range(99)]) is None


def test_without_a_label_the_current_value_is_read(aws, lenient):
    def shown(server):
        client, name = made(server)
        client.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=B, RemoveFromVersionId=A)
        return client.get_secret_value(SecretId=name)["SecretString"]

    assert (shown(aws), shown(lenient)) == ("two", "one")


def test_versions_without_a_label_are_listed_only_where_asked_for(aws, lenient):
    def listed(server, **more):
        client, name = made(server)
        client.put_secret_value(SecretId=name, SecretString="x", ClientRequestToken=C, VersionStages=["custom"])
        return len(client.list_secret_version_ids(SecretId=name, **more)["Versions"])

    assert (listed(aws), listed(aws, IncludeDeprecated=True)) == (2, 3)
    assert listed(lenient) == 3


def test_versions_are_listed_in_pages(aws, lenient):
    def pages(server):
        client, name = made(server)
        return len(client.list_secret_version_ids(SecretId=name, MaxResults=1)["Versions"])

    assert (pages(aws), pages(lenient)) == (1, 2)


@pytest.mark.parametrize(
    ("resource", "condition", "refused"),
    [
        ("secret-*", {}, None),
        ("elsewhere-*", {}, "AccessDeniedException"),
        ("secret-*", {"StringEquals": {"aws:RequestedRegion": REGION}}, None),
        ("secret-*", {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}, "AccessDeniedException"),
    ],
    ids=["its resource", "another resource", "its region", "another region"],
)
def test_calls_are_authorised_by_resource_and_condition(aws, lenient, resource, condition, refused):
    def attempt(server):
        _, name = made(server)
        statement = {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:{resource}",
        }
        more = {"Condition": condition} if condition else {}
        key = server.create_admin(f"user-{next(NAMES)}", {"Version": "2012-10-17", "Statement": [{**statement, **more}]})
        return told(lambda: server.client("secretsmanager", key).get_secret_value(SecretId=name, VersionStage="AWSCURRENT"))

    assert attempt(aws) == refused
    assert attempt(lenient) == "403", "moto alone knows Resource '*' only, and answers in XML"


def test_a_deny_of_the_secrets_own_policy_counts(aws, lenient):
    def attempt(client, name):
        deny = {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
        client.put_resource_policy(SecretId=name, ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
        client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")

    assert of_both(aws, lenient, attempt) == ["AccessDeniedException", None]


def test_signatures_are_checked(aws):
    unknown, wrong = ("AKIAXXXXXXXXXXXXXXXX", "x" * 40), (aws.admin_key[0], "x" * 40)
    codes = [told(lambda key=key: aws.client("secretsmanager", key).list_secrets()) for key in (unknown, wrong)]
    assert codes == ["UnrecognizedClientException", "InvalidSignatureException"]
