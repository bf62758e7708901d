"""Records: replaced by compare-and-set alone, idempotent, and what somebody else did there is never taken for empty."""

import json
import subprocess
import sys

import pytest
from aws_world import PATH, Scripted, World, action, body, refusal

from rotator.errors import BadInput, Conflict, Corrupt, Denied, Refused, Unreachable
from rotator.model import Level
from rotator.testing.records import ODD, a_record, same
from rotator.testing.servers.raw import Answer


def written(world, count=1):
    record = world.store().write(PATH, a_record(1))
    for n in range(2, count + 1):
        record = world.store().write(PATH, a_record(n, before=record))
    return record


def versions(world):
    return world.root().list_secret_version_ids(SecretId=world.record(), IncludeDeprecated=True)["Versions"]


# ---- the compare-and-set


def test_the_head_is_awscurrent_and_what_it_replaced_is_awsprevious(world):
    written(world, 3)
    holders = {label: id for id, labels in world.labels(world.record()).items() for label in labels}
    assert set(holders) == {"AWSCURRENT", "AWSPREVIOUS", "rotator-candidate"}
    assert holders["AWSCURRENT"] == holders["rotator-candidate"] == world.store().read(PATH).revision
    assert json.loads(world.value(world.record(), "AWSPREVIOUS"))["seq"] == 2


def test_a_record_is_stored_exactly_as_it_is(world):
    world.store().write(PATH, a_record(secret=ODD))
    assert json.loads(world.value(world.record()))["current"]["credential"]["secret"] == ODD


def test_the_same_write_sent_again_makes_no_new_version(world):
    first = written(world)
    for _ in range(3):
        world.store().write(PATH, a_record(2, before=first))
    assert len(versions(world)) == 2


def test_a_record_without_write_ids_can_be_written_too(world):
    first = world.store().write(PATH, a_record(1).but(writes=()))
    second = world.store().write(PATH, a_record(2, before=first).but(writes=()))
    assert world.store().read(PATH).revision == second.revision
    with pytest.raises(Conflict):
        world.store().write(PATH, a_record(3, before=first).but(writes=()))


def test_a_token_that_stands_for_other_data_is_replaced_by_a_fresh_one(world):
    first = written(world)
    one, other = a_record(2, before=first), a_record(2, before=first).but(name="other")
    third = world.store().write(PATH, a_record(3, before=world.store().write(PATH, one)))
    world.root().update_secret_version_stage(
        SecretId=world.record(), VersionStage="AWSCURRENT", MoveToVersionId=first.revision, RemoveFromVersionId=third.revision
    )
    assert world.store().write(PATH, other).revision == world.store().read(PATH).revision
    assert world.store().read(PATH).name == "other"


def test_a_rival_that_takes_the_candidate_label_away_does_no_harm(world):
    """Its put moves the one label that both use; ours is moved to AWSCURRENT all the same."""
    first = written(world)

    def rival(request):
        if action(request) == "UpdateSecretVersionStage":
            put = {"SecretString": "{}", "ClientRequestToken": "r" * 36, "VersionStages": ["rotator-candidate"]}
            world.root().put_secret_value(SecretId=world.record(), **put)

    with Scripted(world.server, rival) as raw:
        second = world.store(endpoint_url=raw.url).write(PATH, a_record(2, before=first))
    assert same(world.store().read(PATH), second)


def test_an_empty_secret_that_somebody_made_is_filled_and_of_two_that_fill_it_one_wins(world):
    """As Terraform makes one: with its key and its policy, and without a value."""
    world.root().create_secret(Name=world.record())
    assert world.store().read(PATH).revision is None
    first = world.store().write(PATH, a_record(1))
    with pytest.raises(Conflict):
        world.store().write(PATH, a_record(2))
    assert same(world.store().read(PATH), first)
    assert world.store().read(PATH).revision == first.revision


def test_a_secret_that_is_made_gets_the_key_and_another_key_is_told(world, aws):
    key = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    world.store(kms_key=key).write(PATH, a_record(1))
    assert world.root().describe_secret(SecretId=world.record())["KmsKeyId"] == key
    one = world.store(kms_key=key[:-1] + "6")
    one.read(PATH)
    assert [each.level for each in one.check() if "another key" in each.text] == [Level.WARN]


# ---- what somebody else did


@pytest.mark.parametrize("value", ["not json", "[]", "{}", '"text"', ""])
def test_a_value_of_somebody_else_is_corrupt_and_never_empty(world, value):
    if value:
        world.root().create_secret(Name=world.record(), SecretString=value)
    else:
        world.root().create_secret(Name=world.record(), SecretBinary=b"bytes")
    with pytest.raises(Corrupt):
        world.store().read(PATH)


def test_a_record_that_is_scheduled_for_deletion_is_corrupt_and_comes_back(world):
    record = written(world, 2)
    world.root().delete_secret(SecretId=world.record())
    for call in (
        lambda: world.store().read(PATH),
        lambda: world.store().write(PATH, a_record(3, before=record)),
        lambda: world.store().write(PATH, a_record(4)),
    ):
        with pytest.raises(Corrupt, match="scheduled for deletion") as error:
            call()
        assert f"restore-secret --secret-id {world.record()}" in error.value.fix
    assert world.store().paths() == [PATH]
    world.root().restore_secret(SecretId=world.record())
    assert same(world.store().read(PATH), record)


def test_a_secret_that_was_deleted_under_a_chain_is_a_conflict(world):
    record = written(world)
    world.root().delete_secret(SecretId=world.record(), ForceDeleteWithoutRecovery=True)
    with pytest.raises(Conflict):
        world.store().write(PATH, a_record(2, before=record))


def test_paths_are_found_below_our_prefix_alone(world):
    made = ["a.b/d", "a/b/c", "b"]
    for each in made:
        world.root().create_secret(Name=world.record(each), SecretString="{}")
    world.root().create_secret(Name=f"{world.prefix}/places/x", SecretString="{}")
    assert world.store().paths() == made


def test_all_pages_of_the_list_are_read(world):
    pages = {None: (["a", "b"], {"NextToken": "2"}), "2": ([], {"NextToken": "3"}), "3": (["c"], {})}

    def paged(request):
        if action(request) != "ListSecrets":
            return None
        names, more = pages[body(request).get("NextToken")]
        listed = [{"Name": world.record(each)} for each in names] + [{"Name": "another"}]
        return Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, [json.dumps({"SecretList": listed, **more}).encode()])

    with Scripted(world.server, paged) as raw:
        assert world.store(endpoint_url=raw.url).paths() == ["a", "b", "c"]


def test_a_path_that_is_none_is_refused(world):
    for path in ("../x", "a/../b", "a//b", "/a", "a/", "", "a b", "a?b", "a%2fb"):
        with pytest.raises(Refused):
            world.store().read(path)


# ---- the budget of a day


@pytest.fixture
def quota(full):
    return World(full)


def test_a_run_begins_only_while_a_day_has_writes_left_and_one_that_has_begun_ends(quota):
    begun = quota.store()
    record = begun.write("busy/app", a_record(1))
    record = begun.write("busy/app", a_record(2, before=record))
    for n in range(3, 82):
        record = begun.write("busy/app", a_record(n, before=record))
    with pytest.raises(Unreachable, match="81 writes in 24 hours") as error:
        quota.store().write("busy/app", a_record(82, before=record))
    assert 86000 < error.value.retry_after <= 86400
    assert "the next one can at" in error.value.fix
    for n in range(82, 101):
        record = begun.write("busy/app", a_record(n, before=record))
    with pytest.raises(Unreachable, match="as many versions as AWS keeps") as error:
        begun.write("busy/app", a_record(101, before=record))
    assert error.value.retry_after == 3600
    assert same(begun.read("busy/app"), record)


def test_writes_of_yesterday_do_not_count(quota):
    asked = []

    def yesterday(request):
        if action(request) != "ListSecretVersionIds":
            return None
        asked.append(action(request))
        listed = [{"VersionId": f"{n:036d}", "CreatedDate": 1_000_000.0} for n in range(99)]
        return Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, [json.dumps({"Versions": listed}).encode()])

    first = quota.store().write("new/app", a_record(1))
    with Scripted(quota.server, yesterday) as raw:
        quota.store(endpoint_url=raw.url).write("new/app", a_record(2, before=first))
    assert asked, "nothing was counted"
    assert same(quota.store().read("new/app"), a_record(2, before=first))


# ---- answers that get lost


class Lost:
    """Of a kind of call the answers are lost: the first call lands or not, the later ones do not; `between` happens after the first."""

    def __init__(self, kind, *, lands, between=lambda: None, answer=None):
        self.kind, self.lands, self.between, self.answer, self.tried = kind, lands, between, answer or Answer(drop=True), 0

    def __call__(self, request):
        if action(request) != self.kind:
            return None
        self.tried += 1
        if self.tried == 1:
            if self.lands:
                self.server.forward(request)
            self.between()
        return self.answer


def through(world, lost):
    lost.server = Scripted(world.server, lost)
    return lost.server


KINDS = ["PutSecretValue", "UpdateSecretVersionStage"]


@pytest.mark.parametrize("answer", [None, refusal("InternalServiceError", 500)], ids=["cut", "500"])
@pytest.mark.parametrize("kind", KINDS)
def test_where_no_try_is_answered_one_read_tells_whether_it_landed(world, kind, answer):
    world.timeout = 1.2
    first = written(world)
    lost = Lost(kind, lands=True, answer=answer)
    with through(world, lost) as raw:
        store = world.store(endpoint_url=raw.url)
        if kind == "PutSecretValue":
            with pytest.raises(Unreachable):
                store.write(PATH, a_record(2, before=first))
            assert same(world.store().read(PATH), first)
            return
        assert same(store.write(PATH, a_record(2, before=first)), world.store().read(PATH))
    assert world.store().read(PATH).seq == 2


@pytest.mark.parametrize("kind", KINDS)
def test_where_none_landed_it_stays_unknown_and_the_same_write_goes_on_later(world, kind):
    world.timeout = 1.2
    first = written(world)
    lost = Lost(kind, lands=False)
    with through(world, lost) as raw, pytest.raises(Unreachable):
        world.store(endpoint_url=raw.url).write(PATH, a_record(2, before=first))
    assert lost.tried > 2
    assert same(world.store().read(PATH), first)
    assert world.store().write(PATH, a_record(2, before=first)).revision == world.store().read(PATH).revision


@pytest.mark.parametrize("kind", KINDS)
def test_where_another_was_faster_it_is_a_conflict(world, kind):
    first = written(world)
    lost = Lost(kind, lands=False, between=lambda: world.store().write(PATH, a_record(7, before=first)))
    with through(world, lost) as raw, pytest.raises(Conflict):
        world.store(endpoint_url=raw.url).write(PATH, a_record(2, before=first))


def test_a_create_whose_answer_is_lost_is_known_to_have_landed(world):
    lost = Lost("CreateSecret", lands=True)
    with through(world, lost) as raw:
        first = world.store(endpoint_url=raw.url).write(PATH, a_record(1))
    assert same(world.store().read(PATH), first)


@pytest.mark.parametrize(("others", "error"), [(16, None), (17, Unreachable)])
def test_after_more_writes_than_the_record_remembers_nobody_can_tell_and_it_is_no_conflict(world, others, error):
    first = written(world)
    ours, fast = a_record(2, before=first), world.store()

    def more():
        record = fast.read(PATH)
        for n in range(others - 1):
            record = fast.write(PATH, a_record(100 + n, before=record))

    lost = Lost("UpdateSecretVersionStage", lands=True, between=more)
    with through(world, lost) as raw:
        store = world.store(endpoint_url=raw.url)
        if error is None:
            assert store.write(PATH, ours).revision == first.revision, "it landed, and cannot overwrite those that followed"
            return
        for _ in range(2):
            with pytest.raises(Unreachable, match="nobody can tell"):
                store.write(PATH, ours)


def test_a_right_that_is_taken_away_between_put_and_move_leaves_the_old_record(world):
    first = written(world)
    taken = refusal("AccessDeniedException")
    with (
        Scripted(world.server, lambda request: taken if action(request) == "UpdateSecretVersionStage" else None) as raw,
        pytest.raises(Denied),
    ):
        world.store(endpoint_url=raw.url).write(PATH, a_record(2, before=first))
    assert same(world.store().read(PATH), first)
    assert world.store().write(PATH, a_record(2, before=first)).seq == 2


def test_a_move_that_is_refused_though_nothing_changed_is_no_conflict(world):
    first, late = written(world), refusal("InvalidParameterException")
    with Scripted(world.server, lambda request: late if action(request) == "UpdateSecretVersionStage" else None) as raw:
        with pytest.raises(Unreachable, match="nothing has changed"):
            world.store(endpoint_url=raw.url).write(PATH, a_record(2, before=first))
        assert sum(action(each) == "UpdateSecretVersionStage" for each in raw.requests) == 6


def test_tokens_are_made_of_no_secret(world):
    sent = []
    with Scripted(world.server, sent.append) as raw:
        record = world.store(endpoint_url=raw.url).write(PATH, a_record(1, secret="one secret"))
        world.store(endpoint_url=raw.url).write(PATH, a_record(2, secret="another", before=record))
        tokens = [body(each)["ClientRequestToken"] for each in sent if "ClientRequestToken" in body(each)]
        assert len(set(tokens)) == 2
        sent.clear()
        world.store(endpoint_url=raw.url).write(PATH, a_record(1, secret="a third one, against nothing").but(writes=record.writes))
    assert [body(each)["ClientRequestToken"] for each in sent if "ClientRequestToken" in body(each)] == tokens[:1]


# ---- boto3


def test_the_command_line_does_not_import_boto3_to_read_the_settings():
    code = (
        "import sys; from rotator.stores.aws_secrets_manager import AwsSecretsManager, AwsSecretsManagerSettings;"
        "AwsSecretsManager(AwsSecretsManagerSettings(region='eu-west-1'), None).close();"
        "print({'boto3', 'botocore', 'urllib3'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"


def test_without_boto3_it_says_what_to_install(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(BadInput) as error:
        world.store().read(PATH)
    assert "/path/to/rotator[aws]" in error.value.fix
