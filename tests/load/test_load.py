# ruff: noqa: E501 - a configuration of one spec reads best on one line
from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from load_corpus import CANARY
from load_kit import OWNER, TEAM, spec_of, write_config

from rotator.errors import BadInput
from rotator.load import Invalid, load, load_lenient
from rotator.model import Shape
from rotator.schedule import Cron, Every


def test_a_good_configuration_is_read_as_it_is_meant(plugin_dir, tmp_path):
    loaded = load(write_config(tmp_path), plugin_dirs=[plugin_dir], strict=True)
    two, one, keys = loaded.specs
    assert [each.shape for each in loaded.specs] == [Shape.ALTERNATING, Shape.IN_PLACE, Shape.ISSUE]
    assert two.source == f"{tmp_path}/schedules/orders.yaml:4"
    assert (two.grace, two.soak, two.max_age, two.password.length) == (86400, 0, 90 * 86400, 40)
    assert two.identity.principals == ("app_a", "app_b")
    assert two.identity.endpoint == "db.internal:1"
    assert two.when == Every(30 * 86400)
    assert two.labels == {"tier": "1"}
    assert one.grace == 0
    assert one.when == Every(30 * 86400), "the policy's every"
    assert keys.when == Cron("0 3 1 * *", "Europe/Berlin")
    assert keys.grace == 7 * 86400
    assert [each.place.name for each in keys.places] == ["local", "env"]
    assert keys.places[1].place.keys == {"API_TOKEN": "secret"}
    assert loaded.spec("keys") is keys
    assert loaded.spec("nobody") is None
    assert not loaded.warnings


def test_paths_are_relative_to_the_file_and_not_to_where_one_stands(plugin_dir, tmp_path, monkeypatch):
    write_config(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    config = load(Path(tmp_path.name) / "rotator.yaml", plugin_dirs=[plugin_dir]).config
    assert config.stores["local"].settings.path == str(tmp_path / "var/store")
    assert config.ledger_url == f"sqlite:///{tmp_path}/var/ledger.db"
    assert config.state == tmp_path / "var"
    assert config.root == tmp_path


def test_the_ledger_is_in_the_state_directory_where_nothing_is_said(plugin_dir, tmp_path):
    owner = OWNER.replace("audit:\n  ledger: sqlite:///var/ledger.db\n  required: [ledger]\n", "")
    config = load(write_config(tmp_path, owner), state=tmp_path / "elsewhere", plugin_dirs=[plugin_dir]).config
    assert config.ledger_url == f"sqlite:///{tmp_path}/elsewhere/ledger.db"


@pytest.mark.parametrize("written", ["off", "NO", "22:30", "012", "1e3", "null", "~x", "0x10", "2026-11-24", "yes", "1_000", "=", ".inf"])
def test_a_scalar_stays_what_was_written(written, plugin_dir, tmp_path):
    body = f"    target: {{type: toy_issue, connection: sys, principal: {written}}}\n    store: {{path: a}}\n    when: {{every: 1d}}\n"
    assert spec_of(plugin_dir, tmp_path, body).identity.principals == (written,)


def test_numbers_and_switches_are_read_where_a_model_wants_them(plugin_dir, tmp_path):
    body = '    target: {type: toy_one, connection: sys, username: u, limit: "5", overlapping: true}\n    store: {path: a}\n    when: {every: 1d}\n    retire: yes\n'
    spec = spec_of(plugin_dir, tmp_path, body, OWNER.replace("host: db.internal", "host: db.internal\n    port: 5433\n    tls: off"))
    assert spec.target.settings.limit == 5
    assert spec.shape is Shape.OVERLAPPING
    assert spec.connection.settings.port == 5433
    assert spec.connection.settings.tls is False
    assert spec.retire


def test_windows_line_ends_and_a_byte_order_mark_are_read(plugin_dir, tmp_path):
    file = write_config(tmp_path)
    for path in (file, tmp_path / "schedules" / "orders.yaml"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(load(file, plugin_dirs=[plugin_dir]).specs) == 3


def test_a_configuration_and_its_specs_can_be_handed_to_another_process(plugin_dir, tmp_path):
    loaded = load(write_config(tmp_path), plugin_dirs=[plugin_dir])
    config, specs = pickle.loads(pickle.dumps((loaded.config, loaded.specs)))
    assert config == loaded.config
    assert specs == loaded.specs


def test_a_worker_gets_no_more_of_the_configuration_than_it_needs(plugin_dir, tmp_path):
    loaded = load(write_config(tmp_path), plugin_dirs=[plugin_dir])
    few = loaded.config.only(loaded.spec("keys"))
    assert (list(few.connections), list(few.destinations), list(few.stores)) == (["sys"], ["env"], ["local", "slow"])


def test_the_hash_changes_with_every_file_that_was_read(plugin_dir, tmp_path):
    file = write_config(tmp_path, orders=TEAM)
    first = load(file, plugin_dirs=[plugin_dir]).config.sha256
    assert load(file, plugin_dirs=[plugin_dir]).config.sha256 == first
    (tmp_path / "schedules" / "orders.yaml").write_text(TEAM + "# a comment\n")
    assert load(file, plugin_dirs=[plugin_dir]).config.sha256 != first


def test_all_errors_of_all_files_are_said_at_once_in_order(plugin_dir, tmp_path):
    file = write_config(
        tmp_path, OWNER.replace("host: strict.internal", "hots: x"), a=TEAM.replace("grace: 7d", "grace: 8d"), b="- x\n", c="\x07"
    )
    with pytest.raises(Invalid) as caught:
        load(file, plugin_dirs=[plugin_dir])
    problems = caught.value.problems
    assert {Path(each.file).name for each in problems} == {"rotator.yaml", "a.yaml", "b.yaml", "c.yaml"}
    assert problems == sorted(problems, key=lambda each: (each.file, each.line, each.path))
    assert str(caught.value).count("\n") == len(problems) - 1


def test_a_name_in_two_files_is_said_with_both_places(plugin_dir, tmp_path):
    again = "version: 1\ndefaults: {owner: team, store: {name: local}}\nrotations:\n  keys:\n    target: {type: toy_issue, connection: sys, principal: x}\n    store: {path: x}\n    when: {every: 1d}\n"
    with pytest.raises(Invalid, match=r"again.yaml:4.*|orders.yaml:13: rotations.keys: another spec has this name \(.*again.yaml:4\)"):
        load(write_config(tmp_path, orders=TEAM, again=again), plugin_dirs=[plugin_dir])


def test_one_bad_spec_stops_no_other(plugin_dir, tmp_path):
    file = write_config(tmp_path, orders=TEAM.replace("grace: 7d", "grace: 8d"), torn="rotations: [")
    loaded = load_lenient(file, plugin_dirs=[plugin_dir])
    assert [each.name for each in loaded.specs] == ["alternating", "in-place"]
    assert loaded.left_out == ("keys",)
    assert {Path(each.file).name for each in loaded.problems} == {"orders.yaml", "torn.yaml"}
    assert [each.spec for each in loaded.problems if each.spec] == ["keys"]


def test_a_broken_connection_stops_its_own_specs_only_and_is_said_once(plugin_dir, tmp_path):
    body = "    target: {type: toy_one, connection: strict, username: orders_x}\n    store: {path: orders/x}\n    when: {every: 1d}\n    grace: 0s\n    owner: me\n"
    text = TEAM + "  other:\n" + body
    file = write_config(tmp_path, OWNER.replace("host: strict.internal", "hots: x"), orders=text)
    loaded = load_lenient(file, plugin_dirs=[plugin_dir])
    assert len(loaded.specs) == 3
    assert loaded.left_out == ("other",)
    assert {Path(each.file).name for each in loaded.problems} == {"rotator.yaml"}


@pytest.mark.parametrize("kind", ["toy_broken", "toy_missing", "toy_exit", "toy_abstract", "toy_none"])
def test_a_broken_plugin_stops_its_own_specs_only(kind, plugin_dir, tmp_path):
    text = TEAM + f"  other:\n    target: {{type: {kind}, connection: sys}}\n    store: {{path: orders/x}}\n"
    loaded = load_lenient(write_config(tmp_path, orders=text), plugin_dirs=[plugin_dir])
    assert len(loaded.specs) == 3
    assert [each.spec for each in loaded.problems] == ["other"]
    assert "canary-in-a-plugin" not in str(loaded.problems)


def test_a_place_that_declares_what_cannot_be_used_stops_its_own_specs_only(plugin_dir, tmp_path):
    publish = "    publish:\n      - {destination: second, keys: {API_TOKEN: secret}}\n"
    other = "  other:\n    target: {type: toy_issue, connection: sys, principal: other}\n    store: {path: orders/x}\n"
    owner = OWNER.replace("type: toy_paths", "type: toy_stale")
    loaded = load_lenient(write_config(tmp_path, owner, orders=TEAM + other + publish), plugin_dirs=[plugin_dir])
    assert len(loaded.specs) == 3
    assert [(each.spec, each.text) for each in loaded.problems] == [
        ("other", "one of its plugins declares what cannot be used (TypeError)")
    ]


def test_a_plugin_that_no_spec_names_is_not_imported(plugin_dir, tmp_path):
    sys.modules.pop("toy_needs", None)
    sys.modules.pop("toy_broken", None)
    load(write_config(tmp_path), plugin_dirs=[plugin_dir])
    assert "toy_broken" not in sys.modules


def test_of_two_specs_in_each_others_way_neither_is_used(plugin_dir, tmp_path):
    loaded = load_lenient(write_config(tmp_path, orders=TEAM.replace("username: solo", "username: app_b")), plugin_dirs=[plugin_dir])
    assert [each.name for each in loaded.specs] == ["keys"]
    assert loaded.left_out == ("alternating", "in-place")


@pytest.mark.parametrize("change", [("version: 1\n", "version: 3\n"), ("environment: test", "environment: [x]"), ("limits:", "limit:")])
def test_without_an_owners_file_nothing_goes_on(change, plugin_dir, tmp_path):
    with pytest.raises(Invalid):
        load_lenient(write_config(tmp_path, OWNER.replace(*change, 1)), plugin_dirs=[plugin_dir])


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [("limits:", "limits: [", 28), ("limits:", "limits: &a", 27), ("environment: test", "environment: test\nenvironment: prod", 3)],
)
def test_a_slip_in_the_owners_file_stops_everything(old, new, line, plugin_dir, tmp_path):
    with pytest.raises(Invalid) as caught:
        load_lenient(write_config(tmp_path, OWNER.replace(old, new)), plugin_dirs=[plugin_dir])
    assert line in {each.line for each in caught.value.problems}


def test_a_slip_in_one_entry_of_the_owners_file_stops_its_own_specs(plugin_dir, tmp_path):
    owner = OWNER.replace("host: db.internal", "host: &x db.internal")
    loaded = load_lenient(write_config(tmp_path, owner), plugin_dirs=[plugin_dir])
    assert [(each.line, each.path) for each in loaded.problems] == [(6, "connections.sys.host")]
    assert loaded.specs == ()
    assert len(loaded.left_out) == 3


def test_a_model_of_a_plugin_may_raise_anything(plugin_dir, tmp_path):
    from rotator.load.check import told, validated
    from rotator.load.problems import Notes
    from rotator.settings import Settings

    class Odd(Settings):
        def __init__(self, **_given):
            raise KeyError(CANARY)

        @classmethod
        def model_validate(cls, *_args, **_given):
            raise KeyError(CANARY)

    notes = Notes("f.yaml")
    assert validated(Odd, {"a": CANARY}, notes, ("x",)) is None
    assert str(notes.problems[0]) == "f.yaml:1: its plugin cannot take these settings (KeyError)"
    assert told(BadInput("a `lifetime` is needed", fix="lifetime: 90d"), {"a": CANARY}) == "a `lifetime` is needed. lifetime: 90d"


def test_what_is_not_there_is_said_with_its_name(plugin_dir, tmp_path):
    with pytest.raises(Invalid, match=r"nowhere.yaml:1: this cannot be read .No such file.*rotator init"):
        load(tmp_path / "nowhere.yaml", plugin_dirs=[plugin_dir])
    with pytest.raises(Invalid, match="give their directory with --schedules"):
        load(write_config(tmp_path), tmp_path / "nowhere", plugin_dirs=[plugin_dir])
    with pytest.raises(BadInput, match="is not there"):
        load(write_config(tmp_path), plugin_dirs=[tmp_path / "nowhere"])


def test_a_pipe_is_not_waited_for(plugin_dir, tmp_path):
    import os

    file = write_config(tmp_path)
    os.mkfifo(tmp_path / "schedules" / "pipe.yaml")
    with pytest.raises(Invalid, match=r"pipe.yaml:1: this is no regular file"):
        load(file, plugin_dirs=[plugin_dir])


def test_a_file_with_an_odd_name_is_a_problem_and_its_name_is_not_shown(plugin_dir, tmp_path):
    file = write_config(tmp_path)
    (tmp_path / "schedules" / "a\x1b[2J.yaml").write_text("version: 1\n")
    with pytest.raises(Invalid, match="unusual characters") as caught:
        load(file, plugin_dirs=[plugin_dir])
    assert "\x1b" not in str(caught.value)


def test_another_process_finds_the_drop_ins_by_the_module_path_it_is_given(plugin_dir, tmp_path):
    import multiprocessing

    from rotator.load.plugins import target_class

    spec = load(write_config(tmp_path), plugin_dirs=[plugin_dir]).specs[0]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(target_class, (spec.target.type,)).__name__ == "One"
        assert pool.apply(repr, (spec,)) == repr(spec)


def test_hidden_files_are_left_alone_and_other_things_are_not_read(plugin_dir, tmp_path):
    file = write_config(tmp_path)
    for name in (".#orders.yaml", "README.md", "orders.yaml~"):
        (tmp_path / "schedules" / name).write_text(CANARY)
    (tmp_path / "schedules" / "more").mkdir()
    loaded = load(file, plugin_dirs=[plugin_dir])
    assert [each.text for each in loaded.warnings] == ["directories in here are not read: move the files up"]
