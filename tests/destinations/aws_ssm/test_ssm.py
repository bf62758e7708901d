"""What Parameter Store adds to the contract: encrypted or not at all, one parameter for one credential, and the least privilege."""

import copy
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from ssm_world import World

from rotator.aws.policy import SIMULATE, as_text
from rotator.destination import Denied, Foreign, Level, Place, Refused, Secret, Unreachable
from rotator.destinations.aws_ssm import AwsSsmSettings
from rotator.destinations.aws_ssm.policy import Policy
from rotator.errors import BadInput
from rotator.model import same_values
from rotator.testing.destination_contract import CANARY, told_by
from rotator.testing.servers.moto import ACCOUNT, REGION
from rotator.testing.servers.raw import Answer, RawServer

VALUE = {"value": Secret(f"{CANARY}-1")}
PAIR = {"user": Secret("app"), "password": Secret(f"{CANARY}-1")}
KMS = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d-1111-2222-3333-444455556666"


def actions(server):
    return [each.headers["X-Amz-Target"].rpartition(".")[2] for each in server.requests if "X-Amz-Target" in each.headers]


class Between(RawServer):
    """Answers as the real server, but for what `wrong` answers; `lost` is done, and its answer dropped."""

    def __init__(self, real, wrong=lambda _: None):
        self.real, self.wrong, self.lost = real, wrong, ""
        super().__init__(self.pass_on)

    def pass_on(self, request):
        answer = self.wrong(request) or self.forward(request)
        return Answer(drop=True) if self.lost and self.lost in request.headers.get("X-Amz-Target", "") else answer

    def forward(self, request):
        kept = {key: each for key, each in request.headers.items() if key.lower() not in ("connection", "content-length")}
        sent = urllib.request.Request(self.real.url + request.path, method=request.method, data=request.body, headers=kept)
        try:
            with urllib.request.urlopen(sent, timeout=10) as got:
                return Answer(got.status, {"Content-Type": "application/x-amz-json-1.1"}, [got.read()])
        except urllib.error.HTTPError as error:
            return Answer(error.code, {"Content-Type": "application/x-amz-json-1.1"}, [error.read()])


def refusal(action, code, status=400):
    """Refuses this action with this code."""
    text = json.dumps({"__type": code, "message": CANARY}).encode()
    answer = Answer(status, {"Content-Type": "application/x-amz-json-1.1"}, [text])
    return lambda request: answer if action in request.headers.get("X-Amz-Target", "") else None


@pytest.fixture
def between(shared):
    with Between(shared.server) as server:
        shared.url = server.url
        yield server


# ---- what is written


def test_it_is_encrypted_and_what_is_there_already_is_not_written_again(shared, between):
    for _ in range(2):
        shared.destination().publish(shared.one, VALUE, "v1", 1)
    assert (shared.shown()["Type"], shared.shown()["Version"]) == ("SecureString", 1)
    assert actions(between) == ["GetParameter", "PutParameter", "GetParameter", "GetParameter"]
    shared.destination().publish(shared.one, {"value": Secret("2")}, "v2", 2)
    assert shared.shown()["Version"] == 2


def test_each_write_names_the_key_for_aws_would_go_back_to_its_own(shared, between):
    one = shared.destination(kms_key=KMS)
    for n in (1, 2):
        one.publish(shared.one, {"value": Secret(f"value {n}")}, f"v{n}", n)
    written = [json.loads(each.body) for each in between.requests if "PutParameter" in each.headers.get("X-Amz-Target", "")]
    assert [(each.get("KeyId"), each["Overwrite"]) for each in written] == [(KMS, False), (KMS, True)]


def test_a_parameter_in_plain_text_is_refused_before_it_is_touched(shared):
    shared.put("old", "String")
    for act in (lambda one: one.published(shared.one), lambda one: one.publish(shared.one, VALUE, "v1", 1)):
        with pytest.raises(Refused, match="kept in plain text") as no:
            act(shared.destination())
        assert "delete-parameter" in no.value.fix
    assert shared.shown()["Value"] == "old"


def test_several_fields_are_one_object_in_one_parameter_and_never_several(shared):
    shared.put('{"port":  5432, "password":""}')
    shared.destination(format="json").publish(shared.both, PAIR, "v1", 1)
    assert shared.shown()["Value"] == f'{{"port":  5432, "password":"{CANARY}-1", "user":"app"}}'
    assert same_values(shared.destination(format="json").published(shared.both), PAIR)
    with pytest.raises(Refused, match="one value, so one field"):
        shared.destination().publish(shared.both, PAIR, "v1", 1)
    shared.put("plain")
    with pytest.raises(Foreign, match="not one JSON object"):
        shared.destination(format="json").publish(shared.both, PAIR, "v1", 1)


def test_a_missing_parameter_is_refused_unless_it_may_be_made(shared):
    for act in (lambda one: one.published(shared.one), lambda one: one.publish(shared.one, VALUE, "v1", 1)):
        with pytest.raises(Refused, match=f"no parameter {shared.name}"):
            act(shared.destination(create=False))


def test_more_than_a_standard_parameter_holds_is_refused_by_us_and_by_the_server(shared):
    with pytest.raises(Refused, match="longer than 4096 bytes"):
        shared.destination().publish(shared.one, {"value": Secret("é" * 2049)}, "v1", 1)
    with pytest.raises(Exception, match="4096"):
        shared.put("x" * 4097)
    with pytest.raises(Exception, match="fully qualified"):
        shared.put("x", name="a/b")


@pytest.mark.parametrize("path", ["aws/x", "SSM-x", "a//b", "", "a b", "a/" * 15 + "a", "a" * 1011])
def test_a_path_that_cannot_be_the_name_of_a_parameter_is_refused(shared, path):
    with pytest.raises(Refused, match="name of a parameter"):
        shared.destination().published(Place("parameters", path, {"value": "password"}))


# ---- others, and answers that are lost


def test_a_lost_answer_is_unsure_and_the_next_try_writes_no_second_version(shared, between):
    between.lost = "PutParameter"
    with pytest.raises(Unreachable) as error:
        shared.destination().publish(shared.one, VALUE, "v1", 1)
    assert CANARY not in told_by(error.value)
    between.lost = ""
    shared.destination().publish(shared.one, VALUE, "v1", 1)
    assert shared.shown()["Version"] == 1


def test_one_that_another_makes_meanwhile_is_not_overwritten_unseen(shared, between):
    def wrong(request):
        if "PutParameter" in request.headers.get("X-Amz-Target", ""):
            between.wrong = lambda _: None
            shared.put("theirs")

    between.wrong = wrong
    with pytest.raises(Unreachable, match="another made it meanwhile"):
        shared.destination().publish(shared.one, VALUE, "v1", 1)
    assert shared.shown()["Value"] == "theirs"
    shared.destination().publish(shared.one, VALUE, "v1", 1)
    assert same_values(shared.destination().published(shared.one), VALUE)


def test_it_waits_until_what_was_written_is_what_is_read(shared, between):
    shared.put("old")
    stale = between.forward
    kept = {}

    def wrong(request):
        target = request.headers.get("X-Amz-Target", "")
        if "GetParameter" in target and len(kept.setdefault("answers", [])) < 3:
            kept["answers"].append(1)
            kept.setdefault("old", stale(request))
            return kept["old"]
        return None

    between.wrong = wrong
    shared.destination().publish(shared.one, VALUE, "v1", 1)
    assert actions(between) == ["GetParameter", "PutParameter", "GetParameter", "GetParameter", "GetParameter"]


@pytest.mark.parametrize(
    ("action", "code", "kind", "says"),
    [
        ("PutParameter", "TooManyUpdates", Unreachable, "another writes it"),
        ("PutParameter", "ThrottlingException", Unreachable, "too many requests"),
        ("PutParameter", "InternalServerError", Unreachable, "no answer that settles it"),
        ("PutParameter", "ValidationException", Refused, "calls it invalid"),
        ("PutParameter", "ParameterMaxVersionLimitExceeded", Refused, "oldest version has a label"),
        ("PutParameter", "ParameterPatternMismatchException", Refused, "AllowedPattern"),
        ("PutParameter", "InvalidKeyId", Denied, "KMS key cannot be used"),
        ("GetParameter", "InvalidKeyId", Denied, "KMS key cannot be used"),
        ("GetParameter", "ExpiredTokenException", Denied, "session of the login has ended"),
        ("GetParameter", "UnrecognizedClientException", Denied, "refused the login"),
    ],
)
def test_each_answer_has_its_word_and_none_of_aws_is_repeated(shared, between, action, code, kind, says):
    between.wrong = refusal(action, code, 500 if code == "InternalServerError" else 400)
    with pytest.raises(kind, match=says) as error:
        shared.destination().publish(shared.one, VALUE, "v1", 1)
    assert CANARY not in told_by(error.value)


# ---- rights


def attempt(world):
    """All that the destination is ever asked for. Raises, or returns what `check` found wrong."""
    one = world.destination()
    for n in (1, 2):
        one.publish(world.one, {"value": Secret(f"value {n}")}, f"v{n}", n)
    assert same_values(one.published(world.one), {"value": Secret("value 2")})
    return [each for each in one.check() if each.level is Level.FAIL]


def test_the_printed_policy_is_enough(world):
    assert attempt(world) == []


@pytest.mark.parametrize("action", [0, 1])
def test_without_any_one_action_it_is_denied_and_the_statement_is_named(world, action):
    whole = world.policy()
    less = copy.deepcopy(whole)
    taken = less["Statement"][0]["Action"].pop(action)
    world.server.allow(world.user, less)
    with pytest.raises(Denied) as no:
        attempt(world)
    named = json.loads(no.value.fix.removeprefix("its policy needs: ").partition("; else")[0])
    assert named["Action"] == [taken]
    named["Resource"] = [each.replace(":*:", f":{ACCOUNT}:") for each in named["Resource"]]
    world.server.allow(world.user, {**less, "Statement": [*less["Statement"], named]})
    assert attempt(world) == []


def test_check_names_what_is_missing_before_anything_is_written(world):
    arn = f"arn:aws:iam::{ACCOUNT}:user/{world.user}"
    asks = {"Effect": "Allow", "Action": [SIMULATE], "Resource": arn}
    less = world.policy()
    less["Statement"][0]["Action"].remove("ssm:PutParameter")
    world.server.allow(world.user, {**less, "Statement": [*less["Statement"], asks]})
    one = world.destination(account=ACCOUNT)
    assert one.published(world.one) == {}
    (found,) = one.check()
    assert (found.level, found.code, found.text) == (Level.FAIL, "privilege.missing", f"no ssm:PutParameter at {world.name}")
    printed = json.loads(found.fix.removeprefix("its policy needs: "))
    assert printed == world.policy()["Statement"][0]
    world.server.allow(world.user, {**less, "Statement": [printed, asks]})
    assert one.check() == []
    assert world.destination().check() == [], "of no parameter there is nothing to tell"


def test_check_says_where_it_cannot_tell(shared):
    one = shared.destination()
    one.published(shared.one)
    (found,) = one.check()
    assert (found.level, found.code) == (Level.WARN, "privilege.unproven")
    assert SIMULATE in found.fix


def test_a_login_of_another_account_is_found_by_check(shared):
    (found,) = shared.destination(account="999999999999").check()
    assert (found.level, found.code) == (Level.FAIL, "login")


def test_a_wrong_key_is_denied(shared):
    with pytest.raises(Denied, match="refused the login"):
        shared.destination("wrong").published(shared.one)
    assert [each.code for each in shared.destination("wrong").check()] == ["place.missing"]
    unknown = {"access_key_id": "AKIA" + "X" * 16, "secret_access_key": {"env": "KEY"}}
    with pytest.raises(Denied, match="refused the login") as no:
        shared.destination(credentials=unknown).published(shared.one)
    assert no.value.code == "UnrecognizedClientException"


def test_check_warns_where_nobody_answers(aws, common):
    world = World(aws, key=common, url="http://127.0.0.1:9")
    assert [(each.level, each.code) for each in world.destination().check()] == [(Level.WARN, "privilege.unproven")]


def test_without_boto3_the_way_to_install_it_is_named(shared, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    with pytest.raises(BadInput, match="type `aws_ssm` needs boto3") as error:
        shared.destination().published(shared.one)
    assert "-m pip install '/path/to/rotator[aws]'" in error.value.fix


@pytest.mark.parametrize(
    "wrong",
    [
        {"proxy": "http://p:1", "endpoint_url": "http://127.0.0.1:1"},
        {"proxy": "http://u:p@p:1"},
        {"account": "1" * 12, "role": {"arn": f"arn:aws:iam::{ACCOUNT}:role/r"}},
        {"kms_key": "alias/x"},
        {"region": "Ireland"},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValueError):
        AwsSsmSettings.model_validate({"region": REGION, **wrong})


@pytest.mark.parametrize(("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_arns_are_of_the_regions_partition(region, partition):
    assert Policy(AwsSsmSettings(region=region)).arn("/a/b") == f"arn:{partition}:ssm:{region}:*:parameter/a/b"


def test_services_answer_where_the_settings_say():
    plain = AwsSsmSettings(region=REGION, endpoint_url="https://vpce", sts_endpoint_url="https://sts")
    assert [plain.url_of(each) for each in ("ssm", "sts", "iam")] == ["https://vpce", "https://sts", None]
    assert AwsSsmSettings(region=REGION).url_of("ssm") is None


def test_the_page_shows_the_policy_that_is_proven_here():
    page = (Path(__file__).parents[3] / "docs/destinations.md").read_text()
    shown = page.partition("<!-- policy -->\n```json\n")[2].partition("```")[0]
    policy = Policy(AwsSsmSettings(region=REGION, account=ACCOUNT, kms_key=KMS))
    assert json.loads(shown) == policy.document(["/orders/db"])
    assert as_text(policy.key()) in as_text(policy.document(["/orders/db"]))
