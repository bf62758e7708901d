"""What consumers see: siblings, whose fields are whose, and writers that come late."""

import json
import random
import string

import pytest

from rotator.errors import Denied, Refused
from rotator.model import Place, Secret, same_values
from rotator.testing.records import ODD

KEYS = {"API_USER": "username", "API_TOKEN": "password"}
PLACE = Place("vault", "apps/x", KEYS)
PLAIN = Place("vault", "apps/x")


def fields(n, place=PLAIN):
    return place.values({"username": Secret("app"), "password": Secret(f"password number {n:020d}")})


def random_value(rng, depth=0):
    kinds = ["text", "number", "float", "bool", "null", "list", "map"] if depth < 3 else ["text", "number", "bool"]
    match rng.choice(kinds):
        case "text":
            return "".join(rng.choice(string.printable + ODD) for _ in range(rng.randrange(40)))
        case "number":
            return rng.choice([0, -1, rng.randrange(2**31), 2**53])
        case "float":
            return rng.choice([0.5, -1.25e10])
        case "bool":
            return rng.random() < 0.5
        case "list":
            return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
        case "map":
            return {f"k{n}": random_value(rng, depth + 1) for n in range(rng.randrange(4))}
    return None


@pytest.mark.proof
def test_the_siblings_of_100_random_documents_stay_as_they_are(world):
    rng, store, kept = random.Random(7), world.store(), 0
    for n in range(100):
        place = Place("vault", f"apps/{n}", KEYS)
        others = {f"field {each} é": random_value(rng) for each in range(rng.randrange(1, 8))}
        world.call("POST", f"data/{place.path}", {"data": others})
        before = world.call("GET", f"data/{place.path}")["data"]["data"]
        for generation in (1, 2):
            store.publish(place, fields(generation, place), f"v{generation}", generation)
        after = world.call("GET", f"data/{place.path}")["data"]["data"]
        ours = {key: each.reveal() for key, each in fields(2, place).items()}
        kept += json.dumps(after, sort_keys=True) == json.dumps({**before, **ours}, sort_keys=True)
    assert kept == 100


def test_a_sibling_that_was_written_between_our_look_and_our_patch_is_kept(world, monkeypatch):
    store = world.store()
    world.call("POST", f"data/{PLACE.path}", {"data": {"OTHER": "old"}})
    patch = store._kv.patch

    def late(*args, **named):
        monkeypatch.setattr(store._kv, "patch", patch)
        world.call("POST", f"data/{PLACE.path}", {"data": {"OTHER": "new"}})
        return patch(*args, **named)

    monkeypatch.setattr(store._kv, "patch", late)
    store.publish(PLACE, fields(1, PLACE), "v1", 1)
    shown = world.call("GET", f"data/{PLACE.path}")["data"]["data"]
    assert shown["OTHER"] == "new"
    assert same_values(store.published(PLACE), fields(1, PLACE))


def test_without_keys_what_stood_there_before_us_is_shown_until_we_write_and_kept_after(world):
    world.call("POST", f"data/{PLAIN.path}", {"data": {"username": "app", "password": "by hand", "OTHER": 5}})
    assert set(world.store().published(PLAIN)) == {"username", "password", "OTHER"}
    world.store().publish(PLAIN, fields(1), "v1", 1)
    assert same_values(world.store().published(PLAIN), fields(1))
    assert world.call("GET", f"data/{PLAIN.path}")["data"]["data"]["OTHER"] == 5


@pytest.mark.parametrize("paused", ["get", "_note", "_raise"])
def test_a_late_writer_never_wins_wherever_it_was_paused(world, monkeypatch, paused):
    """It stops after one of its calls; meanwhile the later generation is published; then it goes on."""
    late, fast = world.store(), world.store()
    fast.publish(PLAIN, fields(1), "v1", 1)
    owner = late._kv if paused == "get" else late._places
    original = getattr(owner, paused)

    def pausing(*args, **named):
        result = original(*args, **named)
        monkeypatch.setattr(owner, paused, original)
        fast.publish(PLAIN, fields(3), "v3", 3)
        return result

    monkeypatch.setattr(owner, paused, pausing)
    with pytest.raises(Refused, match="later than 2"):
        late.publish(PLAIN, fields(2), "v2", 2)
    assert same_values(fast.published(PLAIN), fields(3))


def test_a_late_writer_does_not_win_against_an_undo_that_found_its_value_standing(world, monkeypatch):
    late, undo = world.store(), world.store()
    undo.publish(PLAIN, fields(1), "v1", 1)
    write = late._places._write

    def pausing(*args):
        monkeypatch.setattr(late._places, "_write", write)
        undo.publish(PLAIN, fields(1), "v1", 3)
        return write(*args)

    monkeypatch.setattr(late._places, "_write", pausing)
    with pytest.raises(Refused):
        late.publish(PLAIN, fields(2), "v2", 2)
    assert same_values(undo.published(PLAIN), fields(1))


def test_publishing_what_stands_there_makes_no_new_version(world):
    for _ in range(3):
        world.store().publish(PLAIN, fields(1), "v1", 1)
    assert list(world.versions(PLAIN.path)) == ["1"]


def test_a_visible_document_that_somebody_deleted_shows_nothing_and_is_written_again(world):
    store = world.store()
    store.publish(PLAIN, fields(1), "v1", 1)
    world.call("DELETE", f"data/{PLAIN.path}")
    assert store.published(PLAIN) == {}
    store.publish(PLAIN, fields(1), "v1", 1)
    assert same_values(store.published(PLAIN), fields(1))


@pytest.mark.parametrize("path", ["rotator/records/orders/db", "rotator/places/x", "rotator", "../x", "a//b", ""])
def test_a_place_below_our_own_prefix_or_that_is_no_path_is_refused(world, path):
    place = Place("vault", path, KEYS)
    for call in (lambda: world.store().publish(place, fields(1, place), "v1", 1), lambda: world.store().published(place)):
        with pytest.raises(Refused):
            call()


def test_a_document_whose_versions_vanish_by_themselves_is_denied(world):
    world.call("POST", f"metadata/{PLAIN.path}", {"delete_version_after": "1h"})
    with pytest.raises(Denied, match="deletes each version") as error:
        world.store().publish(PLAIN, fields(1), "v1", 1)
    assert "delete-version-after=0s" in error.value.fix


def test_a_document_whose_present_version_vanishes_by_itself_is_denied_before_anything_is_written(world):
    world.call("POST", f"metadata/{PLAIN.path}", {"delete_version_after": "1h"})
    world.call("POST", f"data/{PLAIN.path}", {"data": {"theirs": "x"}})
    with pytest.raises(Denied, match="deletes each version"):
        world.store().publish(PLAIN, fields(1), "v1", 1)
    assert list(world.versions(PLAIN.path)) == []
    assert world.call("GET", f"data/{PLAIN.path}")["data"]["metadata"]["version"] == 1


def test_what_is_no_text_is_shown_as_json(world):
    world.call("POST", f"data/{PLAIN.path}", {"data": {"number": 5, "map": {"a": [True]}}})
    assert {key: each.reveal() for key, each in world.store().published(PLAIN).items()} == {"number": "5", "map": '{"a": [true]}'}


def test_read_as_a_consumer_a_place_that_its_policy_does_not_show_is_denied(world, bao):
    reader = bao.token(f'path "{world.mount}/data/elsewhere" {{ capabilities = ["read"] }}')
    store = world.store(secrets={"READER": reader}, consumer={"token": {"env": "READER"}})
    store.publish(PLAIN, fields(1), "v1", 1)
    with pytest.raises(Denied) as error:
        store.published(PLAIN)
    assert f'path "{world.mount}/data/apps/x" {{ capabilities = ["read"] }}' in error.value.fix
