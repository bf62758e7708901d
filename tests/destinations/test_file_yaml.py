"""A YAML mapping of which some keys are ours."""

import random

import pytest
import yaml

from rotator.destination import Foreign, Place, Secret
from rotator.destinations.file import File, FileSettings
from rotator.testing.destination_contract import DestinationContract, runtime

PLACE = Place("app-config", "", {"user": "username", "token": "password"})
NEW = {"user": Secret("app_b"), "token": Secret("n\"e: #\\'\x7fü😀")}
TOKEN = '"n\\"e: #\\\\\'\\x7Fü\\U0001F600"'


class TestYaml(DestinationContract):
    holds_generation = False
    text = "# theirs\nother: 1.10  # kept\nlist:\n- &one a\n- *one\n"

    @pytest.fixture
    def destination(self, tmp_path):
        self.path = tmp_path / "secrets.yaml"
        return lambda: File(FileSettings(path=str(self.path), format="yaml"), runtime())

    @pytest.fixture
    def place(self):
        return PLACE

    @pytest.fixture
    def misplaced(self, tmp_path):
        return File(FileSettings(path=str(tmp_path / "nowhere" / "secrets.yaml"), format="yaml"), runtime())

    def add_sibling(self, place):
        self.path.write_text(self.text)
        return lambda: self.path.read_text().startswith(self.text)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "it.yaml"


def make(path):
    return File(FileSettings(path=str(path), format="yaml"), runtime())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f'user: "app_b"\ntoken: {TOKEN}\n'),
        ("# one day\n", f'# one day\nuser: "app_b"\ntoken: {TOKEN}\n'),
        ("user: a # who\nx: 012\n", f'user: "app_b" # who\nx: 012\ntoken: {TOKEN}\n'),
        ("token:\nuser: ~", f'token: {TOKEN}\nuser: "app_b"'),
        ("token: ''\r\nx: {token: theirs}\r\n", f'token: {TOKEN}\r\nx: {{token: theirs}}\r\nuser: "app_b"\r\n'),
        ("{token: 'old', a: [1, 2]}\n", f'{{token: {TOKEN}, a: [1, 2], user: "app_b"}}\n'),
        ("{a: 1,}", f'{{a: 1,user: "app_b", token: {TOKEN}}}'),
        ("  x: |+\n    lines\n\n", f'  x: |+\n    lines\n\n  user: "app_b"\n  token: {TOKEN}\n'),
        ("--- # here\nuser: a\n  b\ny: off\n", f'--- # here\nuser: "app_b"\ny: off\ntoken: {TOKEN}\n'),
    ],
)
def test_our_keys_are_set_where_they_stand_or_at_the_end(path, before, after):
    path.write_bytes(before.encode())
    make(path).publish(PLACE, NEW, "v1", 1)
    assert path.read_bytes().decode() == after
    assert {key: each.reveal() for key, each in make(path).published(PLACE).items()} == {key: each.reveal() for key, each in NEW.items()}
    told = yaml.safe_load(after)
    assert {key: told[key] for key in NEW} == {key: each.reveal() for key, each in NEW.items()}


def test_a_key_that_readers_take_for_a_truth_value_is_quoted(path):
    place = Place("app-config", "", {"on": "password"})
    path.write_text("on: false\n")
    make(path).publish(place, {"on": Secret("value")}, "v1", 1)
    assert path.read_text() == 'on: false\n"on": "value"\n'


def lines(rng):
    """A document as people write them."""
    kinds = [
        "plain: text",
        'quoted: "a\\tb"  # why',
        "'k y': 'it''s'",
        "number: 1.10",
        "block: |\n  two\n   lines",
        "folded: >-\n  a\n\n  b",
        "list:\n- a\n- {b: [1, 2]}",
        "map:\n  user: theirs\n  deeper:\n    token: theirs",
        "anchor: &a [1]",
        "empty:",
        "? long\n: value",
    ]
    chosen = rng.sample(kinds, rng.randint(0, len(kinds)))
    chosen += rng.sample(["token: old", "user: 'old'  # ours", "token: "], 1) if rng.random() < 0.6 else []
    rng.shuffle(chosen)
    if "anchor: &a [1]" in chosen:
        chosen.append("alias: *a")
    comments = ["", "", "# a comment", "\n"]
    return "".join(f"{rng.choice(comments)}\n{each}\n" if rng.random() < 0.4 else f"{each}\n" for each in chosen)


def test_siblings_stay_byte_for_byte_in_100_of_100_random_documents(path):
    kept = 0
    for seed in range(100):
        before = lines(random.Random(seed))
        path.write_text(before)
        make(path).publish(PLACE, NEW, "v1", 1)
        after = path.read_text()
        theirs = [each for each in before.splitlines() if not each.startswith(("token:", "user:"))]
        assert [each for each in after.splitlines() if not each.startswith(("token:", "user:"))] == theirs
        told, was = yaml.safe_load(after), yaml.safe_load(before) or {}
        assert {key: told.pop(key) for key in NEW} == {key: each.reveal() for key, each in NEW.items()}
        assert told == {key: value for key, value in was.items() if key not in NEW}
        kept += 1
    assert kept == 100


@pytest.mark.parametrize(
    "text",
    [
        "- a\n",
        "text",
        "a: [\n",
        "a: 1\n---\nb: 2\n",
        "a: 1\n...\n",
        "user: a\nuser: b\n",
        "token: 7\n",
        "token: yes\n",
        "token: [a]\n",
        "token: |\n  a\n",
        "x: &x a\ntoken: *x\n",
        "token: &x a\ny: *x\n",
        "token: !vault a\n",
        "[" * 9999,
        "a: \x01\n",
    ],
)
def test_a_file_of_which_nobody_can_tell_what_is_ours_is_foreign_and_stays(path, text):
    path.write_text(text)
    for call in (lambda: make(path).publish(PLACE, NEW, "v1", 1), lambda: make(path).published(PLACE)):
        with pytest.raises(Foreign) as no:
            call()
        assert "n\\" not in str(no.value)
    assert path.read_text() == text


def test_where_a_key_cannot_be_added_without_another_the_file_stays_and_it_is_said(path):
    text = "{a: 1 # last\n}\n"
    path.write_text(text)
    with pytest.raises(Foreign, match="no key can be set without another"):
        make(path).publish(PLACE, NEW, "v1", 1)
    assert path.read_text() == text
