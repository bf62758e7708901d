"""A whole rotation by the command line: an in-place PostgreSQL user, its record in OpenBao, its value read by the `bao` client."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rotator.model import Secret
from rotator.stores.vault import VaultSettings
from rotator.stores.vault.policy import Policy
from rotator.testing.servers.postgres import PostgresServer

ROTATOR = str(Path(sys.executable).with_name("rotator"))
OWNER = """
version: 1
environment: test
connections:
  pg:
    type: postgres
    host: 127.0.0.1
    port: {pg}
    admin: {{username: postgres, password: {{store: vault, path: admin/pg, field: password}}}}
    tls: off
    allow: {{schedules: ["orders.yaml"], principals: ["orders"], stores: ["vault:orders/**"]}}
stores:
  vault:
    type: vault
    address: {bao}
    mount: {mount}
    tls: {{ca: {ca}}}
    auth: {{approle: {{role_id: {role}, secret_id: {{file: secret-id}}}}}}
destinations:
  second:
    type: vault
    address: {bao}
    mount: {second}
    tls: {{ca: {ca}}}
    auth: {{token: {{env: SECOND_TOKEN}}}}
    allow: {{schedules: ["orders.yaml"]}}
"""
TEAM = """
version: 1
defaults: {owner: team-orders, store: {name: vault}}
rotations:
  orders-db:
    target: {type: postgres, connection: pg, dbname: postgres, username: orders}
    store: {path: orders/db}
    when: {every: 30d}
    publish: [{destination: second, path: shared/orders, keys: {DB_PASSWORD: password}}]
"""


class Site:
    def __init__(self, folder, pg, bao):
        self.folder, self.pg, self.bao = folder, pg, bao
        self.mount, self.second, self.first = bao.mount(), bao.mount(), Secret("the-first-password-of-orders-0001")
        self.said, self.adopted = "", False
        pg.create_user("orders", self.first)
        bao.call("POST", f"{self.mount}/data/admin/pg", {"data": {"password": pg.password.reveal()}})
        bao.call("POST", f"{self.second}/data/shared/orders", {"data": {"OTHER": "kept", "number": 7}})
        role, secret = self.approle()
        (folder / "secret-id").touch(0o600)
        (folder / "secret-id").write_text(secret)
        self.token = bao.token("\n".join(map(str, self.policy(self.second).lines(["shared/orders"], keeps_versions=False))))
        owner = OWNER.format(pg=pg.port, bao=bao.tls_url, ca=bao.ca_file, mount=self.mount, second=self.second, role=role)
        (folder / "rotator.yaml").write_text(owner)
        (folder / "schedules").mkdir()
        (folder / "schedules/orders.yaml").write_text(TEAM)

    def policy(self, mount):
        return Policy(VaultSettings.model_validate({"address": self.bao.url, "mount": mount, "auth": {"token": {"env": "T"}}}))

    def approle(self):
        lines = [*self.policy(self.mount).lines(["orders/db"], keeps_versions=False), self.policy(self.mount).consumer("admin/pg")]
        self.bao.call("PUT", "sys/policies/acl/rotation", {"policy": "\n".join(map(str, lines))})
        self.bao.call("POST", "sys/auth/rotation", {"type": "approle"})
        self.bao.call("POST", "auth/rotation/role/r", {"token_policies": "rotation", "token_ttl": "5m"})
        secret = self.bao.call("POST", "auth/rotation/role/r/secret-id", {})["data"]["secret_id"]
        return self.bao.call("GET", "auth/rotation/role/r/role-id")["data"]["role_id"] + ", mount: rotation", secret

    def rotator(self, *words, **env):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ROTATOR_", "CI"))}
        clean |= {"SECOND_TOKEN": self.token.reveal(), **env}
        done = subprocess.run(
            [ROTATOR, "--log-level", "debug", *words], cwd=self.folder, env=clean, capture_output=True, text=True, timeout=60, check=False
        )
        self.said += done.stdout + done.stderr
        return done

    def adopt(self):
        """Take over the first password; once for all tests."""
        if not self.adopted:
            given = json.dumps({"username": "orders", "password": self.first.reveal()})
            done = self.rotator("adopt", "orders-db", "--from", "env:FIRST", FIRST=given)
            assert done.returncode == 0, self.said
            self.adopted = True

    def tokens(self):
        return set(self.bao.call("LIST", "auth/token/accessors")["data"]["keys"])

    def password(self, mount, path, field, consumer):
        return Secret(self.bao.bao("kv", "get", f"-mount={mount}", f"-field={field}", path, token=consumer).strip())


@pytest.fixture(scope="module")
def site(tmp_path_factory, bao):
    with PostgresServer() as pg:
        yield Site(tmp_path_factory.mktemp("rotation"), pg, bao)


def test_a_rotation_with_its_record_in_openbao_from_adoption_to_the_consumers_login(site):
    assert site.rotator("validate", "--strict").returncode == 0, site.said
    before = site.tokens()
    site.adopt()
    consumer = site.bao.token(str(site.policy(site.mount).consumer("orders/db")))
    assert site.password(site.mount, "orders/db", "password", consumer).matches(site.first)

    forced = site.rotator("run", "orders-db", "--force")
    assert forced.returncode == 0, site.said
    assert len(site.tokens() - before) == 1, "each run took its token back; the consumer's is there"
    fresh = site.password(site.mount, "orders/db", "password", consumer)
    assert site.bao.bao("kv", "get", f"-mount={site.mount}", "-field=username", "orders/db", token=consumer).strip() == "orders"
    assert not fresh.matches(site.first)
    assert site.pg.logs_in("orders", fresh)
    assert not site.pg.logs_in("orders", site.first)

    shown = site.bao.call("GET", f"{site.second}/data/shared/orders")["data"]["data"]
    assert (shown["OTHER"], shown["number"]) == ("kept", 7)
    assert fresh.matches(Secret(shown["DB_PASSWORD"]))

    status = site.rotator("--json", "status", "orders-db")
    assert status.returncode == 0, site.said
    assert site.rotator("run").returncode == 0
    got = site.rotator("get", "orders-db")
    assert got.returncode == 2
    assert "that store's own client" in got.stderr
    assert site.rotator("audit", "verify").returncode == 0, site.said

    record = site.bao.call("GET", f"{site.mount}/metadata/rotator/records/orders/db")["data"]
    assert list(record["versions"]) == [str(record["current_version"])]
    secret_id = (site.folder / "secret-id").read_text()
    for secret in (site.first, fresh, site.token, site.pg.password, site.bao.root, Secret(secret_id)):
        assert secret.reveal() not in site.said


def test_a_right_that_is_missing_is_shown_by_dry_run_and_stops_a_run_before_anything_begins(site):
    site.adopt()
    policy = site.policy(site.mount)
    lines = [*policy.lines(["orders/other"], keeps_versions=False), policy.consumer("admin/pg")]
    site.bao.call("PUT", "sys/policies/acl/rotation", {"policy": "\n".join(map(str, lines))})
    shown = site.bao.call("GET", f"{site.mount}/data/orders/db")["data"]["data"]
    line = str(policy.place("orders/db"))
    assert f"add to its policy: {line}" in site.rotator("dry-run", "orders-db").stdout
    done = site.rotator("run", "orders-db", "--force")
    assert done.returncode == 1
    assert f'path "{site.mount}/data/orders/db" {{ capabilities = ["read"] }}' in done.stdout, "what cannot be read is not written"
    assert site.pg.logs_in("orders", Secret(shown["password"]))
