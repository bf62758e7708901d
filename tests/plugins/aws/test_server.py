"""What the tests demand of moto: each mend has a test that fails when it no longer applies."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from rotator.testing.servers.moto import ACCOUNT, MotoServer


def _code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_an_inactive_key_is_refused_and_comes_back(moto: MotoServer, user: str) -> None:
    key = moto.create_key(user)
    moto.root.update_access_key(UserName=user, AccessKeyId=key[0], Status="Inactive")
    with pytest.raises(ClientError) as refused:
        moto.client("sts", key).get_caller_identity()
    assert _code(refused) == "InvalidClientTokenId"
    moto.root.update_access_key(UserName=user, AccessKeyId=key[0], Status="Active")
    assert moto.client("sts", key).get_caller_identity()["Arn"].endswith(f"user/{user}")


def test_a_policy_for_one_user_does_not_reach_another(moto: MotoServer, user: str) -> None:
    rights = {"Effect": "Allow", "Action": "iam:ListAccessKeys", "Resource": f"arn:aws:iam::{ACCOUNT}:user/{user}"}
    admin = moto.create_admin(f"narrow-{user}", {"Version": "2012-10-17", "Statement": [rights]})
    iam = moto.client("iam", admin)
    assert iam.list_access_keys(UserName=user)["AccessKeyMetadata"] == []
    with pytest.raises(ClientError) as refused:
        iam.list_access_keys(UserName=f"narrow-{user}")
    assert _code(refused) == "AccessDenied"


def test_keys_are_checked_at_all(moto: MotoServer) -> None:
    with pytest.raises(ClientError) as refused:
        moto.client("sts", ("AKIAXXXXXXXXXXXXXXXX", "x" * 40)).get_caller_identity()
    assert _code(refused) == "InvalidClientTokenId"


def test_the_access_log_names_actions_and_holds_no_body(moto: MotoServer, user: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    key = moto.create_key(user)
    log = next(tmp_path_factory.getbasetemp().glob("moto*/access.log")).read_text()
    assert json.loads(log.splitlines()[-1])["action"] == "CreateAccessKey"
    assert key[1] not in log
    assert user not in log


def test_the_server_leaves_no_process_behind(tmp_path: Path) -> None:
    with MotoServer(tmp_path / "log") as server:
        pid = server._process.pid
    assert server._process is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
