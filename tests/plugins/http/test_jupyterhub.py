"""The plugin with its `jupyterhub` preset against the real JupyterHub."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from rotator.errors import Denied, Refused, Rejected, Unfit
from rotator.model import Credential, Level, Secret
from rotator.testing.servers.jupyterhub import HubServer
from rotator_http_token import HttpToken, HttpTokenSettings
from rotator_http_token.presets import JUPYTERHUB
from tests.plugins.http.conftest import connection, runtime

Make = Callable[..., HttpToken]


def codes(target: HttpToken, known: list[Credential] | None = None) -> dict[str, Level]:
    return {each.code: each.level for each in target.check(known or [])}


def test_a_token_lives_from_issue_to_revoke(target: HttpToken, hub: HubServer, user: str) -> None:
    old, new = target.issue("rotation-1"), target.issue("rotation-2")
    assert target.verify(new) == f"{user}:{new.name}"
    assert target.verify(old) == f"{user}:{old.name}"
    target.revoke(old, [new])
    target.revoke(old, [new])
    with pytest.raises(Rejected) as rejected:
        target.verify(old)
    assert rejected.value.code == "403"
    assert target.confirm_dead(old).startswith("403")
    assert hub.ids(user) == {new.name: "rotation-2"}


def test_a_service_with_the_scope_tokens_alone_can_do_it_all(make: Make) -> None:
    target = make("bare")
    token = target.issue("rotation-1")
    assert {each.level for each in target.check([token])} == {Level.OK}
    target.revoke(token, [])
    assert target.confirm_dead(token)


def test_a_service_for_one_user_does_it_there_and_nowhere_else(make: Make, hub: HubServer) -> None:
    hub.create_user("just-one")
    target = make("one-user", "just-one")
    target.revoke(target.issue("rotation-1"), [])
    assert codes(target)["privilege.unproven"] is Level.WARN
    with pytest.raises(Denied):
        make("one-user").issue("rotation-1")


def test_the_list_shows_the_label_so_that_an_orphan_is_known(target: HttpToken) -> None:
    token = target.issue("0192f-rotation")
    assert target.can.labels
    assert [(each.id, each.label) for each in target.live()] == [(token.name, "0192f-rotation")]


def test_an_orphan_is_revoked_without_its_secret(target: HttpToken, hub: HubServer, user: str) -> None:
    orphan = Credential(name=target.issue("rotation-1").name, secret=None)
    target.revoke(orphan, [])
    assert target.confirm_dead(orphan) == "no longer listed"
    assert hub.ids(user) == {}


def test_a_living_token_is_not_confirmed_dead(target: HttpToken) -> None:
    with pytest.raises(Unfit, match="still listed"):
        target.confirm_dead(target.issue("rotation-1"))


def test_a_token_of_another_user_is_unfit(target: HttpToken, hub: HubServer, user: str) -> None:
    hub.create_user(f"other-{user}")
    name, secret = hub.create_token(f"other-{user}")
    with pytest.raises(Unfit, match=f"other-{user}"):
        target.verify(Credential(name=name, secret=Secret(secret)))


def test_a_secret_under_another_id_is_unfit(target: HttpToken) -> None:
    one, other = target.issue("rotation-1"), target.issue("rotation-2")
    with pytest.raises(Unfit, match="not as"):
        target.verify(Credential(name=one.name, secret=other.secret))


def test_a_token_without_the_scope_for_the_probe_is_alive(hub: HubServer, user: str) -> None:
    preset = copy.deepcopy(JUPYTERHUB)
    preset["verify"]["path"] = "/users"
    target = HttpToken(connection(hub.url, tokens=preset), HttpTokenSettings(principal=user), runtime({"admin": hub.tokens["admin"]}))
    name, secret = hub.create_token(user, scopes=["access:servers!user"])
    with pytest.raises(Unfit, match="not allowed what it needs"):
        target.verify(Credential(name=name, secret=Secret(secret)))
    target.close()


def test_what_must_go_on_working_is_not_revoked(target: HttpToken, hub: HubServer, user: str) -> None:
    token = target.issue("rotation-1")
    target.revoke(token, [token])
    assert token.name in hub.ids(user)


def test_the_hub_gives_the_id_of_its_newest_token_again_and_keep_guards_it(target: HttpToken, hub: HubServer, user: str) -> None:
    dead = target.issue("rotation-1")
    target.revoke(dead, [])
    current = target.issue("rotation-2")
    assert current.name == dead.name, "SQLite gives the highest id again"
    target.revoke(dead, [current])
    assert target.verify(current)
    with pytest.raises(Rejected):
        target.verify(dead)


def test_a_lifetime_becomes_the_expiry_of_the_credential(make: Make) -> None:
    target = make(lifetime="12h")
    token = target.issue("rotation-1")
    assert token.expires is not None
    assert abs(token.expires - datetime.now(UTC) - timedelta(hours=12)) < timedelta(minutes=1)
    assert target.lifetime == 43200.0
    assert make().issue("rotation-2").expires is None


def test_an_expired_token_is_dead_and_no_longer_listed(make: Make) -> None:
    import time

    target = make(lifetime="1s")
    token = target.issue("rotation-1")
    time.sleep(1.1)
    assert target.confirm_dead(token).startswith("403")
    target.revoke(token, [])


def test_use_is_told(target: HttpToken) -> None:
    token = target.issue("rotation-1")
    assert target.last_used(token) is None
    target.verify(token)
    used = target.last_used(token)
    assert used is not None
    assert abs(datetime.now(UTC) - used) < timedelta(minutes=1)
    assert target.live()[0].last_used == used
    assert target.live()[0].created is not None


def test_check_is_green_and_changes_nothing(target: HttpToken, hub: HubServer, user: str) -> None:
    assert codes(target) == {"login": Level.OK, "ok": Level.OK}
    assert hub.ids(user) == {}


def test_check_tells_strangers_from_ours_and_accepted_ones(target: HttpToken, hub: HubServer, user: str) -> None:
    name, _ = hub.create_token(user)
    assert codes(target)["stray"] is Level.WARN
    assert "stray" not in codes(target, [Credential(name=name, secret=None)])
    assert "stray" not in {each.code for each in target.check([], [name])}


def test_check_finds_a_user_that_is_missing(make: Make) -> None:
    assert codes(make(principal="nobody"))["principal.missing"] is Level.FAIL
    with pytest.raises(Refused, match="No such user"):
        make(principal="nobody").live()


def test_check_finds_an_admin_that_may_only_read(make: Make) -> None:
    found = [each for each in make("weak").check([]) if each.level is Level.FAIL]
    assert [each.code for each in found] == ["privilege.missing"]
    assert '"tokens"' in str(found[0].fix)
    with pytest.raises(Denied, match="no permissions to generate tokens"):
        make("weak").issue("rotation-1")


def test_an_admin_that_is_not_let_in_is_denied(make: Make, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hub.tokens, "gone", "0" * 48)
    target = make("gone")
    for call in (lambda: target.issue("x"), target.live, lambda: target.check([])):
        with pytest.raises(Denied):
            call()


def test_a_call_relies_on_nothing_an_earlier_one_left(make: Make) -> None:
    token = make().issue("rotation-1")
    fresh = make()
    fresh.close()
    fresh.close()
    assert fresh.verify(token)
    fresh.close()
    fresh.revoke(token, [])
    assert fresh.live() == []


def test_the_clock_is_that_of_the_hub(target: HttpToken) -> None:
    told = target.clock()
    assert told is not None
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)


def test_no_log_of_ours_or_of_the_hub_holds_a_secret(target: HttpToken, hub: HubServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        token = target.issue("rotation-1")
        target.verify(token)
        target.live()
        target.revoke(token, [])
    assert token.secret is not None
    for secret in (token.secret.reveal(), hub.tokens["admin"]):
        assert secret not in caplog.text
        assert secret not in hub.log


@pytest.mark.proof
def test_the_hub_leaves_no_process_and_no_file_behind() -> None:
    with HubServer() as server:
        folder, pid = server.folder, server._process.pid
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
