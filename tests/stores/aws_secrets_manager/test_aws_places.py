"""What consumers see: siblings, whose fields are whose, writers that come late, replicas, and secrets that another rotates."""

import json
import random
import string
import threading

import pytest
from aws_world import PATH, PLACE, Scripted, action, fields

from rotator.errors import Denied, Foreign, Refused, Unreachable
from rotator.jsontext import members, spliced
from rotator.model import Level, Place, Secret, same_values
from rotator.testing.records import ODD, a_record
from rotator.testing.servers.raw import Answer

KEYED = Place("aws", PATH, {"API_USER": "username", "API_TOKEN": "password"})


def random_value(rng, depth=0):
    kinds = ["text", "number", "bool", "null", "list", "map"] if depth < 3 else ["text", "number", "bool"]
    match rng.choice(kinds):
        case "text":
            return json.dumps(
                "".join(rng.choice(string.printable + ODD) for _ in range(rng.randrange(40))), ensure_ascii=rng.random() < 0.5
            )
        case "number":
            return rng.choice(["0", "-1", "1.10", "1e400", "12345678901234567890", "-0.0", "1E+2"])
        case "bool":
            return rng.choice(["true", "false"])
        case "list":
            return "[" + blank(rng).join(["", ",".join(random_value(rng, depth + 1) for _ in range(rng.randrange(4))), ""]) + "]"
        case "map":
            return "{" + ", ".join(f'"k{n}" :{random_value(rng, depth + 1)}' for n in range(rng.randrange(4))) + "}"
    return "null"


def blank(rng):
    return "".join(rng.choice(" \t\n\r") for _ in range(rng.randrange(3)))


def random_document(rng, ours):
    """Members in any order, ours among them or not, with any blanks. Returns its pieces and which of them are values of ours."""
    names = [f"field {n} é" for n in range(rng.randrange(7))] + [each for each in ours if rng.random() < 0.5]
    rng.shuffle(names)
    parts = [f"{blank(rng)}{json.dumps(name)}{blank(rng)}:{blank(rng)}" for name in names]
    return [(name, part, random_value(rng), blank(rng)) for name, part in zip(names, parts, strict=True)]


def text_of(document, **ours):
    return "{" + ",".join(part + ours.get(name, value) + end for name, part, value, end in document) + "}"


def kept_siblings(world, *, through_the_store):
    """Of 100 random documents, how many are the same to the byte but for our values. `through_the_store`: every so-manieth."""
    rng, store, kept, names = random.Random(7), world.store(), 0, ("API_USER", "API_TOKEN")
    world.root().create_secret(Name=PATH, SecretString="{}")
    for n in range(100):
        document, ours = random_document(rng, names), {key: each.reveal() for key, each in fields(n, KEYED).items()}
        if n % through_the_store == 0:
            world.root().put_secret_value(SecretId=PATH, SecretString=text_of(document))
            store.publish(KEYED, fields(n, KEYED), f"v{n}", n)
            after = world.value()
        else:
            after = spliced(text_of(document), ours)
        wanted = text_of(document, **{key: json.dumps(each) for key, each in ours.items()})
        whole = {*names} <= {each[0] for each in document}
        assert json.loads(after).items() >= ours.items()
        kept += after == wanted if whole else after.startswith(wanted.removesuffix("}").rstrip(" \t\n\r"))
    return kept


@pytest.mark.proof
def test_the_siblings_of_100_random_documents_stay_as_they_are_to_the_byte(world):
    assert kept_siblings(world, through_the_store=5) == 100


@pytest.mark.soak
def test_the_siblings_of_100_random_secrets_stay_as_they_are_to_the_byte(world):
    assert kept_siblings(world, through_the_store=1) == 100


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", '"x"', "{", "{}x", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", '{"a":1 "b":2}', "{'a':1}", '{"a":1}{}', "null", '{"a":[1}'],
)
def test_what_is_no_json_object_is_not_edited(text):
    for call in (lambda: members(text), lambda: spliced(text, {"a": "b"})):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{"a": "é"}'),
        (" { } ", ' {"a": "é" } '),
        ('{"a":1.10,"b":2}', '{"a":"é","b":2}'),
        ('{"a":1,"a":2}', '{"a":"é","a":"é"}'),
        ('{"b": {"a": 1}}', '{"b": {"a": 1}, "a": "é"}'),
        ('{\n "b": "}"\n}\n', '{\n "b": "}",\n "a": "é"\n}\n'),
        ('{"\\u0061":1}', '{"\\u0061":"é"}'),
    ],
)
def test_only_our_members_change(before, after):
    assert spliced(before, {"a": "é"}) == after


def test_the_value_before_stays_awsprevious(world):
    world.store().publish(KEYED, fields(1, KEYED), "v1", 1)
    world.store().publish(KEYED, fields(2, KEYED), "v2", 2)
    assert json.loads(world.value(stage="AWSPREVIOUS"))["API_TOKEN"] == fields(1, KEYED)["API_TOKEN"].reveal()


def test_a_sibling_that_was_written_between_our_look_and_our_move_is_kept(world):
    world.root().create_secret(Name=PATH, SecretString='{"OTHER": "old"}')
    late = []

    def wrong(request):
        if action(request) == "UpdateSecretVersionStage" and not late and b"places" not in request.body:
            late.append(world.root().put_secret_value(SecretId=PATH, SecretString='{"OTHER": "new"}'))

    with Scripted(world.server, wrong) as raw:
        world.store(endpoint_url=raw.url).publish(KEYED, fields(1, KEYED), "v1", 1)
    assert late
    assert json.loads(world.value())["OTHER"] == "new"
    assert same_values(world.store().published(KEYED), fields(1, KEYED))


def test_without_keys_what_stood_there_before_us_is_shown_until_we_write_and_kept_after(world):
    world.root().create_secret(Name=PATH, SecretString='{"username": "app", "password": "by hand", "port": 5432, "ratio": 1.10}')
    assert {name: each.reveal() for name, each in world.store().published(PLACE).items()} == {
        "username": "app",
        "password": "by hand",
        "port": "5432",
        "ratio": "1.10",
    }
    world.store().publish(PLACE, fields(1), "v1", 1)
    assert same_values(world.store().published(PLACE), fields(1))
    assert '"port": 5432, "ratio": 1.10' in world.value()


@pytest.mark.parametrize("paused", ["head", "_note", "_raise"])
def test_a_late_writer_never_wins_wherever_it_was_paused(world, monkeypatch, paused):
    """It stops after one of its calls; meanwhile the later generation is published; then it goes on."""
    late, fast = world.store(), world.store()
    fast.publish(PLACE, fields(1), "v1", 1)
    owner = late._secrets if paused == "head" else late._places
    original = getattr(owner, paused)

    def pausing(*args, **named):
        result = original(*args, **named)
        monkeypatch.setattr(owner, paused, original)
        fast.publish(PLACE, fields(3), "v3", 3)
        return result

    monkeypatch.setattr(owner, paused, pausing)
    with pytest.raises(Refused, match="later than 2"):
        late.publish(PLACE, fields(2), "v2", 2)
    assert same_values(fast.published(PLACE), fields(3))


def test_a_late_writer_does_not_win_against_an_undo_that_found_its_value_standing(world, monkeypatch):
    late, undo = world.store(), world.store()
    undo.publish(PLACE, fields(1), "v1", 1)
    replace, seen = late._places._replace, []

    def pausing(name, *args):
        if name == PATH and not seen:
            seen.append(undo.publish(PLACE, fields(1), "v1", 3))
        return replace(name, *args)

    monkeypatch.setattr(late._places, "_replace", pausing)
    with pytest.raises(Refused):
        late.publish(PLACE, fields(2), "v2", 2)
    assert same_values(undo.published(PLACE), fields(1))


def test_a_late_writer_does_not_win_against_one_that_was_killed_between_its_two_writes(world, monkeypatch):
    killed, done = world.store(), []
    replace = killed._places._replace

    def once(*args):
        if done:
            raise KeyboardInterrupt
        done.append(replace(*args))
        return done[-1]

    monkeypatch.setattr(killed._places, "_replace", once)
    with pytest.raises(KeyboardInterrupt):
        killed.publish(PLACE, fields(3), "v3", 3)
    with pytest.raises(Refused, match="later than 2"):
        world.store().publish(PLACE, fields(2), "v2", 2)
    world.store().publish(PLACE, fields(3), "v3", 3)
    assert same_values(world.store().published(PLACE), fields(3))


def test_publishing_what_stands_there_makes_no_new_version(world):
    for _ in range(3):
        world.store().publish(PLACE, fields(1), "v1", 1)
    assert len(world.labels(PATH)) == 1
    assert len(world.labels(f"{world.prefix}/places/{PATH}")) == 1


def test_a_token_that_stands_for_other_values_is_replaced_by_a_fresh_one(world):
    """The move of the first try never came, and the second one has other values under the same names."""
    world.timeout = 0.6
    world.root().create_secret(Name=PATH, SecretString="{}")
    lost = Answer(drop=True)
    with (
        Scripted(world.server, lambda request: lost if action(request) == "UpdateSecretVersionStage" else None) as raw,
        pytest.raises(Unreachable),
    ):
        world.store(endpoint_url=raw.url).publish(PLACE, fields(1), "v1", 1)
    world.timeout = 10
    world.store().publish(PLACE, fields(2), "v1", 1)
    assert same_values(world.store().published(PLACE), fields(2))


def test_an_empty_secret_that_somebody_made_is_filled(world):
    world.root().create_secret(Name=PATH)
    assert world.store().published(PLACE) == {}
    world.store().publish(PLACE, fields(1), "v1", 1)
    assert same_values(world.store().published(PLACE), fields(1))


def test_a_value_put_back_by_hand_is_replaced_again(world):
    world.store().publish(PLACE, fields(1), "v1", 1)
    world.root().put_secret_value(SecretId=PATH, SecretString='{"username": "app"}')
    world.store().publish(PLACE, fields(1), "v1", 1)
    assert same_values(world.store().published(PLACE), fields(1))


@pytest.mark.parametrize("path", ["records/orders/db", "places/x", ""])
def test_a_place_below_our_own_prefix_is_refused(world, path):
    place = Place("aws", f"{world.prefix}/{path}".rstrip("/"), KEYED.keys)
    for call in (lambda: world.store().publish(place, fields(1, place), "v1", 1), lambda: world.store().published(place)):
        with pytest.raises(Refused, match="lies below"):
            call()


def test_a_note_that_is_none_of_ours_is_foreign_and_its_command_removes_it(world):
    world.root().create_secret(Name=f"{world.prefix}/places/{PATH}", SecretString="x")
    for call in (lambda: world.store().publish(PLACE, fields(1), "v1", 1), lambda: world.store().published(PLACE)):
        with pytest.raises(Foreign, match="none of ours") as no:
            call()
    command = no.value.fix.split("`")[1]
    assert command.startswith("aws secretsmanager delete-secret --force-delete-without-recovery --secret-id ")
    world.root().delete_secret(SecretId=command.rpartition(" ")[2], ForceDeleteWithoutRecovery=True)
    world.store().publish(PLACE, fields(1), "v1", 1)
    assert same_values(world.store().published(PLACE), fields(1))


@pytest.mark.parametrize(
    "value",
    [{"SecretString": "plain text"}, {"SecretBinary": b"\x00\x01"}, {"SecretString": '{"a":' + "[" * 60000}],
    ids=["text", "binary", "deep"],
)
def test_a_secret_that_is_no_json_object_is_refused_and_left_alone(world, value):
    world.root().create_secret(Name=PATH, **value)
    for call in (lambda: world.store().publish(PLACE, fields(1), "v1", 1), lambda: world.store().published(PLACE)):
        with pytest.raises(Refused, match="have no place") as error:
            call()
        assert "`whole`" in error.value.fix
    assert len(world.labels(PATH)) == 1


def test_whole_shows_one_field_as_the_whole_secret(world):
    place, store = Place("aws", PATH, {"token": "password"}), world.store(whole=True)
    assert store.published(place) == {}
    world.root().create_secret(Name=PATH, SecretString="by hand")
    assert store.published(place)["token"].matches(Secret("by hand"))
    store.publish(place, {"token": Secret("value number one")}, "v1", 1)
    assert world.value() == "value number one"
    assert same_values(store.published(place), {"token": Secret("value number one")})
    with pytest.raises(Refused, match="one field"):
        store.publish(PLACE, fields(1), "v2", 2)


def everything():
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def test_what_would_grow_too_large_is_refused_and_nothing_is_written(world):
    world.root().create_secret(Name=PATH, SecretString=json.dumps({"OTHER": "x" * 65500}))
    with pytest.raises(Refused, match="more than 65536"):
        world.store().publish(PLACE, fields(1), "v1", 1)
    assert len(world.labels(PATH)) == 1


# ---- secrets that another owns


def rotate(world):
    world.root().create_secret(Name=PATH, SecretString='{"password": "theirs"}')
    world.root().rotate_secret(SecretId=PATH, RotationRules={"AutomaticallyAfterDays": 7}, RotateImmediately=False)


def test_a_secret_that_aws_rotates_is_denied_and_told_before_the_first_publish(world):
    rotate(world)
    before = world.labels(PATH)
    store = world.store()
    with pytest.raises(Denied, match="rotated by Secrets Manager itself") as error:
        store.publish(PLACE, fields(1), "v1", 1)
    assert f"cancel-rotate-secret --secret-id {PATH}" in error.value.fix
    assert world.labels(PATH) == before
    assert [each.level for each in store.check() if "two rotations" in each.text] == [Level.FAIL]


def test_a_secret_that_is_scheduled_for_deletion_is_denied_and_comes_back(world):
    store = world.store()
    store.publish(PLACE, fields(1), "v1", 1)
    world.root().delete_secret(SecretId=PATH)
    for call in (lambda: store.publish(PLACE, fields(2), "v2", 2), lambda: store.published(PLACE)):
        with pytest.raises(Denied, match="scheduled for deletion") as error:
            call()
        assert "restore-secret" in error.value.fix
    assert [each.level for each in store.check() if "scheduled for deletion" in each.text] == [Level.FAIL]
    world.root().restore_secret(SecretId=PATH)
    store.publish(PLACE, fields(2), "v2", 2)


def test_a_secret_of_another_service_is_denied(world):
    world.root().create_secret(Name=PATH, SecretString="{}", Tags=[{"Key": "aws:secretsmanager:owningService", "Value": "rds"}])
    with pytest.raises(Denied, match="belongs to the service rds"):
        world.store().publish(PLACE, fields(1), "v1", 1)


# ---- a second region


OTHER = "eu-central-1"


@pytest.fixture
def replicated(world):
    world.server.allow(world.user, everything())
    world.root().create_secret(Name=PATH, SecretString="{}", AddReplicaRegions=[{"Region": OTHER}])
    yield world
    world.root().remove_regions_from_replication(SecretId=PATH, RemoveReplicaRegions=[OTHER])


def test_a_replica_is_waited_for_and_never_written(replicated):
    replicated.timeout = 1.5
    replica = replicated.store(region=OTHER, replica=True)
    begun = threading.Timer(0.3, lambda: replicated.store().publish(KEYED, fields(1, KEYED), "v1", 1))
    begun.start()
    replica.publish(KEYED, fields(1, KEYED), "v1", 1)
    begun.join()
    assert same_values(replica.published(KEYED), fields(1, KEYED))
    with pytest.raises(Unreachable, match="does not show it yet"):
        replica.publish(KEYED, fields(2, KEYED), "v2", 2)
    assert same_values(replica.published(KEYED), fields(1, KEYED))
    assert not [each for each in replica.check() if each.level is Level.FAIL]


def test_a_replica_that_is_not_said_to_be_one_is_denied(replicated):
    with pytest.raises(Denied, match="is a replica of a secret in eu-west-1") as error:
        replicated.store(region=OTHER).publish(KEYED, fields(1, KEYED), "v1", 1)
    assert "replica: true" in error.value.fix


def test_a_replica_keeps_no_records(replicated):
    replica = replicated.store(region=OTHER, replica=True)
    for call in (lambda: replica.read(PATH), lambda: replica.write(PATH, a_record(1)), replica.paths):
        with pytest.raises(Denied, match="keeps no records"):
            call()
