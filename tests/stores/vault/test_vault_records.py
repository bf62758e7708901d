"""Records: the mount is proven, old versions are gone, and what somebody else did there is never taken for empty."""

import json
import subprocess
import sys

import pytest

from rotator.errors import Conflict, Corrupt, Denied, Refused
from rotator.testing.records import ODD, a_record, same

PATH = "orders/db"
KEY = f"rotator/records/{PATH}"


def written(world, count):
    record = a_record(1)
    for n in range(1, count + 1):
        record = world.store().write(PATH, record if n == 1 else a_record(n, before=record))
    return record


def test_a_record_is_one_text_field_so_that_no_number_is_spoilt(world):
    world.store().write(PATH, a_record(secret=ODD))
    found = world.call("GET", f"data/{KEY}")["data"]["data"]
    assert list(found) == ["record"]
    assert json.loads(found["record"])["current"]["credential"]["secret"] == ODD


def test_a_record_that_was_replaced_cannot_be_read_any_more(world):
    written(world, 5)
    assert list(world.versions(KEY)) == ["5"]
    about = world.call("GET", f"metadata/{KEY}")["data"]
    assert (about["cas_required"], about["max_versions"]) == (True, 1)


def test_a_mount_that_keeps_versions_keeps_none_of_a_record(world, bao):
    world.mount = bao.mount(max_versions=4)
    written(world, 6)
    assert list(world.versions(KEY)) == ["6"]


def test_old_versions_that_a_killed_run_left_are_destroyed_by_the_next_write(world, bao, monkeypatch):
    world.mount = bao.mount(max_versions=4)
    killed = world.store()
    monkeypatch.setattr(killed._records, "_tidy", lambda *_: None)
    record = killed.write(PATH, a_record(2, before=killed.write(PATH, a_record(1))))
    assert list(world.versions(KEY)) == ["1", "2"]
    world.store().write(PATH, a_record(3, before=record))
    assert list(world.versions(KEY)) == ["3"]


def test_a_key_that_would_let_the_record_vanish_is_put_right(world):
    record = written(world, 1)
    world.call("POST", f"metadata/{KEY}", {"delete_version_after": "1h", "max_versions": 9, "cas_required": False})
    world.store().write(PATH, a_record(2, before=record))
    about = world.call("GET", f"metadata/{KEY}")["data"]
    assert (about["delete_version_after"], about["max_versions"], about["cas_required"]) == ("0s", 1, True)


def test_nobody_else_writes_a_record_without_check_and_set(world):
    written(world, 1)
    with pytest.raises(OSError, match="400"):
        world.call("POST", f"data/{KEY}", {"data": {"record": "{}"}})


@pytest.mark.parametrize("how", ["delete", "destroy"])
def test_a_record_that_somebody_deleted_is_corrupt_and_never_empty(world, how):
    record = written(world, 2)
    if how == "delete":
        world.call("DELETE", f"data/{KEY}")
    else:
        world.call("POST", f"destroy/{KEY}", {"versions": [2]})
    with pytest.raises(Corrupt, match="deleted by somebody else") as error:
        world.store().read(PATH)
    assert "undelete" in error.value.fix
    assert world.store().paths() == [PATH]
    with pytest.raises(Corrupt):
        world.store().write(PATH, a_record(9))
    if how == "delete":
        world.call("POST", f"undelete/{KEY}", {"versions": [2]})
        assert same(world.store().read(PATH), record)


@pytest.mark.parametrize(
    "data", [{"record": "not json"}, {"record": "[]"}, {"record": "{}"}, {"other": "x"}, {"record": "{}", "more": 1}, {}]
)
def test_a_document_of_somebody_else_is_corrupt_and_never_empty(world, data):
    world.call("POST", f"data/{KEY}", {"data": data})
    with pytest.raises(Corrupt):
        world.store().read(PATH)


def test_a_key_that_has_settings_and_no_version_is_empty_and_can_be_created(world):
    world.call("POST", f"metadata/{KEY}", {"max_versions": 3})
    assert world.store().read(PATH).revision is None
    assert same(written(world, 1), world.store().read(PATH))


def test_paths_are_found_in_all_folders_and_nowhere_else(world):
    store = world.store()
    for path in ("b", "a/b/c", "a/b", "a.b/d"):
        store.write(path, a_record(1))
    world.call("POST", "data/apps/a", {"data": {}})
    assert world.store().paths() == ["a.b/d", "a/b", "a/b/c", "b"]


def test_two_namespaces_with_one_path_are_two_records(world, bao):
    for name in ("north", "south"):
        bao.call("POST", f"sys/namespaces/{name}", {})
    mounts = {name: bao.mount(namespace=name) for name in ("north", "south")}
    north, south = (world.store(namespace=name, mount=mount) for name, mount in mounts.items())
    north.write(PATH, a_record(1))
    assert south.read(PATH).revision is None
    with pytest.raises(Denied):
        world.store(namespace="south", mount=mounts["north"]).read(PATH)


# ---- the mount


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda bao: bao.mount(version=1), "not KV version 2"),
        (lambda bao: bao.mount(delete_version_after="1h"), "would vanish"),
        (lambda _: "cubbyhole", "not KV version 2"),
        (lambda _: "nowhere", "no such mount"),
        (lambda bao: bao.mount() + "/below", "the mount there is"),
    ],
    ids=["kv version 1", "vanishing", "another engine", "no mount", "below a mount"],
)
def test_a_mount_that_is_not_what_it_should_be_is_denied_before_anything_is_written(world, bao, make, says):
    mount = make(bao)
    store = world.store(mount=mount)
    for call in (lambda: store.read(PATH), lambda: store.write(PATH, a_record(1)), store.paths):
        with pytest.raises(Denied, match=says) as error:
            call()
        assert error.value.fix
    assert [each.text for each in store.check() if says in each.text]
    if says != "no such mount":
        listed = bao.call("GET", f"sys/internal/ui/mounts/{mount}")["data"]["path"].strip("/")
        with pytest.raises(OSError, match="404"):
            bao.call("GET", f"{listed}/rotator/records/{PATH}" if "version 2" in says else f"{listed}/data/{KEY}")


def test_a_path_that_is_none_is_refused(world):
    for path in ("../x", "a/../b", "a//b", "/a", "a/", "", "a b", "a?b", "a%2fb"):
        with pytest.raises(Refused):
            world.store().read(path)


def test_a_stale_chain_conflicts_also_after_the_record_was_deleted_and_made_anew(world):
    first = written(world, 1)
    second = world.store().write(PATH, a_record(2, before=first))
    world.call("DELETE", f"metadata/{KEY}")
    world.store().write(PATH, a_record(7))
    with pytest.raises(Conflict):
        world.store().write(PATH, a_record(3, before=second))


def test_the_command_line_imports_neither_hvac_nor_requests_to_read_the_settings():
    code = (
        "import sys; from rotator.stores.vault import VaultSettings, VaultStore;"
        "VaultStore(VaultSettings(address='https://v', auth={'token': {'env': 'T'}}), None).close();"
        "print({'hvac', 'requests', 'urllib3'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
