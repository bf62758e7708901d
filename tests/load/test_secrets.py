from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from load_kit import OWNER, TEAM, write_config

from rotator.errors import BadInput
from rotator.load import Invalid, load, refuse_unready
from rotator.load.secrets import Revealer, references
from rotator.settings import EnvRef, FileRef, StoreRef
from rotator.testing.destination_contract import told_by


@pytest.fixture
def loaded(plugin_dir, tmp_path):
    return load(write_config(tmp_path), plugin_dirs=[plugin_dir])


@pytest.fixture
def revealer(loaded):
    return Revealer(loaded.config)


@pytest.fixture
def secret_file(loaded):
    (loaded.config.root / "secrets").mkdir(mode=0o700)
    path = loaded.config.root / "secrets" / "admin"
    path.write_text("from-file\n")
    path.chmod(0o600)
    return path


def test_a_variable_is_read_at_the_moment_of_use(revealer, monkeypatch):
    for value in ("one", "two"):
        monkeypatch.setenv("TOY_ADMIN", value)
        revealer.check(EnvRef(env="TOY_ADMIN"))
        assert revealer.reveal(EnvRef(env="TOY_ADMIN")).reveal() == value


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_said_by_its_name(value, revealer, monkeypatch):
    monkeypatch.delenv("TOY_ADMIN", raising=False)
    if value is not None:
        monkeypatch.setenv("TOY_ADMIN", value)
    for look in (revealer.check, revealer.reveal):
        with pytest.raises(BadInput, match="TOY_ADMIN is not set, or empty"):
            look(EnvRef(env="TOY_ADMIN"))


def test_a_file_is_read_relative_to_the_owners_file_less_one_line_break(revealer, secret_file, monkeypatch, tmp_path):
    monkeypatch.chdir("/")
    revealer.check(FileRef(file="secrets/admin"))
    assert revealer.reveal(FileRef(file="secrets/admin")).reveal() == "from-file"
    assert revealer.reveal(FileRef(file=str(secret_file))).reveal() == "from-file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_may_read_or_write_is_refused_with_the_mend(mode, revealer, secret_file):
    secret_file.chmod(mode)
    for look in (revealer.check, revealer.reveal):
        with pytest.raises(BadInput, match="chmod 600") as caught:
            look(FileRef(file="secrets/admin"))
        assert "from-file" not in str(caught.value)


@pytest.mark.parametrize("content", ["", None])
def test_an_empty_or_missing_file_is_refused(content, revealer, secret_file):
    secret_file.unlink()
    if content is not None:
        secret_file.touch(mode=0o600)
    for look in (revealer.check, revealer.reveal):
        with pytest.raises(BadInput, match="secrets/admin"):
            look(FileRef(file="secrets/admin"))


def test_a_field_of_a_store_is_read_as_its_consumers_read_it(revealer):
    ref = StoreRef(store="local", path="admin/token", field="field")
    revealer.check(ref)
    assert revealer.reveal(ref).reveal() == "from-store"
    with pytest.raises(BadInput, match="store local shows no field other at admin/token"):
        revealer.reveal(StoreRef(store="local", path="admin/token", field="other"))
    for look in (revealer.check, revealer.reveal):
        with pytest.raises(BadInput, match="names the store nowhere"):
            look(StoreRef(store="nowhere", path="a", field="f"))


def test_a_variable_that_is_no_text_is_refused_before_any_port_could_carry_it(revealer, monkeypatch):
    monkeypatch.setitem(os.environb, b"TOY_ADMIN", b"canary-\xff-x")
    for look in (revealer.check, revealer.reveal):
        with pytest.raises(BadInput, match="TOY_ADMIN is no UTF-8 text") as caught:
            look(EnvRef(env="TOY_ADMIN"))
        assert "canary" not in told_by(caught.value)


def test_a_field_of_a_store_that_is_no_text_is_refused_before_any_port_could_carry_it(revealer):
    with pytest.raises(BadInput, match="field half of store local at admin/token is no UTF-8 text") as caught:
        revealer.reveal(StoreRef(store="local", path="admin/token", field="half"))
    assert "canary" not in told_by(caught.value)


def test_references_are_found_however_deep():
    from rotator_http_token import HttpConnection

    made = HttpConnection(
        base_url="https://x", secrets={"admin": {"env": "A"}}, auth={"value": "token {secrets.admin}"}, tokens="jupyterhub"
    )
    assert list(references((made, [EnvRef(env="B")]))) == [EnvRef(env="A"), EnvRef(env="B")]


def test_whatever_acts_learns_of_every_reference_that_cannot_be_read(plugin_dir, tmp_path, monkeypatch):
    monkeypatch.delenv("TOY_ADMIN", raising=False)
    extra = "  strict:\n    target: {type: toy_one, connection: strict, username: orders_x}\n    store: {path: orders/x}\n    grace: 0s\n"
    loaded = load(write_config(tmp_path, orders=TEAM + extra), plugin_dirs=[plugin_dir])
    with pytest.raises(Invalid) as caught:
        refuse_unready(loaded)
    assert [(each.line, each.path) for each in caught.value.problems] == [(4, "connections.sys"), (9, "connections.strict")]
    with pytest.raises(Invalid) as caught:
        refuse_unready(loaded, [loaded.spec("strict")])
    assert len(caught.value.problems) == 1


def test_a_secret_file_that_others_may_read_is_a_warning_of_validate(plugin_dir, tmp_path):
    file = write_config(tmp_path, OWNER)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "admin").write_text("x")
    (tmp_path / "secrets" / "admin").chmod(0o644)
    assert ["0644" in each.text for each in load(file, plugin_dirs=[plugin_dir]).warnings] == [True]


def test_a_configuration_holds_no_secret(loaded, monkeypatch):
    monkeypatch.setenv("TOY_ADMIN", "canary-in-the-environment")
    assert "canary-in-the-environment" not in repr(dataclasses.asdict(loaded.config))
