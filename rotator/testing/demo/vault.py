"""One act: the same rotation with its record in a real OpenBao, read there by the `bao` client, and killed once more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from subprocess import CalledProcessError
from typing import Any

from rotator.model import Secret
from rotator.stores.vault import VaultSettings
from rotator.stores.vault.policy import Policy
from rotator.testing.demo.crashes import stuck, waits
from rotator.testing.demo.operator import Operator
from rotator.testing.demo.stage import ADMIN_OPTION, GRACE
from rotator.testing.demo.story import Demo
from rotator.testing.demo.traces import Watch
from rotator.testing.servers.openbao import OpenBaoServer

SPEC, PATH, USERS = "reports-db", "reports/db", ("reports_a", "reports_b")
OWNER = """\
version: 1
environment: demo
connections:
  orders-pg:
    type: postgres
    host: 127.0.0.1
    port: {port}
    admin: {{username: rotator, password: {{store: vault, path: admin/orders-pg, field: password}}}}
    tls: off
    allow: {{schedules: ["demo.yaml"], principals: ["reports_*"], stores: ["vault:reports/**"]}}
stores:
  vault:
    type: vault
    address: {address}
    auth: {{approle: {{role_id: {role}, secret_id: {{file: admin/secret-id}}}}}}
    allow: {{schedules: ["demo.yaml"]}}
limits: {{call_timeout: 3s}}
"""
TEAM = """\
version: 1
rotations:
  reports-db:
    owner: team-reports
    target: {{type: postgres, connection: orders-pg, dbname: orders, usernames: [reports_a, reports_b]}}
    store: {{name: vault, path: reports/db}}
    when: {{every: 30d}}
    grace: {grace}s
"""


class Vault:
    """The act's own folder, its server, and a consumer that may read one document."""

    def __init__(self, demo: Demo, server: OpenBaoServer, watch: Watch) -> None:
        self.demo, self.server = demo, server
        self.folder = demo.stage.folder / "openbao"
        for each in (self.folder, self.folder / "admin", self.folder / "schedules"):
            each.mkdir(mode=0o700)
        self.acts = replace(demo, operator=Operator(self.folder, demo.report, watch))
        """The demo, whose operator works in the act's folder."""
        self.first = self._people_of_postgres()
        self._files(self._approle())
        reads = Policy(_settings(server)).consumer(PATH)
        self.consumer = demo.stage.canary.register(server.token(str(reads)), "the consumer's token at OpenBao")

    def _people_of_postgres(self) -> dict[str, str]:
        """Two users, the second locked, for the admin that is there."""
        server, password = self.demo.stage.postgres, self.demo.stage.canary.make("the first password of the reports")
        server.create_user(USERS[0], password)
        server.create_user(USERS[1], None, "NOLOGIN")
        if int(server.query("SHOW server_version_num")[0][0]) >= ADMIN_OPTION:
            server.query(f"GRANT {', '.join(USERS)} TO rotator WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
        return {"username": USERS[0], "password": password.reveal()}

    def _approle(self) -> tuple[str, Secret]:
        """What OpenBao's admin does: the admin's password, the policy as it is printed, and an AppRole with it."""
        call, admin = self.server.call, (self.demo.stage.folder / "admin" / "postgres").read_text()
        call("POST", "secret/data/admin/orders-pg", {"data": {"password": admin}})
        policy = Policy(_settings(self.server))
        lines = [*policy.lines([PATH], keeps_versions=False), policy.consumer("admin/orders-pg")]
        call("PUT", "sys/policies/acl/rotator", {"policy": "\n".join(map(str, lines))})
        call("POST", "sys/auth/approle", {"type": "approle"})
        call("POST", "auth/approle/role/rotator", {"token_policies": "rotator", "token_ttl": "10m"})
        made = call("POST", "auth/approle/role/rotator/secret-id", {})["data"]["secret_id"]
        return call("GET", "auth/approle/role/rotator/role-id")["data"]["role_id"], Secret(made)

    def _files(self, login: tuple[str, Secret]) -> None:
        role, secret_id = login
        self.demo.stage.canary.register(secret_id, "what rotator logs in with at OpenBao")
        (self.folder / "admin" / "secret-id").touch(0o600)
        (self.folder / "admin" / "secret-id").write_text(secret_id.reveal())
        owner = OWNER.format(port=self.demo.stage.postgres.port, address=self.server.url, role=role)
        (self.folder / "rotator.yaml").write_text(owner)
        (self.folder / "schedules" / "demo.yaml").write_text(TEAM.format(grace=GRACE))

    def read(self, path: str = PATH) -> dict[str, str]:
        """What the `bao` client shows a consumer; empty: it is refused. The value is not printed."""
        arguments = ("kv", "get", "-mount=secret", "-format=json", path)
        self.demo.report.say(f"$ bao {' '.join(arguments)}")
        try:
            found: dict[str, str] = json.loads(self.server.bao(*arguments, token=self.consumer))["data"]["data"]
        except CalledProcessError:
            return {}
        self.demo.stage.canary.register(Secret(found["password"]), f"a password of {found['username']}")
        return found

    def works(self, values: dict[str, str]) -> bool:
        """A fresh login."""
        return self.demo.logins.database(values.get("username", ""), values.get("password", ""))


def _settings(server: OpenBaoServer) -> VaultSettings:
    return VaultSettings.model_validate({"address": server.url, "auth": {"token": {"env": "NONE"}}})


@contextmanager
def _searched(demo: Demo, server: OpenBaoServer) -> Iterator[None]:
    """At the end the server's own log is searched for what was kept in it."""
    yield
    hits = demo.stage.canary.search(server.log, "OpenBao's log")
    demo.report.check(not hits, "OpenBao's own log holds none of it", "\n".join(map(str, hits)))


def vault(demo: Demo, server: OpenBaoServer, watch: Watch) -> None:
    """Adopt, rotate, read, kill, heal, revoke."""
    demo.report.act("The same with its record, and the password of the admin, in OpenBao")
    version = server.bao("version").split()[1]
    demo.report.check(True, f"OpenBao {version} answers: {server.url}; the admin's password is in it, and rotator logs in by AppRole")
    act = Vault(demo, server, watch)
    with _searched(demo, server):
        _rotate(act)
        _crash(act)


def _rotate(act: Vault) -> None:
    demo = act.acts
    demo.fine(demo.operator("--json", "adopt", SPEC, "--from", "-", given=json.dumps(act.first)), f"{SPEC}: taken over")
    done = demo.run(SPEC, "--force")
    demo.fine(done, "a new password: chosen, stored, set, verified, shown", also=SPEC in done.results)
    shown = act.read()
    demo.report.check(shown.get("username") == USERS[1] and act.works(shown), "what the `bao` client reads there logs in")
    demo.report.check(act.works(act.first), "the old one logs in too, until its grace is over")
    demo.report.check(not act.read(f"rotator/records/{PATH}"), "a consumer's token is refused at the record")
    _end_of_grace(act, done, act.first)


def _crash(act: Vault) -> None:
    """SIGKILL inside APPLY; what the next run knows, it knows from OpenBao."""
    demo = act.acts
    old = act.read()
    with stuck(demo):
        killed = demo.operator.killed("run", SPEC, "--force", when=lambda: waits(demo))
        demo.report.check(killed and act.works(old), "killed inside APPLY, with its record in OpenBao; the old one still works")
    done = demo.run()
    demo.fine(done, "the next run found out what had happened, and finished", also=done.results.get(SPEC, {}).get("state") == "grace")
    demo.report.check(act.works(act.read()), "what the `bao` client reads there logs in")
    _end_of_grace(act, done, old)
    verified = demo.operator("audit", "verify")
    demo.fine(verified, "the ledger is whole, against the heads in OpenBao")


def _end_of_grace(act: Vault, done: Any, old: dict[str, str]) -> None:
    demo = act.acts
    demo.wait_for_grace(done)
    after = demo.run()
    demo.fine(after, "the old one was locked, revoked, and tried", also=after.results.get(SPEC, {}).get("state") == "at rest")
    demo.report.check(not act.works(old), "the old one is refused when we try it ourselves")
