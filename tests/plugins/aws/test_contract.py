"""The laws of the target contract on moto."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rotator.model import Credential, Secret
from rotator.target import Runtime
from rotator.testing.issue_contract import IssueBench, IssueTargetContract
from rotator.testing.servers.moto import ACCOUNT, REGION, MotoServer
from rotator.testing.servers.relay import Relay
from rotator.testing.target_contract import AdminIs
from rotator_aws_iam_key import AwsConnection, IamKey, IamKeySettings
from rotator_aws_iam_key.policy import policy, user_arn

_numbers = itertools.count()


class MotoBench(IssueBench):
    driver, timeout = "boto3", 1.0

    def __init__(self, moto: MotoServer, relay: Relay) -> None:
        self.moto, self.relay, number = moto, relay, next(_numbers)
        self.user, self.admin, self.weak = f"app-{number}", f"rotator-{number}", f"weak-{number}"
        moto.create_user(self.user)
        rights = policy(ACCOUNT, self.user, user_arn(ACCOUNT, self.admin))
        self.few = policy(ACCOUNT, self.user, user_arn(ACCOUNT, self.weak))
        self.few["Statement"][0]["Action"] = ["iam:ListAccessKeys"]
        self.keys = {"good": moto.create_admin(self.admin, rights), "weak": moto.create_admin(self.weak, self.few)}
        self.keys["wrong"] = (self.keys["good"][0], "x" * 40)
        name, secret = moto.create_key(self.user)
        self.current = Credential(name=name, secret=Secret(secret))

    def make_target(self, *, timeout: float = 10.0, fence: int = 1, admin: AdminIs = "good") -> IamKey:
        key, secret = self.keys[admin]
        connection = {
            "region": REGION,
            "endpoint_url": f"http://127.0.0.1:{self.relay.port}",
            "credentials": {"access_key_id": key, "secret_access_key": {"env": "ADMIN"}},
        }
        runtime = Runtime(reveal=lambda _ref: Secret(secret), now=lambda: datetime.now(UTC), timeout=timeout, fence=fence)
        return IamKey(AwsConnection.model_validate(connection), IamKeySettings(username=self.user), runtime)

    def logs_in(self, credential: Credential) -> bool:
        assert credential.secret is not None
        try:
            self.moto.client("sts", (credential.name, credential.secret.reveal())).get_caller_identity()
        except ClientError:
            return False
        return True

    def state(self) -> object:
        return self.moto.keys(self.user)

    def remove(self, credential: Credential) -> None:
        self.moto.root.delete_access_key(UserName=self.user, AccessKeyId=credential.name)

    def paste(self, fix: str) -> None:
        self.few["Statement"].append(json.loads(fix))
        self.moto.allow(self.weak, self.few)

    def down(self) -> AbstractContextManager[object]:
        return self.relay.down()

    def frozen(self) -> AbstractContextManager[object]:
        return self.relay.frozen()


class TestIamKey(IssueTargetContract):
    @pytest.fixture
    def bench(self, moto: MotoServer) -> Iterator[Any]:
        with Relay(int(moto.url.rpartition(":")[2])) as relay:
            yield MotoBench(moto, relay)
