"""What a read and a compare-and-set write of a record cost beside the same three calls by bare boto3, in one run on one moto."""

from __future__ import annotations

import json
import statistics
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from rotator.model import Secret
from rotator.record import to_document
from rotator.store import Runtime
from rotator.stores.aws_secrets_manager import AwsSecretsManager, AwsSecretsManagerSettings
from rotator.testing.bench.vault import PATH, _ms, _record
from rotator.testing.servers.moto import ACCOUNT, REGION, MotoServer

NAME = "bare/app"


def _store(server: MotoServer) -> AwsSecretsManager:
    key, secret = server.admin_key
    login = {"credentials": {"access_key_id": key, "secret_access_key": {"env": "KEY"}}}
    settings = AwsSecretsManagerSettings.model_validate({"region": REGION, "account": ACCOUNT, "endpoint_url": server.url, **login})
    return AwsSecretsManager(settings, Runtime(reveal=lambda _: Secret(secret), now=lambda: datetime.now(UTC)))


def store_calls(count: int = 150) -> dict[str, Any]:
    """Medians over so many pairs of a read and a write, ours and the bare ones in turn; and what opening costs once per run."""
    with MotoServer(secrets=True) as server:
        bare, store, text = server.client("secretsmanager", server.admin_key), _store(server), json.dumps(to_document(_record()))
        bare.create_secret(Name=NAME, SecretString=text)
        store.write(PATH, _record())

        def ours() -> None:
            record = store.read(PATH)
            store.write(PATH, record.but(writes=(*record.writes[1:], str(uuid4()))))

        def theirs() -> None:
            found = bare.get_secret_value(SecretId=NAME, VersionStage="AWSCURRENT")
            made = bare.put_secret_value(SecretId=NAME, SecretString=found["SecretString"], VersionStages=["candidate"])["VersionId"]
            moved = {"RemoveFromVersionId": found["VersionId"], "MoveToVersionId": made}
            bare.update_secret_version_stage(SecretId=NAME, VersionStage="AWSCURRENT", **moved)

        times = [(_ms(ours), _ms(theirs)) for _ in range(count)]
        opening = statistics.median(_ms(lambda: _store(server).read(PATH)) for _ in range(20))
    mine, boto3_ms = (statistics.median(each) for each in zip(*times, strict=True))
    return {
        "name": "aws_secrets_manager store",
        "count": count,
        "ours_ms": round(mine, 2),
        "bare_ms": round(boto3_ms, 2),
        "ratio": round(mine / boto3_ms, 2),
        "open_and_read_ms": round(opening, 2),
    }
