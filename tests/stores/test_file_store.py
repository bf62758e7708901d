import errno
import json
import os
import shutil

import pytest
from pydantic import ValidationError

from rotator import files
from rotator.destination import Place, Runtime, Secret
from rotator.errors import BadInput, Conflict, Corrupt, Denied, Refused, Unreachable
from rotator.stores import file
from rotator.stores.file import FileStore, FileStoreSettings, prepare
from rotator.testing.destination_contract import CANARY, runtime
from rotator.testing.fake_seam import FakeSeam
from rotator.testing.records import a_record, same
from rotator.testing.store_contract import PATH

K1, K2 = "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U=", "MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjI="
PLACE = Place("store", PATH)
VALUES = {"username": Secret("app"), "password": Secret(CANARY)}


def make(path, **extra):
    """A store whose one key is K1."""
    return with_keys(path, runtime(KEY=K1, NEW=K2), key={"env": "KEY"}, **extra)


def with_keys(path, run, *, disk=None, seam=None, **settings):
    return FileStore(FileStoreSettings(path=str(path), **settings), run, disk=disk, seam=seam)


@pytest.fixture
def home(tmp_path):
    prepare(str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def store(home):
    return make(home)


def names_in(path):
    return sorted(each.name for each in path.iterdir())


def rec(home, kind="records", path=PATH):
    return home / kind / f"{path}.rec"


# ---- what lies on the disk


def test_nothing_readable_lies_on_the_disk_and_everything_is_ours_alone(store, home):
    store.publish(PLACE, VALUES, "v1", store.write(PATH, a_record(1)).generation)
    found = list(home.rglob("*"))
    assert sorted(str(each.relative_to(home)) for each in found) == [
        "records", "records/team", "records/team/app.lock", "records/team/app.rec",
        "values", "values/team", "values/team/app.lock", "values/team/app.rec",
    ]  # fmt: skip
    for each in found:
        assert each.stat().st_mode & 0o777 == (0o700 if each.is_dir() else 0o600)
        assert each.is_dir() or CANARY.encode() not in each.read_bytes()
    envelope = json.loads(rec(home).read_text())
    assert list(envelope) == ["v", "kid", "rev", "nonce", "ct"]
    assert (envelope["v"], envelope["kid"], envelope["rev"]) == (1, "k1", 1)


def test_reading_makes_no_file_and_no_directory(store, home):
    store.read(PATH)
    store.published(PLACE)
    store.check()
    assert names_in(home / "records") == names_in(home / "values") == []


def test_prepare_may_be_called_on_a_store_that_holds_something(store, home):
    store.write(PATH, a_record(1))
    prepare(str(home))
    assert store.paths() == [PATH]


def test_prepare_says_where_it_cannot(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(Denied, match=str(tmp_path / "f")):
        prepare(str(tmp_path / "f" / "store"))


def test_what_is_published_again_is_not_written_again(store, home):
    store.publish(PLACE, VALUES, "v1", 1)
    before = rec(home, "values").read_bytes()
    store.publish(PLACE, VALUES, "v1", 1)
    assert rec(home, "values").read_bytes() == before
    store.publish(PLACE, VALUES, "v1", 2)
    assert rec(home, "values").read_bytes() != before


def test_get_reads_values_alone(store, home):
    assert store.values_of(PATH) is None
    store.publish(PLACE, VALUES, "v1", 3)
    shutil.rmtree(home / "records" / "team", ignore_errors=True)
    shown = store.values_of(PATH)
    assert (shown.version, shown.generation, shown.fields["password"].reveal()) == ("v1", 3, CANARY)


def test_a_place_shows_its_own_names_only(store):
    store.publish(PLACE, VALUES, "v1", 1)
    assert list(store.published(Place("store", PATH, {"password": "password"}))) == ["password"]


def test_a_record_that_was_removed_and_made_anew_is_not_taken_for_the_old_one(store, home):
    first = store.write(PATH, a_record(1))
    rec(home).unlink()
    store.write(PATH, a_record(2))
    with pytest.raises(Conflict):
        store.write(PATH, a_record(3, before=first))


def test_paths_passes_over_what_is_none_of_ours(store, home):
    for path in ("b", "team/app", "a.lock", ".hidden/x", "x.rec"):
        store.write(path, a_record(1))
    (home / "records" / "odd name").mkdir()
    (home / "records" / "notes.txt").touch()
    (home / "records" / "link.rec").symlink_to("b.rec")
    (home / "records" / "folder.rec").mkdir()
    assert store.paths() == sorted(["b", "team/app", "a.lock", ".hidden/x", "x.rec"])


def test_the_leftovers_of_killed_writers_are_swept_by_the_next_run(store, home):
    store.write(PATH, a_record(1))
    (home / "records" / "team" / ".app.rec.0123abcd.tmp").touch()
    make(home).write(PATH, a_record(2, before=store.read(PATH)))
    assert names_in(home / "records" / "team") == ["app.lock", "app.rec"]


# ---- paths


@pytest.mark.parametrize("path", ["", ".", "..", "a/../b", "/a", "a/", "a//b", "a b", "a\n", "é", "a\0", "a" * 201, "x.rec/y", "x.lock/y"])
def test_a_path_that_is_none_or_could_be_mistaken_for_our_files_is_refused(store, path):
    for call in (lambda: store.read(path), lambda: store.write(path, a_record(1)), lambda: store.published(Place("store", path))):
        with pytest.raises(Refused) as no:
            call()
        assert no.value.fix


def test_names_that_look_like_ours_do_not_clash(store):
    for n, path in enumerate(["a", "a.rec", "a.lock", ".a.rec.0123abcd.tmp", "a.rec.rec", "-a", "a" * 200], 1):
        store.write(path, a_record(n))
        store.write(path, a_record(n + 100, before=store.read(path)))
    assert len(store.paths()) == 7
    assert store.read("a.rec").current.id == "v102"


# ---- keys


def test_a_new_key_seals_and_the_old_one_still_opens(home, store):
    store.write(PATH, a_record(1))
    run = runtime(KEY=K1, NEW=K2)
    both = with_keys(home, run, keys=[{"id": "k2", "env": "NEW"}, {"id": "k1", "env": "KEY"}])
    assert same(both.read(PATH), a_record(1))
    both.write(PATH, both.read(PATH))
    assert json.loads(rec(home).read_text())["kid"] == "k2"
    assert same(with_keys(home, run, keys=[{"id": "k2", "env": "NEW"}]).read(PATH), a_record(1))
    with pytest.raises(Corrupt, match="not among the store's keys"):
        store.read(PATH)


def test_the_wrong_key_is_corrupt_and_never_empty(home, store):
    store.write(PATH, a_record(1))
    store.publish(PLACE, VALUES, "v1", 1)
    wrong = with_keys(home, runtime(KEY=K2), key={"env": "KEY"})
    before = rec(home).read_bytes()
    for call in (lambda: wrong.read(PATH), lambda: wrong.write(PATH, a_record(2)), lambda: wrong.published(PLACE)):
        with pytest.raises(Corrupt) as no:
            call()
        assert no.value.fix
    with pytest.raises(Corrupt):
        wrong.publish(PLACE, VALUES, "v2", 2)
    assert rec(home).read_bytes() == before
    assert [each.level.value for each in wrong.check()] == ["fail"]


@pytest.mark.parametrize("key", ["", "short", "a2V5", K1[:-4], "!" * 44, K1 + K1])
def test_what_is_no_key_is_bad_input_and_not_told(home, key):
    store = with_keys(home, runtime(KEY=key), key={"env": "KEY"})
    for call in (lambda: store.write(PATH, a_record(1)), store.check):
        with pytest.raises(BadInput, match="openssl rand") as no:
            call()
        assert not key or key not in str(no.value)


def test_a_key_is_read_when_it_is_needed_and_again_after_close(home):
    asked = []
    store = FileStore(
        FileStoreSettings(path=str(home), key={"file": "k"}),
        Runtime(reveal=lambda ref: asked.append(ref) or Secret(K1 + "\n"), now=lambda: None),
    )
    store.read(PATH)
    assert asked == []
    for _ in range(2):
        store.write(PATH, store.read(PATH))
    assert len(asked) == 1
    store.close()
    store.read(PATH)
    assert len(asked) == 2


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"key": {"env": "K"}, "keys": [{"id": "a", "env": "K"}]}, {"keys": []}, {"keys": ["k"]}, {"key": "canary"},
        {"keys": [{"id": "a", "env": "K"}, {"id": "a", "env": "L"}]}, {"keys": [{"env": "K"}]}, {"keys": [{"id": "a"}]},
        {"keys": [{"id": "a", "env": "K", "more": "1"}]},
    ],
)  # fmt: skip
def test_settings_that_name_no_key_or_two_alike_are_refused(settings):
    with pytest.raises(ValidationError) as no:
        FileStoreSettings(path="x", **settings)
    assert "canary" not in str(no.value)


def test_a_relative_path_is_under_the_directory_of_the_configuration():
    settings = FileStoreSettings.model_validate({"path": "var/store", "key": {"file": "k"}}, context={"root": "/etc/rotator"})
    assert settings.path == "/etc/rotator/var/store"
    assert FileStoreSettings(path="/abs", key={"file": "k"}).path == "/abs"
    for bad in ("", "a\0"):
        with pytest.raises(ValidationError):
            FileStoreSettings(path=bad, key={"file": "k"})


# ---- what cannot be trusted


def altered(change):
    return lambda data: json.dumps({**json.loads(data), **change}).encode()


def sealed_as_is(data):
    """A document that opens but is none of ours."""
    from rotator.stores.envelope import Keyring

    ring = Keyring(file.FileStoreSettings(path="x", key={"env": "KEY"}).ring, runtime(KEY=K1).reveal)
    return ring.seal("records", PATH, 1, data)[0]


SPOILT = {
    "empty": lambda _: b"",
    "torn": lambda data: data[: len(data) // 2],
    "zeros": lambda data: b"\0" * len(data),
    "not an object": lambda _: b"[1]",
    "nested without end": lambda _: b"[" * 100_000,
    "one bit": lambda data: data.replace(json.loads(data)["ct"][:8].encode(), b"AAAAAAAA"),
    "another revision": altered({"rev": 2}),
    "another key id": altered({"kid": "k9"}),
    "a newer format": altered({"v": 2}),
    "no key id": altered({"kid": None}),
    "a revision that is no number": altered({"rev": True}),
    "no nonce": altered({"nonce": ""}),
    "a short nonce": altered({"nonce": "AAAA"}),
    "no base64": altered({"ct": "?"}),
    "no text": altered({"ct": 7}),
    "a list sealed": lambda _: sealed_as_is(b"[]"),
    "no JSON sealed": lambda _: sealed_as_is(f'{{"a": "{CANARY}'.encode()),
    "another document sealed": lambda _: sealed_as_is(b'{"format": 1, "nonsense": 2}'),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_record_is_corrupt_never_empty_and_never_overwritten(store, home, spoil):
    store.write(PATH, a_record(1))
    spoilt = spoil(rec(home).read_bytes())
    rec(home).write_bytes(spoilt)
    for call in (lambda: store.read(PATH), lambda: store.write(PATH, a_record(2))):
        with pytest.raises(Corrupt) as no:
            call()
        error = no.value
        while error is not None:
            assert CANARY not in f"{error} {vars(error)} {error.args}"
            error = error.__context__
    assert rec(home).read_bytes() == spoilt
    assert store.check()


def test_a_record_copied_to_another_path_or_shown_as_values_does_not_open(store, home):
    store.write(PATH, a_record(1))
    shutil.copy(rec(home), rec(home, path="team/other"))
    with pytest.raises(Corrupt, match="copied"):
        store.read("team/other")
    (home / "values" / "team").mkdir(mode=0o700)
    shutil.copy(rec(home), rec(home, "values"))
    with pytest.raises(Corrupt, match="copied"):
        store.published(PLACE)


@pytest.mark.parametrize("document", [b"{}", b'{"version": "v", "generation": 1, "fields": 3}'])
def test_values_that_open_but_are_none_of_ours_are_corrupt(store, home, document):
    store.publish(PLACE, VALUES, "v1", 1)
    sealed, _ = store._ring.seal("values", PATH, 1, document)
    rec(home, "values").write_bytes(sealed)
    with pytest.raises(Corrupt, match="remove the file"):
        store.published(PLACE)


# ---- who may get in


@pytest.mark.parametrize(("what", "mode"), [(".", 0o750), ("records", 0o701), ("records/team", 0o770), ("records/team/app.rec", 0o640)])
def test_a_directory_or_file_that_others_may_enter_is_denied_with_the_command(store, home, what, mode):
    store.write(PATH, a_record(1))
    (home / what).chmod(mode)
    for call in (lambda: store.read(PATH), lambda: store.write(PATH, a_record(2))):
        with pytest.raises(Denied, match=rf"chmod [67]00 {home}"):
            call()
    assert store.check()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")
def test_a_file_of_another_user_is_denied(store, home):
    store.write(PATH, a_record(1))
    os.chown(rec(home), 12345, 0)
    with pytest.raises(Denied, match="belongs to user 12345"):
        store.read(PATH)


def test_no_symbolic_link_is_followed_inside_the_store(store, home, tmp_path):
    store.write(PATH, a_record(1))
    (home / "records" / "team").rename(tmp_path / "team")
    (home / "records" / "team").symlink_to(tmp_path / "team")
    for call in (lambda: store.read(PATH), lambda: store.write(PATH, a_record(2))):
        with pytest.raises(Denied, match="symbolic link"):
            call()
    (tmp_path / "team" / "app.rec").rename(tmp_path / "app.rec")
    (home / "records" / "app.rec").symlink_to(tmp_path / "app.rec")
    with pytest.raises(Denied):
        store.read("app")


def test_a_pipe_or_directory_in_the_place_of_a_file_is_denied_and_waits_for_nobody(store, home):
    os.mkfifo(home / "records" / "pipe.rec", 0o600)
    (home / "records" / "folder.rec").mkdir(mode=0o700)
    for path in ("pipe", "folder"):
        with pytest.raises(Denied):
            store.read(path)


def test_a_file_larger_than_any_of_ours_is_refused(store, home):
    (home / "records" / "big.rec").write_bytes(b"x" * (file.ENVELOPE_MOST + 1))
    (home / "records" / "big.rec").chmod(0o600)
    with pytest.raises(Refused):
        store.read("big")


def test_a_store_in_the_path_of_a_file_is_denied(tmp_path):
    (tmp_path / "store").touch()
    with pytest.raises(Denied, match="stands where a directory is meant"):
        make(tmp_path / "store").read(PATH)


def test_a_network_file_system_is_refused_unless_it_is_allowed(home, monkeypatch):
    monkeypatch.setattr(file, "file_system", lambda _fd: "nfs4")
    with pytest.raises(Denied, match="allow_network_fs"):
        make(home).read(PATH)
    assert make(home).check()
    assert make(home, allow_network_fs=True).read(PATH).revision is None


def test_a_lock_that_another_holds_too_long_is_unreachable_before_the_calls_own_deadline(home):
    store = make(home, seam=(seam := FakeSeam()))
    store.write(PATH, a_record(1))
    with files.Folder.open(str(home / "records" / "team")) as folder, folder.lock("app.lock", 1, seam):
        begun = seam.ticks()
        with pytest.raises(Unreachable, match=r"app\.lock") as no:
            store.write(PATH, a_record(2, before=store.read(PATH)))
        assert 8.5 < seam.ticks() - begun < store.runtime.timeout
        assert no.value.code == errno.errorcode[errno.ETIMEDOUT]


def test_check_names_each_trouble_once(home):
    (home / "values").rmdir()
    assert len(make(home).check()) == 1
    (home / "records").rmdir()
    (found,) = make(home).check()
    assert "mkdir" in found.fix


def test_a_values_document_over_the_limit_is_refused(store):
    with pytest.raises(Refused, match="65536"):
        store.publish(PLACE, {"a": Secret("x" * 40_000), "b": Secret("y" * 40_000)}, "v1", 1)
    assert store.published(PLACE) == {}
