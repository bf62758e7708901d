"""A moto with Secrets Manager, an admin of each test, and stores on it; and a server between the two that answers some calls itself."""

import itertools
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rotator.model import Place, Secret
from rotator.seam import Seam
from rotator.store import Runtime
from rotator.stores.aws_secrets_manager import AwsSecretsManager, AwsSecretsManagerSettings
from rotator.stores.aws_secrets_manager.policy import Policy, document
from rotator.testing.destination_contract import CANARY
from rotator.testing.servers.moto import ACCOUNT, REGION, MotoServer
from rotator.testing.servers.raw import Answer, RawServer

PATH, PLACE = "orders/db", Place("aws", "orders/db")
_numbers = itertools.count(1)


def fields(n, place=PLACE):
    return place.values({"username": Secret("app"), "password": Secret(f"{CANARY} number {n:020d}")})


@dataclass
class World:
    """One test's own prefix and paths, so that tests share a server; `paths` are those that its policy knows."""

    server: MotoServer
    paths: tuple[str, ...] = (PATH,)
    url: str = ""
    timeout: float = 10.0
    seam: Seam | None = None
    prefix: str = field(default_factory=lambda: f"r{next(_numbers)}")
    key: tuple[str, str] = ("", "")
    region: str = REGION

    def __post_init__(self):
        self.user = f"rotator-{self.prefix}"
        self.key = self.server.create_admin(self.user, self.policy())

    def settings(self, **more: Any) -> AwsSecretsManagerSettings:
        given = {"region": REGION, "prefix": self.prefix, "endpoint_url": self.url or self.server.url}
        login = {} if {"profile", "role", "credentials"} & set(more) else {"credentials": self.credentials()}
        return AwsSecretsManagerSettings.model_validate({**given, **login, **more})

    def credentials(self, key: tuple[str, str] | None = None, ref: str = "KEY") -> dict[str, Any]:
        return {"access_key_id": (key or self.key)[0], "secret_access_key": {"env": ref}}

    def printed(self) -> Policy:
        return Policy(AwsSecretsManagerSettings.model_validate({"region": REGION, "account": ACCOUNT, "prefix": self.prefix}))

    def policy(self) -> dict[str, Any]:
        return document(self.printed().statements(self.paths))

    def store(self, *, secrets: dict[str, Secret] | None = None, **more: Any) -> AwsSecretsManager:
        known = {"KEY": Secret(self.key[1]), **(secrets or {})}
        runtime = Runtime(reveal=lambda ref: known[getattr(ref, "env", "")], now=lambda: datetime.now(UTC), timeout=self.timeout)
        return AwsSecretsManager(self.settings(**more), runtime, seam=self.seam)

    def root(self, region: str = REGION) -> Any:
        """Bare boto3 with every right."""
        if region == REGION:
            return self.server.client("secretsmanager", self.server.admin_key)
        session = self.server._session
        key, secret = self.server.admin_key
        return session.client(
            "secretsmanager", region_name=region, endpoint_url=self.server.url, aws_access_key_id=key, aws_secret_access_key=secret
        )

    def value(self, name: str = PATH, stage: str = "AWSCURRENT") -> str:
        return str(self.root().get_secret_value(SecretId=name, VersionStage=stage)["SecretString"])

    def labels(self, name: str) -> dict[str, list[str]]:
        return dict(self.root().describe_secret(SecretId=name)["VersionIdsToStages"])

    def record(self, path: str = PATH) -> str:
        return f"{self.prefix}/records/{path}"


def action(request):
    return request.headers.get("X-Amz-Target", "").rpartition(".")[2]


def body(request):
    """Of a call to Secrets Manager; STS is called with a form."""
    return json.loads(request.body) if action(request) else {}


class Scripted(RawServer):
    """Answers as the real server, but for what `wrong` answers. The signature is over the host that the client named, so that is kept."""

    def __init__(self, server, wrong):
        self.real, self.wrong = server, wrong
        super().__init__(self.pass_on)

    def pass_on(self, request):
        answer = self.wrong(request)
        return self.forward(request) if answer is None else answer

    def forward(self, request):
        kept = {key: each for key, each in request.headers.items() if key.lower() not in ("connection", "content-length")}
        sent = urllib.request.Request(self.real.url + request.path, method=request.method, data=request.body, headers=kept)
        try:
            with urllib.request.urlopen(sent, timeout=10) as got:
                return Answer(got.status, {"Content-Type": "application/x-amz-json-1.1", "Date": got.headers["Date"]}, [got.read()])
        except urllib.error.HTTPError as error:
            return Answer(error.code, {"Content-Type": "application/x-amz-json-1.1"}, [error.read()])


def refusal(code, status=400, text="no", **headers):
    named = {key.replace("_", "-"): each for key, each in headers.items()}
    data = json.dumps({"__type": code, "message": text}).encode()
    return Answer(status, {"Content-Type": "application/x-amz-json-1.1", **named}, [data])
