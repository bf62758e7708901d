"""The printed policy is enough, and nothing in it can be left out."""

import copy
import json
from pathlib import Path

import pytest
from aws_world import PATH, PLACE, fields

from rotator.aws.policy import SIMULATE, as_text
from rotator.errors import Denied
from rotator.model import Level, Secret, same_values
from rotator.stores.aws_secrets_manager import AwsSecretsManagerSettings
from rotator.stores.aws_secrets_manager.policy import Policy, document
from rotator.testing.records import a_record
from rotator.testing.servers.moto import ACCOUNT, REGION

EVERY = [(part, action) for part, count in ((0, 6), (1, 1), (2, 5)) for action in range(count)]


def life(world):
    """All that a store is ever asked for. Raises, or returns what `check` found wrong."""
    one = world.store()
    assert one.read(PATH).revision is None
    record = one.write(PATH, a_record(1))
    for n in (2, 3):
        record = world.store().write(PATH, a_record(n, before=record))
    assert one.paths() == [PATH]
    one.publish(PLACE, fields(1), "v1", 1)
    one.publish(PLACE, fields(2), "v2", 2)
    assert same_values(one.published(PLACE), fields(2))
    return [each for each in one.check() if each.level is Level.FAIL]


def fixes(world):
    """The code and the ways out that were named, of the error or else of the findings."""
    try:
        return [each.fix for each in life(world)]
    except Denied as error:
        return [error.fix] if error.code == "AccessDeniedException" else []


def test_the_printed_policy_is_enough(world):
    assert life(world) == []


@pytest.mark.proof
@pytest.mark.parametrize(("part", "action"), EVERY, ids=str)
def test_without_any_one_action_something_is_denied_and_the_statement_is_named(world, part, action):
    whole = world.policy()
    assert [len(each["Action"]) for each in whole["Statement"]] == [6, 1, 5]
    less = copy.deepcopy(whole)
    taken = less["Statement"][part]["Action"].pop(action)
    less["Statement"] = [each for each in less["Statement"] if each["Action"]]
    world.server.allow(world.user, less)
    (fix,) = fixes(world)
    assert taken in fix
    named = json.loads(fix.removeprefix("its policy needs: ").partition("; else")[0])
    world.server.allow(world.user, document([*less["Statement"], named]))
    for each in (world.record(), f"{world.prefix}/places/{PATH}", PATH):
        world.root().delete_secret(SecretId=each, ForceDeleteWithoutRecovery=True)
    assert life(world) == []


def test_without_the_region_in_the_condition_the_listing_is_denied_elsewhere(world):
    statement = world.printed().listing()
    assert statement["Condition"] == {"StringEquals": {"aws:RequestedRegion": REGION}}


def test_a_consumer_may_read_awscurrent_of_its_path_and_nothing_of_ours(world, aws):
    store = world.store()
    store.write(PATH, a_record(1))
    for n in (1, 2):
        store.publish(PLACE, fields(n), f"v{n}", n)
    consumer = aws.client("secretsmanager", aws.create_admin(f"{world.user}-consumer", document([world.printed().consumer(PATH)])))
    assert json.loads(consumer.get_secret_value(SecretId=PATH, VersionStage="AWSCURRENT")["SecretString"])["username"] == "app"
    for name, stage in ((PATH, "AWSPREVIOUS"), (world.record(), "AWSCURRENT"), (f"{world.prefix}/places/{PATH}", "AWSCURRENT")):
        with pytest.raises(Exception, match="AccessDeniedException"):
            consumer.get_secret_value(SecretId=name, VersionStage=stage)


def test_what_was_published_is_read_back_with_a_consumers_rights(world, aws):
    key = aws.create_admin(f"{world.user}-consumer", document([world.printed().consumer(PATH)]))
    store = world.store(secrets={"READER": Secret(key[1])}, consumer={"credentials": world.credentials(key, "READER")})
    for n in (1, 2):
        store.publish(PLACE, fields(n), f"v{n}", n)
        assert same_values(store.published(PLACE), fields(n))
    store.close()
    assert same_values(store.published(PLACE), fields(2))


def test_read_as_a_consumer_a_place_that_its_policy_does_not_show_is_denied(world, aws):
    key = aws.create_admin(f"{world.user}-consumer", document([world.printed().consumer("elsewhere")]))
    reader = {"credentials": world.credentials(key, "READER")}
    store = world.store(secrets={"READER": Secret(key[1])}, consumer=reader, account=ACCOUNT)
    store.publish(PLACE, fields(1), "v1", 1)
    with pytest.raises(Denied) as error:
        store.published(PLACE)
    assert as_text(world.printed().consumer(PATH)) in error.value.fix


# ---- check


def asks_itself(world, policy):
    """The policy, and the right to ask what it allows."""
    arn = f"arn:aws:iam::{ACCOUNT}:user/{world.user}"
    world.server.allow(world.user, document([*policy["Statement"], {"Effect": "Allow", "Action": [SIMULATE], "Resource": arn}]))


def test_check_names_each_missing_statement_before_anything_is_written(world):
    policy = copy.deepcopy(world.policy())
    policy["Statement"][0]["Action"].remove("secretsmanager:PutSecretValue")
    policy["Statement"][2]["Action"].remove("secretsmanager:UpdateSecretVersionStage")
    asks_itself(world, policy)
    store = world.store(account=ACCOUNT)
    store.read(PATH)
    found = [each for each in store.check() if each.level is Level.FAIL]
    assert {each.code for each in found} == {"privilege.missing"}
    assert [each.text.partition(" at ")[0] for each in found] == ["no PutSecretValue", "no UpdateSecretVersionStage"]
    assert [each.fix for each in found] == [
        f"its policy needs: {as_text(each)}" for each in (world.printed().own(), world.printed().place(PATH))
    ]


def test_check_of_a_store_that_is_all_right_finds_nothing(world):
    asks_itself(world, world.policy())
    store = world.store(account=ACCOUNT)
    store.read(PATH)
    assert [each for each in store.check() if each.level is not Level.OK] == []


def test_check_says_where_it_cannot_tell(world):
    store = world.store()
    store.read(PATH)
    found = [each for each in store.check() if each.level is not Level.OK]
    assert [(each.level, each.code) for each in found] == [(Level.WARN, "privilege.unproven")]
    assert SIMULATE in found[0].fix


def test_check_without_a_path_changes_nothing_and_fails_nothing(world):
    asks_itself(world, world.policy())
    assert [each for each in world.store(account=ACCOUNT).check() if each.level is Level.FAIL] == []


# ---- the page


def test_the_page_shows_the_policy_that_is_proven_here():
    settings = AwsSecretsManagerSettings.model_validate({
        "region": REGION, "account": ACCOUNT, "kms_key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d-1111-2222-3333-444455556666"
    })  # fmt: skip
    policy = Policy(settings)
    page = (Path(__file__).parents[3] / "docs/stores-aws.md").read_text()

    def shown(marker):
        return json.loads(page.partition(f"<!-- {marker} -->\n```json\n")[2].partition("```")[0])

    assert shown("policy") == document(policy.statements([PATH]))
    assert shown("consumer") == document([policy.consumer(PATH)])


@pytest.mark.parametrize(("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_arns_are_of_the_regions_partition(region, partition):
    policy = Policy(AwsSecretsManagerSettings.model_validate({"region": region}))
    assert policy.own()["Resource"] == f"arn:{partition}:secretsmanager:{region}:*:secret:rotator/*"
