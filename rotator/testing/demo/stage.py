"""The stage: three servers, the first credentials on them, and the files of an operator's machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rotator.model import Secret
from rotator.testing.canary import Canary
from rotator.testing.demo.holding import HoldingRelay
from rotator.testing.servers.jupyterhub import HubServer
from rotator.testing.servers.moto import ACCOUNT, REGION, MotoServer
from rotator.testing.servers.postgres import PostgresServer

USERS = ("orders_a", "orders_b")
UPLOADER, BILLING = "orders-uploader", "billing"
DATABASE, UPLOADS, TOKEN = "orders-db", "orders-uploads", "billing-api"
SPECS = (DATABASE, UPLOADS, TOKEN)
GRACE = 4
"""Seconds."""
ADMIN_OPTION = 160000
"""Since PostgreSQL 16 an admin that is no superuser holds each role that it may change."""

OWNER = """\
version: 1
environment: demo
connections:
  orders-pg:
    type: postgres
    host: 127.0.0.1
    port: {pg_port}
    admin: {{username: rotator, password: {{file: admin/postgres}}}}
    tls: off
    allow: {{schedules: ["demo.yaml"], principals: ["orders_*"], stores: ["local:orders/**"]}}
  aws-main:
    type: aws
    region: {region}
    account: "{account}"
    endpoint_url: http://127.0.0.1:{aws_port}
    credentials: {{access_key_id: {aws_key}, secret_access_key: {{file: admin/aws}}}}
    settle: {{appears: 1s, disappears: 5s}}
    allow: {{schedules: ["demo.yaml"], principals: ["orders-*"], stores: ["local:orders/**"]}}
  hub:
    type: http
    base_url: http://127.0.0.1:{hub_port}/hub/api
    secrets: {{admin: {{file: admin/hub}}}}
    auth: {{value: "token {{secrets.admin}}"}}
    tokens: jupyterhub
    settle: {{appears: 1s, disappears: 5s, every: 1s}}
    allow: {{schedules: ["demo.yaml"], principals: ["billing"], stores: ["local:billing/**"]}}
stores:
  local: {{type: file, path: var/store, key: {{file: var/store.key}}}}
destinations:
  app-env: {{type: env_file, path: app/app.env, mode: "0600", quote: shell, allow: {{schedules: ["demo.yaml"]}}}}
audit:
  ledger: sqlite:///var/ledger.db
  required: [ledger]
limits: {{call_timeout: 3s}}
"""
TEAM = """\
version: 1
defaults: {{owner: team-orders, store: {{name: local}}, when: {{every: 30d}}, grace: {grace}s}}
rotations:
  orders-db:
    target: {{type: postgres, connection: orders-pg, dbname: orders, usernames: [orders_a, orders_b]}}
    store: {{path: orders/db}}
    publish: [{{destination: app-env, keys: {{PGUSER: username, PGPASSWORD: password}}}}]
  orders-uploads:
    target: {{type: aws_iam_key, connection: aws-main, username: orders-uploader}}
    store: {{path: orders/s3}}
    publish: [{{destination: app-env, keys: {{AWS_ACCESS_KEY_ID: access_key_id, AWS_SECRET_ACCESS_KEY: secret_access_key}}}}]
  billing-api:
    target: {{type: http_token, connection: hub, principal: billing}}
    store: {{path: billing/api}}
    publish: [{{destination: app-env, keys: {{API_TOKEN: secret}}}}]
"""


@dataclass
class Stage:
    """What the acts play with. `first` are the credentials that a human made, as `rotator adopt` takes them."""

    folder: Path
    canary: Canary
    postgres: PostgresServer
    aws: MotoServer
    hub: HubServer
    aws_relay: HoldingRelay
    hub_relay: HoldingRelay
    first: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    aws_admin: str = ""
    """The id of its key."""

    @property
    def env_file(self) -> Path:
        """What the application reads."""
        return self.folder / "app" / "app.env"


def build(folder: Path, canary: Canary, stack: ExitStack) -> Stage:
    """Start everything at once; `stack` ends it. Raises what a server raises that does not start."""
    postgres = PostgresServer(log_statements=True)
    aws, hub = MotoServer(folder / "aws-access.log"), HubServer()
    servers: tuple[AbstractContextManager[Any], ...] = (postgres, aws, hub)
    with ExitStack() as ended, ThreadPoolExecutor(3) as pool:
        starts = [pool.submit(each.__enter__) for each in servers]
        ended.callback(_take, servers, starts, stack)  # also where we are interrupted meanwhile
        wait(starts)
    for started in starts:
        started.result()
    aws_relay = stack.enter_context(HoldingRelay(urlsplit(aws.url).port or 0))
    hub_relay = stack.enter_context(HoldingRelay(urlsplit(hub.url).port or 0))
    stage = Stage(folder, canary, postgres, aws, hub, aws_relay, hub_relay)
    stage.first = {DATABASE: _people_of_postgres(stage), UPLOADS: _people_of_aws(stage), TOKEN: _people_of_hub(stage)}
    return stage


def _take(servers: Sequence[AbstractContextManager[Any]], starts: Sequence[Future[Any]], stack: ExitStack) -> None:
    """What has started is ended by the stack."""
    for server, started in zip(servers, starts, strict=True):
        if started.exception() is None:
            stack.push(server)


def _people_of_postgres(stage: Stage) -> dict[str, str]:
    """A database, its two users (the second locked), and an admin with the least right."""
    server, admin, password = stage.postgres, stage.canary.make("the admin of PostgreSQL"), stage.canary.make("the first password")
    stage.canary.register(server.password, "the superuser of PostgreSQL")
    server.create_user("rotator", admin, "LOGIN CREATEROLE")
    server.create_user(USERS[0], password)
    server.create_user(USERS[1], None, "NOLOGIN")
    server.query("CREATE DATABASE orders")
    server.query("GRANT pg_signal_backend TO rotator")
    if int(server.query("SHOW server_version_num")[0][0]) >= ADMIN_OPTION:
        server.query("GRANT orders_a, orders_b TO rotator WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    _admin_file(stage, "postgres", admin)
    return {"username": USERS[0], "password": password.reveal()}


def _people_of_aws(stage: Stage) -> dict[str, str]:
    """A user with a key, and an admin that may rotate the keys of that user and nothing else."""
    verbs = ("CreateAccessKey", "DeleteAccessKey", "GetAccessKeyLastUsed", "ListAccessKeys", "UpdateAccessKey")
    user, admin = stage.aws.create_user(UPLOADER), f"arn:aws:iam::{ACCOUNT}:user/rotator"
    rights = [
        {"Effect": "Allow", "Action": [f"iam:{each}" for each in verbs], "Resource": user},
        {"Effect": "Allow", "Action": ["iam:SimulatePrincipalPolicy"], "Resource": admin},
    ]
    key, secret = stage.aws.create_admin("rotator", {"Version": "2012-10-17", "Statement": rights})
    _admin_file(stage, "aws", stage.canary.register(Secret(secret), "the admin of AWS"))
    stage.aws_admin = key
    stage.canary.register(Secret(stage.aws.admin_key[1]), "the root of AWS")
    id, first = stage.aws.create_key(UPLOADER)
    stage.canary.register(Secret(first), "the first key")
    return {"access_key_id": id, "secret_access_key": first}


def _people_of_hub(stage: Stage) -> dict[str, str]:
    """A user with a token, and the token of a service that may make others."""
    _admin_file(stage, "hub", stage.canary.register(Secret(stage.hub.tokens["admin"]), "the admin of the hub"))
    stage.hub.create_user(BILLING)
    id, token = stage.hub.create_token(BILLING)
    stage.canary.register(Secret(token), "the first token")
    return {"id": id, "secret": token}


def _admin_file(stage: Stage, name: str, secret: Secret) -> None:
    _private(stage.folder / "admin" / name, secret.reveal())


def _private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def write_files(stage: Stage) -> None:
    """The owner's file, the team's, and the application's env file with the first credentials in it."""
    (stage.folder / "rotator.yaml").write_text(
        OWNER.format(
            pg_port=stage.postgres.port,
            aws_port=stage.aws_relay.port,
            hub_port=stage.hub_relay.port,
            aws_key=stage.aws_admin,
            region=REGION,
            account=ACCOUNT,
        )
    )
    stage.canary.register(Secret((stage.folder / "var" / "store.key").read_text().strip()), "the key of the store")
    (stage.folder / "schedules" / "example.yaml").unlink()
    (stage.folder / "schedules" / "demo.yaml").write_text(TEAM.format(grace=GRACE))
    database, key, token = (stage.first[each] for each in SPECS)
    lines = [
        "# The application's own settings stay as they are.",
        "LOG_LEVEL=info",
        f"PGUSER={database['username']}",
        f"PGPASSWORD={database['password']}",
        f"AWS_ACCESS_KEY_ID={key['access_key_id']}",
        f"AWS_SECRET_ACCESS_KEY='{key['secret_access_key']}'",
        f"API_TOKEN={token['secret']}",
    ]
    _private(stage.env_file, "\n".join([*lines, ""]))
