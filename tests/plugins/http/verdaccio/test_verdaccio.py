"""The plugin with its `verdaccio` preset against the real verdaccio: the laws of the target contract, and whole rotations."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from rotator.errors import Exit, Refused, Rejected, Unfit
from rotator.model import Credential, Level, Secret
from rotator.testing.issue_contract import IssueBench, IssueTargetContract
from rotator.testing.servers.relay import Relay
from rotator.testing.target_contract import AdminIs
from rotator_http_token import HttpConnection, HttpToken, HttpTokenSettings
from tests.plugins.http.conftest import runtime
from tests.plugins.http.verdaccio.server import LOCK, VerdaccioServer, missing
from tests.plugins.rotation import Rotations

_numbers = itertools.count()
_missing = missing()
needs_node = pytest.mark.skipif(_missing is not None, reason=_missing or "")


@pytest.fixture(scope="module")
def server() -> Iterator[VerdaccioServer]:
    with VerdaccioServer() as started:
        yield started


@pytest.fixture
def user(server: VerdaccioServer) -> str:
    name = f"billing-{next(_numbers)}"
    server.create_user(name)
    return name


SETTLE = {"appears": "1s", "disappears": "2s", "streak": 1, "every": "1s"}


def plugin(server: VerdaccioServer, user: str, *, url: str = "", password: str = "", settle: Any = (), **lent: Any) -> HttpToken:
    connection = HttpConnection.model_validate(
        {
            "base_url": url or server.url,
            "secrets": {"password": {"env": "password"}},
            "auth": {"basic": {"username": user, "password": "password"}},
            "tokens": "verdaccio",
            "settle": dict(settle),
        }
    )
    used = runtime({"password": password or server.passwords[user]}, lent.pop("timeout", 5.0))
    return HttpToken(connection, HttpTokenSettings(principal=user), replace(used, **lent))


class VerdaccioBench(IssueBench):
    driver, timeout = "httpx", 0.5

    def __init__(self, server: VerdaccioServer, relay: Relay, user: str) -> None:
        self.server, self.relay, self.user = server, relay, user
        name, secret = server.create_token(user)
        self.current = Credential(name=name, secret=Secret(secret))

    def make_target(self, *, timeout: float = 10.0, fence: int = 1, admin: AdminIs = "good") -> HttpToken:
        if admin == "weak":
            self.lacks("weak admin: each user may mint its own tokens")
        password = "" if admin == "good" else "0" * 32
        return plugin(self.server, self.user, url=f"http://127.0.0.1:{self.relay.port}", password=password, timeout=timeout, fence=fence)

    def logs_in(self, credential: Credential) -> bool:
        assert credential.secret is not None
        return self.server.works(self.user, credential.secret.reveal())

    def state(self) -> object:
        return self.server.ids(self.user)

    def remove(self, credential: Credential) -> None:
        self.server.call("DELETE", f"/-/npm/v1/tokens/token/{credential.name}", login=self.server._as(self.user))

    def down(self) -> AbstractContextManager[object]:
        return self.relay.down()

    def frozen(self) -> AbstractContextManager[object]:
        return self.relay.frozen()


@needs_node
class TestVerdaccio(IssueTargetContract):
    @pytest.fixture
    def bench(self, server: VerdaccioServer, user: str) -> Iterator[Any]:
        with Relay(server.port) as relay:
            yield VerdaccioBench(server, relay, user)


@needs_node
def test_a_rotation_ends_with_one_new_token_and_the_old_one_dead(server: VerdaccioServer, user: str) -> None:
    old = server.create_token(user)
    make: Callable[[], HttpToken] = lambda: plugin(server, user, settle=SETTLE)  # noqa: E731 - one line says it
    rotations = Rotations(make)
    rotations.adopt(old)
    assert rotations.run(forced=True, named=True).exit is Exit.DONE
    assert server.works(user, old[1]), "the old one lives until grace is over"
    rotations.until_rest()
    current = rotations.record.current
    assert current is not None
    assert current.credential.secret is not None
    assert server.works(user, current.credential.secret.reveal())
    assert not server.works(user, old[1])
    assert server.ids(user) == [current.credential.name]
    for secret in (old[1], current.credential.secret.reveal(), server.passwords[user]):
        assert secret not in rotations.events
        assert secret not in server.written


@needs_node
def test_a_bogus_token_gets_200_and_is_dead_all_the_same(server: VerdaccioServer, user: str) -> None:
    assert server.call("GET", "/-/whoami", login="Bearer bogus") == {}
    with pytest.raises(Rejected) as rejected:
        plugin(server, user).verify(Credential(name="x", secret=Secret("bogus")))
    assert rejected.value.code == "200"


@needs_node
def test_a_token_of_another_user_is_unfit(server: VerdaccioServer, user: str) -> None:
    server.create_user(f"other-{user}")
    name, secret = server.create_token(f"other-{user}")
    with pytest.raises(Unfit, match=f"other-{user}"):
        plugin(server, user).verify(Credential(name=name, secret=Secret(secret)))


@needs_node
def test_the_list_knows_times_and_no_labels(server: VerdaccioServer, user: str) -> None:
    target = plugin(server, user)
    made = target.issue("rotation-1")
    assert not target.can.labels
    assert [(each.id, each.created is not None, each.label) for each in target.live()] == [(made.name, True, None)]
    assert {each.code: each.level for each in target.check([made])} == {"login": Level.OK, "privilege.unproven": Level.WARN}


@needs_node
def test_what_verdaccio_says_about_a_wrong_body_is_shown(server: VerdaccioServer, user: str) -> None:
    target = plugin(server, user)
    create = target.connection.tokens.create.model_copy(update={"json_body": {"password": "x", "readonly": "no", "cidr_whitelist": []}})
    tokens = target.connection.tokens.model_copy(update={"create": create})
    with pytest.raises(Refused, match="the parameters are not valid"):
        HttpToken(target.connection.model_copy(update={"tokens": tokens}), target.config, target.runtime).issue("x")


def test_the_npm_lock_has_a_hash_for_every_package_and_names_no_place_to_fetch_from() -> None:
    text = (LOCK / "package-lock.json").read_text()
    lock = json.loads(text)
    assert [name for name, each in lock["packages"].items() if name and not each.get("integrity", "").startswith("sha512-")] == []
    assert not re.search(r"://|\"resolved\"", text)
    wanted = json.loads((LOCK / "package.json").read_text())["dependencies"]
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in wanted} == wanted
