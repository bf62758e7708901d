"""Writes that nobody answers, and other corners: scripted between the store and the real server."""

import sys

import pytest
from vault_world import PATH, PLACE, Scripted, fields

from rotator.errors import BadInput, Conflict, Denied, Foreign, Unreachable
from rotator.model import Secret, same_values
from rotator.testing.fake_seam import FakeSeam
from rotator.testing.records import a_record, same
from rotator.testing.servers.raw import Answer, json_answer


def writes(request):
    return request.method == "POST" and "/data/rotator/records/" in request.path


class Gateway(Scripted):
    """Answers 502 to every write of a record, the first of which `lands` or not; `between` happens after it."""

    def __init__(self, bao, *, lands, between=lambda: None):
        self.tried = 0
        self.lands, self.between = lands, between
        super().__init__(bao, self.answer_to)

    def answer_to(self, request):
        if not writes(request):
            return None
        self.tried += 1
        if self.tried == 1:
            self.wrong, wrong = (lambda _: None), self.wrong
            if self.lands:
                self.pass_on(request)
            self.between()
            self.wrong = wrong
        return json_answer({"errors": ["bad gateway"]}, 502)


def test_where_no_try_is_answered_one_read_tells_that_it_landed(world, bao):
    world.timeout = 2.5
    first = world.store().write(PATH, a_record(1))
    with Gateway(bao, lands=True) as gateway:
        written = world.store(address=gateway.url).write(PATH, a_record(2, before=first))
    assert gateway.tried > 2
    assert written.revision == 2
    assert same(world.store().read(PATH), written)


def test_where_no_try_is_answered_and_none_landed_it_stays_unknown(world, bao):
    world.timeout = 2.5
    first = world.store().write(PATH, a_record(1))
    with Gateway(bao, lands=False) as gateway, pytest.raises(Unreachable):
        world.store(address=gateway.url).write(PATH, a_record(2, before=first))
    assert same(world.store().read(PATH), first)


def test_where_no_try_is_answered_and_another_was_faster_it_is_a_conflict(world, bao):
    world.timeout = 2.5
    first = world.store().write(PATH, a_record(1))
    gateway = Gateway(bao, lands=False, between=lambda: world.store().write(PATH, a_record(7, before=first)))
    with gateway, pytest.raises(Conflict):
        world.store(address=gateway.url).write(PATH, a_record(2, before=first))


@pytest.mark.parametrize(("others", "error"), [(16, None), (17, Unreachable)])
def test_after_more_writes_than_the_record_remembers_nobody_can_tell_and_it_is_no_conflict(world, bao, others, error):
    first = world.store().write(PATH, a_record(1))
    ours, store, cut = a_record(2, before=first), world.store(), []

    def wrong(request):
        if not writes(request) or cut:
            return None
        cut.append(request)
        scripted.pass_on(request)
        record = store.read(PATH)
        for n in range(others - 1):
            record = store.write(PATH, a_record(100 + n, before=record))
        return Answer(drop=True)

    with Scripted(bao, wrong) as scripted:
        lossy = world.store(address=scripted.url)
        if error is None:
            assert lossy.write(PATH, ours).revision == first.revision, "it landed, and cannot overwrite those that followed"
            return
        for _ in range(2):
            with pytest.raises(Unreachable, match="nobody can tell"):
                lossy.write(PATH, ours)


def test_a_mount_that_begins_to_delete_by_itself_is_told_at_the_next_write(world):
    store = world.store()
    record = store.write(PATH, a_record(1))
    world.call("POST", "config", {"delete_version_after": "1h"})
    with pytest.raises(Denied, match="will delete it by itself"):
        store.write(PATH, a_record(2, before=record))


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (json_answer({"errors": ["unsupported operation"]}, 405), Denied, "does not know this call"),
        (json_answer({"errors": ["Upgrading from non-versioned to versioned data."]}, 400), Unreachable, "being upgraded"),
        (json_answer({"errors": ["anything else"]}, 400), Exception, "bad request"),
    ],
    ids=["no PATCH", "upgrading", "bad request"],
)
def test_a_patch_that_the_server_does_not_take_says_why(world, bao, answer, error, says):
    world.call("POST", f"data/{PATH}", {"data": {"OTHER": "kept"}})
    with Scripted(bao, lambda request: answer if request.method == "PATCH" else None) as raw, pytest.raises(error, match=says):
        world.store(address=raw.url).publish(PLACE, fields(1), "v1", 1)


def test_a_place_that_others_change_at_each_try_is_unreachable_in_time(world, bao):
    world.seam = FakeSeam()
    world.call("POST", f"data/{PATH}", {"data": {"n": 0}})

    def wrong(request):
        if request.method == "PATCH":
            world.call("POST", f"data/{PATH}", {"data": {"n": 1}})

    began = world.seam.ticks()
    with Scripted(bao, wrong) as raw, pytest.raises(Unreachable, match="others changed it at each of"):
        world.store(address=raw.url).publish(PLACE, fields(1), "v1", 1)
    assert world.timeout / 2 < world.seam.ticks() - began < world.timeout


def test_a_patch_that_landed_under_a_502_is_seen(world, bao):
    world.call("POST", f"data/{PATH}", {"data": {"OTHER": "kept"}})
    lost = []

    def wrong(request):
        if request.method != "PATCH" or lost:
            return None
        lost.append(request)
        scripted.pass_on(request)
        return json_answer({}, 502)

    with Scripted(bao, wrong) as scripted:
        world.store(address=scripted.url).publish(PLACE, fields(1), "v1", 1)
    assert world.call("GET", f"data/{PATH}")["data"]["metadata"]["version"] == 2


def test_a_note_that_is_none_of_ours_is_foreign_and_its_command_removes_it(world, bao):
    world.call("POST", f"data/rotator/places/{PATH}", {"data": {"place": "x"}})
    for call in (lambda: world.store().publish(PLACE, fields(1), "v1", 1), lambda: world.store().published(PLACE)):
        with pytest.raises(Foreign, match="none of ours") as no:
            call()
    command = no.value.fix.split("`")[1]
    bao.bao(*command.split()[1:])
    world.store().publish(PLACE, fields(1), "v1", 1)
    assert same_values(world.store().published(PLACE), fields(1))


def test_a_login_that_gives_no_token_is_denied(world, bao):
    auth = {"approle": {"role_id": "r", "secret_id": {"env": "ID"}}}
    mfa = json_answer({"auth": {"client_token": "", "mfa_requirement": {}}})
    with Scripted(bao, lambda request: mfa if "login" in request.path else None) as raw, pytest.raises(Denied, match="no token came back"):
        world.store(address=raw.url, auth=auth, secrets={"ID": Secret("x")}).read(PATH)


def test_without_hvac_it_says_what_to_install(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "hvac.adapters", None)
    with pytest.raises(BadInput) as error:
        world.store().read(PATH)
    assert "/path/to/rotator[vault]" in error.value.fix


def test_a_certificate_of_our_own_is_shown_and_its_key_must_be_ours_alone(world, bao, tmp_path):
    tls = {"ca": str(bao.ca_file), "cert": str(bao.folder / "server.pem"), "key": str(tmp_path / "key")}
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text((bao.folder / "server.key").read_text())
    assert world.store(address=bao.tls_url, tls=tls).read(PATH).revision is None
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(BadInput):
        world.store(address=bao.tls_url, tls=tls).read(PATH)
