"""A throwaway AWS (IAM, STS, Secrets Manager, Parameter Store): moto's server in a process of its own, with what moto lacks put right.

Out of the box moto lets an Inactive key in, compares a policy's `Resource` with `*` alone, and has no SimulatePrincipalPolicy. The
child process mends the three (`_moto_child.py`), so that a least-privilege policy can be tried exactly as it is printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rotator.testing.servers.base import BARE, Server

ACCOUNT = "123456789012"
REGION = "eu-west-1"
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class MotoServer(Server):
    """IAM, STS and, where asked for, Secrets Manager on a free port of 127.0.0.1, every call authenticated and authorised.

    `access_log`: a file that gets one JSON line per call: action, key id, status; never a body. `simulates`: answer
    SimulatePrincipalPolicy (False: as moto does, with HTTP 500). `secrets`: mend Secrets Manager too; `versions_per_day`: its quota.
    `parameters`: mend Parameter Store too.
    """

    def __init__(
        self, access_log: Path | None = None, *, simulates: bool = True, secrets: bool = False, versions_per_day: int | None = None,
        parameters: bool = False,
    ) -> None:  # fmt: skip
        self._access_log = access_log
        self._options = {"simulates": simulates, "secrets": secrets, "versions_per_day": versions_per_day, "parameters": parameters}
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed in stop()
        self._session: Any = None
        """Kept, for it holds the service models: a client then costs 2 ms, not 90."""
        self.url = ""
        self.admin_key: tuple[str, str] = ("", "")
        self.root: Any = None
        """A boto3 IAM client that may do everything."""

    def start(self) -> None:
        """Start it, and turn on authentication."""
        options = json.dumps({"access_log": str(self._access_log) if self._access_log else None, **self._options})
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", "from rotator.testing.servers._moto_child import main; main()", options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=BARE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"moto's server did not start; is rotator[demo] installed?\n{self._errors.read()[-2000:]}")
        self.url = f"http://127.0.0.1:{int(line)}"
        self.root = self._client("iam", "AKIAIOSFODNN7EXAMPLE", "before-enforcement")
        self.admin_key = self.create_admin("root-of-the-test", _EVERYTHING)
        self.root = self._client("iam", *self.admin_key)
        self._enforce()

    def _enforce(self) -> None:
        """From here on each call needs a live key and a policy. The content type matters: moto answers a form with 500."""
        from urllib.request import Request, urlopen

        request = Request(f"{self.url}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})
        with urlopen(request, timeout=10) as answer:
            answer.read()

    def _client(self, service: str, key: str, secret: str) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10, proxies={})
        self._session = self._session or boto3.Session(region_name=REGION)
        return self._session.client(service, endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret, config=config)

    def client(self, service: str, key: tuple[str, str]) -> Any:
        """A fresh boto3 client of `iam`, `sts`, `secretsmanager` or `ssm` with this key."""
        return self._client(service, *key)

    def create_user(self, name: str, path: str = "/") -> str:
        """A user without key and policy; returns its ARN."""
        arn: str = self.root.create_user(UserName=name, Path=path)["User"]["Arn"]
        return arn

    def create_key(self, user: str) -> tuple[str, str]:
        """A key of that user: id and secret."""
        key = self.root.create_access_key(UserName=user)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def allow(self, user: str, policy: dict[str, Any]) -> None:
        """Give the user this policy, in place of the one given before."""
        self.root.put_user_policy(UserName=user, PolicyName="of-the-test", PolicyDocument=json.dumps(policy))

    def create_admin(self, name: str, policy: dict[str, Any]) -> tuple[str, str]:
        """A user with this policy; returns its key."""
        self.create_user(name)
        self.allow(name, policy)
        return self.create_key(name)

    def keys(self, user: str) -> dict[str, str]:
        """Id -> `Active` or `Inactive` of all keys of the user, asked as root."""
        listed = self.root.list_access_keys(UserName=user)["AccessKeyMetadata"]
        return {each["AccessKeyId"]: each["Status"] for each in listed}

    def stop(self) -> None:
        """End it. May be called twice."""
        super().stop()
        self._errors.close()
