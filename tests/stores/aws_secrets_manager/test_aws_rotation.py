"""A whole rotation by the command line: an in-place PostgreSQL user, its record in Secrets Manager, its value read by bare boto3."""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from aws_world import World

from rotator.model import Secret
from rotator.stores.aws_secrets_manager.policy import READ, document
from rotator.testing.servers.moto import ACCOUNT, REGION
from rotator.testing.servers.postgres import PostgresServer

ROTATOR = str(Path(sys.executable).with_name("rotator"))
PATH, SHARED, SECOND = "rotation/db", "rotation/shared", "eu-central-1"
OWNER = """
version: 1
environment: test
connections:
  pg:
    type: postgres
    host: 127.0.0.1
    port: {pg}
    admin: {{username: postgres, password: {{store: aws, path: rotation/admin, field: password}}}}
    tls: off
    allow: {{schedules: ["orders.yaml"], principals: ["orders"], stores: ["aws:rotation/**"]}}
stores:
  aws: {{type: aws_secrets_manager, region: {region}, account: "{account}", endpoint_url: "{url}", prefix: {prefix}, credentials: {key}}}
destinations:
  shared:
    type: aws_secrets_manager
    region: {region}
    endpoint_url: {url}
    prefix: {prefix}
    credentials: {key}
    allow: {{schedules: ["orders.yaml"]}}
  frankfurt:
    type: aws_secrets_manager
    region: {second}
    endpoint_url: {url}
    credentials: {key}
    replica: true
    allow: {{schedules: ["orders.yaml"]}}
"""
TEAM = """
version: 1
defaults: {owner: team-orders, store: {name: aws}}
rotations:
  orders-db:
    target: {type: postgres, connection: pg, dbname: postgres, username: orders}
    store: {path: rotation/db}
    when: {every: 30d}
    publish:
      - {destination: shared, path: rotation/shared, keys: {DB_PASSWORD: password}}
      - {destination: frankfurt, path: rotation/db, keys: {password: password}}
"""


class Site:
    def __init__(self, folder, pg, aws):
        self.folder, self.pg, self.aws = folder, pg, aws
        self.first, self.said = Secret("the-first-password-of-orders-0001"), ""
        pg.create_user("orders", self.first)
        self.world = World(aws, paths=(PATH, SHARED))
        root = self.world.root()
        root.create_secret(Name="rotation/admin", SecretString=json.dumps({"password": pg.password.reveal()}))
        root.create_secret(Name=SHARED, SecretString='{"OTHER": "kept", "number": 1.10}')
        root.create_secret(Name=PATH, SecretString="{}", AddReplicaRegions=[{"Region": SECOND}])
        self.allow()
        key = f"{{access_key_id: {self.world.key[0]}, secret_access_key: {{env: AWS_SECRET_OF_ROTATOR}}}}"
        places = {
            "region": REGION,
            "second": SECOND,
            "account": ACCOUNT,
            "url": aws.url,
            "prefix": self.world.prefix,
            "key": key,
            "pg": pg.port,
        }
        (folder / "rotator.yaml").write_text(OWNER.format(**places))
        (folder / "schedules").mkdir()
        (folder / "schedules/orders.yaml").write_text(TEAM)

    def allow(self, leave_out=None):
        """The printed policy, the admin's secret and the replica; less one action."""
        printed = self.world.printed()
        statements = [*self.world.policy()["Statement"], printed.place("rotation/admin", (READ,))]
        replica = {**printed.place(PATH, (READ,)), "Resource": printed.arn(f"{PATH}-??????").replace(REGION, SECOND)}
        kept = [{**each, "Action": [one for one in each["Action"] if one != leave_out]} for each in statements]
        self.aws.allow(self.world.user, document([*kept, replica]))

    def rotator(self, *words, **env):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ROTATOR_", "CI", "AWS_"))}
        clean |= {"AWS_SECRET_OF_ROTATOR": self.world.key[1], **env}
        done = subprocess.run(
            [ROTATOR, "--log-level", "debug", *words], cwd=self.folder, env=clean, capture_output=True, text=True, timeout=60, check=False
        )
        self.said += done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def site(tmp_path_factory, aws):
    with PostgresServer() as pg:
        yield Site(tmp_path_factory.mktemp("rotation"), pg, aws)


def shown(site, name, region=REGION):
    """As a consumer reads it: bare boto3, with a consumer's rights."""
    policy = document([site.world.printed().consumer(name)])
    policy["Statement"][0]["Resource"] = policy["Statement"][0]["Resource"].replace(REGION, region)
    user = f"consumer-{name.replace('/', '-')}-{region}"
    key, secret = site.aws.create_admin(user, policy)
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region)
    found = session.client("secretsmanager", endpoint_url=site.aws.url).get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
    site.aws.root.delete_access_key(UserName=user, AccessKeyId=key)
    site.aws.root.delete_user_policy(UserName=user, PolicyName="of-the-test")
    site.aws.root.delete_user(UserName=user)
    return json.loads(found["SecretString"], parse_float=str)


def test_a_rotation_with_its_record_in_secrets_manager_from_adoption_to_the_consumers_login(site):
    given = json.dumps({"username": "orders", "password": site.first.reveal()})
    assert site.rotator("adopt", "orders-db", "--from", "env:FIRST", FIRST=given).returncode == 0, site.said
    assert site.first.matches(Secret(shown(site, PATH)["password"]))

    assert site.rotator("run", "orders-db", "--force").returncode == 0, site.said
    seen = shown(site, PATH)
    fresh = Secret(seen["password"])
    assert seen["username"] == "orders"
    assert not fresh.matches(site.first)
    assert site.pg.logs_in("orders", fresh)
    assert not site.pg.logs_in("orders", site.first)
    shared = shown(site, SHARED)
    assert (shared["OTHER"], shared["number"]) == ("kept", "1.10")
    assert fresh.matches(Secret(shared["DB_PASSWORD"]))
    assert fresh.matches(Secret(shown(site, PATH, SECOND)["password"]))
    assert site.first.matches(Secret(json.loads(site.world.value(PATH, "AWSPREVIOUS"))["password"]))

    before = site.world.labels(site.world.record(PATH))
    assert site.rotator("run").returncode == 0, site.said
    assert site.world.labels(site.world.record(PATH)) == before, "a run with nothing to do writes nothing"
    assert site.rotator("audit", "verify").returncode == 0, site.said
    for secret in (site.first, fresh, site.pg.password, Secret(site.world.key[1])):
        assert secret.reveal() not in site.said

    site.allow(leave_out="secretsmanager:UpdateSecretVersionStage")
    done = site.rotator("run", "orders-db", "--force")
    assert done.returncode == 1
    assert "secretsmanager:UpdateSecretVersionStage" in done.stdout + done.stderr
    assert site.pg.logs_in("orders", fresh), "a right that is missing stops a run before anything begins"
    site.allow()
    assert site.rotator("run", "orders-db", "--force").returncode == 0, site.said
    assert site.pg.logs_in("orders", Secret(shown(site, PATH)["password"]))
