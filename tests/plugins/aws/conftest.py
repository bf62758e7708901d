"""One moto for all tests of this folder; each test has a user and an admin of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from rotator.model import Credential, Secret
from rotator.settings import EnvRef
from rotator.target import Runtime
from rotator.testing.servers.aws_models import read_once
from rotator.testing.servers.moto import ACCOUNT, REGION, MotoServer
from rotator_aws_iam_key import AwsConnection, IamKey, IamKeySettings
from rotator_aws_iam_key.policy import policy, user_arn

_numbers = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def models() -> Iterator[None]:
    """Each plugin has a session of its own: what AWS's services are is read once."""
    with read_once():
        yield


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    with MotoServer(tmp_path_factory.mktemp("moto") / "access.log") as server:
        yield server


@pytest.fixture
def user(moto: MotoServer) -> str:
    name = f"uploader-{next(_numbers)}"
    moto.create_user(name)
    return name


@pytest.fixture
def admin_name(user: str) -> str:
    return f"rotator-{user}"


@pytest.fixture
def make(moto: MotoServer, user: str, admin_name: str) -> Iterator[Callable[..., IamKey]]:
    """Makes plugins for `user` with an admin that has exactly the printed policy, or the given one."""
    made: list[IamKey] = []

    def build(rights: dict[str, Any] | None = None, *, url: str = moto.url, timeout: float = 10.0, **settings: Any) -> IamKey:
        name = admin_name if not made else f"{admin_name}-{len(made)}"
        key, secret = moto.create_admin(name, rights or policy(ACCOUNT, user, user_arn(ACCOUNT, name)))
        target = settings.pop("target", {"username": user})
        connection = {
            "region": REGION,
            "endpoint_url": url,
            "credentials": {"access_key_id": key, "secret_access_key": {"env": "ADMIN"}},
        }
        runtime = Runtime(reveal=lambda _ref: Secret(secret), now=lambda: datetime.now(UTC), timeout=timeout)
        plugin = IamKey(AwsConnection.model_validate(connection | settings), IamKeySettings.model_validate(target), runtime)
        made.append(plugin)
        return plugin

    yield build
    for plugin in made:
        plugin.close()


@pytest.fixture
def target(make: Callable[..., IamKey]) -> IamKey:
    return make()


def credential(key: tuple[str, str]) -> Credential:
    return Credential(name=key[0], secret=Secret(key[1]))


ENV = EnvRef(env="ADMIN")
