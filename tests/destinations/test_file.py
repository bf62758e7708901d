"""A JSON object of which some keys are ours, and a file that is one value."""

import json
import random

import pytest

from rotator.destination import Denied, Foreign, Place, Refused, Secret
from rotator.destinations.file import File, FileSettings
from rotator.testing.destination_contract import DestinationContract, runtime

PLACE = Place("web-config", "", {"user": "username", "token": "password"})
ONE = Place("api-token", "", {"value": "password"})
NEW = {"user": Secret("app_b"), "token": Secret('n"ew\\ü')}


class Beside(DestinationContract):
    holds_generation = False
    text = '{"other": 1.10, "big": 12345678901234567890.50,\n\n   "list": [1,2 ,3] }'

    @pytest.fixture
    def destination(self, tmp_path):
        self.path = tmp_path / "secrets.json"
        return lambda: File(FileSettings(path=str(self.path), format="json"), runtime())

    @pytest.fixture
    def place(self):
        return PLACE

    @pytest.fixture
    def misplaced(self, tmp_path):
        return File(FileSettings(path=str(tmp_path / "nowhere" / "secrets.json"), format="json"), runtime())

    def add_sibling(self, place):
        self.path.write_text(self.text)
        return lambda: self.path.read_text().startswith(self.text[:-2])


class TestJson(Beside):
    pass


def make(path, **settings):
    return File(FileSettings(path=str(path), **settings), runtime())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "it"


# ---- JSON


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "user": "app_b",\n  "token": "n\\"ew\\\\ü"\n}\n'),
        ("{}", '{"user": "app_b", "token": "n\\"ew\\\\ü"}'),
        ('{"user": "a", "x": 1}', '{"user": "app_b", "x": 1, "token": "n\\"ew\\\\ü"}'),
        ('{\n    "x" : 1e2,\n    "token":null\n}\n', '{\n    "x" : 1e2,\n    "token":"n\\"ew\\\\ü",\n    "user":"app_b"\n}\n'),
        ('{"a":{"token": "theirs"}}', '{"a":{"token": "theirs"},"user":"app_b","token":"n\\"ew\\\\ü"}'),
        ('{"\\u0075ser": "a", "token": "b"}', '{"\\u0075ser": "app_b", "token": "n\\"ew\\\\ü"}'),
    ],
)
def test_our_members_are_set_where_they_stand_or_at_the_end_in_the_style_of_the_file(path, before, after):
    path.write_text(before)
    make(path, format="json").publish(PLACE, NEW, "v1", 1)
    assert path.read_text() == after
    assert {key: each.reveal() for key, each in make(path, format="json").published(PLACE).items()} == {"user": "app_b", "token": 'n"ew\\ü'}


def a_value(rng, deep=0):
    kinds = ["text", "number", "word"] + (["list", "object"] if deep < 3 else [])
    match rng.choice(kinds):
        case "text":
            return json.dumps("".join(rng.choice('aé"\\\n{}[],: 🔑') for _ in range(rng.randint(0, 8))), ensure_ascii=rng.random() < 0.5)
        case "number":
            return rng.choice(["0", "-1.50", "1E400", "12345678901234567890.123", "1e-7"])
        case "word":
            return rng.choice(["true", "false", "null"])
        case "list":
            return f"[{','.join(space(rng) + a_value(rng, deep + 1) + space(rng) for _ in range(rng.randint(0, 3)))}]"
    return an_object(rng, [f"k{each}" for each in range(rng.randint(0, 3))], deep + 1)


def an_object(rng, keys, deep=0):
    members = [f'{space(rng)}"{key}"{space(rng)}:{space(rng)}{a_value(rng, deep)}{space(rng)}' for key in keys]
    return "{" + (",".join(members) or space(rng)) + "}"


def space(rng):
    return "".join(rng.choice([" ", "\n", "\t", "\r\n"]) for _ in range(rng.choice([0, 0, 1, 3])))


def test_siblings_stay_byte_for_byte_in_100_of_100_random_documents(path):
    kept = 0
    for seed in range(100):
        rng = random.Random(seed)
        before = an_object(rng, [f"key{each}" for each in range(rng.randint(0, 6))])
        path.write_bytes(before.encode())
        make(path, format="json").publish(PLACE, NEW, "v1", 1)
        after = path.read_bytes().decode()
        assert after.startswith(before[:-1].rstrip() if "key0" in before else "{")
        told = json.loads(after, parse_float=str)
        assert (told.pop("user"), told.pop("token")) == ("app_b", 'n"ew\\ü')
        assert told == json.loads(before, parse_float=str)
        kept += 1
    assert kept == 100


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "{",
        '{"a": 1,}',
        '{"a": 1} x',
        "{'a': 1}",
        '{"a" 1}',
        "{a: 1}",
        "nothing",
        '{"user": "a", "user": "b"}',
        '{"token": 7}',
        "[" * 9999,
    ],
)
def test_a_file_of_which_nobody_can_tell_what_is_ours_is_foreign_and_stays(path, text):
    path.write_text(text)
    for call in (lambda: make(path, format="json").publish(PLACE, NEW, "v1", 1), lambda: make(path, format="json").published(PLACE)):
        with pytest.raises(Foreign) as no:
            call()
        assert "ew" not in str(no.value).replace("newer", "")
    assert path.read_text() == text


# ---- one raw value


@pytest.mark.parametrize(("newline", "end"), [(False, ""), (True, "\n")])
def test_a_raw_file_is_the_value_and_nothing_else(path, newline, end):
    path.write_text("what stood there\n")
    raw = make(path, format="raw", newline=newline, mode="0640")
    raw.publish(ONE, {"value": Secret("s3cret")}, "v1", 1)
    assert path.read_text() == "s3cret" + end
    assert path.stat().st_mode & 0o777 == 0o640
    assert raw.published(ONE)["value"].reveal() == "s3cret"


def test_a_raw_file_that_is_not_there_or_is_empty_shows_nothing(path):
    assert make(path, format="raw").published(ONE) == {}
    path.write_text("")
    assert make(path, format="raw").published(ONE) == {}


def test_a_newline_that_somebody_added_is_another_value(path):
    path.write_text("s3cret\n")
    assert make(path, format="raw").published(ONE)["value"].reveal() == "s3cret\n"


@pytest.mark.parametrize("keys", [{"a": "username", "b": "password"}, {"token": "password"}, {}])
def test_a_raw_file_takes_one_key_of_one_name(path, keys):
    with pytest.raises(Refused, match="one value"):
        make(path, format="raw").publish(Place("p", "", keys), {"value": Secret("x")}, "v1", 1)
    assert not path.exists()


def test_a_symbolic_link_is_not_replaced(path, tmp_path):
    real = tmp_path / "real"
    real.write_text("old")
    path.symlink_to(real)
    with pytest.raises(Denied, match="symbolic link"):
        make(path, format="raw").publish(ONE, {"value": Secret("x")}, "v1", 1)
    assert real.read_text() == "old"
