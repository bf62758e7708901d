"""The jobs of deploy/ci and the commands of docs/ci.md, against a real OpenBao and a real PostgreSQL: nothing is stored, and it rotates."""

import json
import subprocess
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
from ci_issuer import Issuer
from ci_runners import MISSING, ROTATOR, RUNNERS, a_month_passes, found
from pages import DOCS, marked

from rotator.model import Secret
from rotator.testing.servers.openbao import OpenBaoServer, binary
from rotator.testing.servers.postgres import PostgresServer

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
PAGE = DOCS / "ci.md"
JOBS = {"github": "vault", "gitlab": "rotate-vault"}
ISSUERS = {"github": "https://token.actions.githubusercontent.com", "gitlab": "https://gitlab.internal"}
FIRST = "the-first-password-of-orders-a"
ADMIN = "the-password-of-the-admin-at-orders"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(tls=True) as server:
        server.query(f"CREATE ROLE rotator LOGIN CREATEROLE PASSWORD '{ADMIN}'")
        server.query("CREATE DATABASE orders")
        yield server


def begin(server):
    """The two roles as docs/getting-started.md makes them."""
    server.query("DROP ROLE IF EXISTS orders_a, orders_b")
    server.query(f"CREATE ROLE orders_a LOGIN PASSWORD '{FIRST}'")
    server.query("CREATE ROLE orders_b NOLOGIN")
    server.query("GRANT orders_a, orders_b TO rotator WITH ADMIN OPTION")
    server.query("GRANT pg_signal_backend TO rotator")


class World:
    """A checkout as the page says, at servers of this machine: their addresses and authorities are all that is changed."""

    def __init__(self, system, folder, postgres, bao, issuer):
        self.system, self.folder, self.postgres, self.bao, self.issuer = system, folder, postgres, bao, issuer
        self.checkout = folder / "checkout"
        (self.checkout / "schedules").mkdir(parents=True)
        self.runners = 0
        self.moved = {
            "https://vault.internal:8200": bao.tls_url,
            "host: db1.internal": f"host: 127.0.0.1\n    port: {postgres.port}",
            "password}}\n    tls: {ca: /etc/ssl/internal-ca.pem}": f"password}}}}\n    tls: {{ca: {postgres.ca_file}}}",
            "/etc/ssl/internal-ca.pem": str(bao.ca_file),
            ISSUERS[system]: issuer.url,
        }
        for name, marker in (("rotator.yaml", "yaml: rotator.yaml"), ("schedules/orders.yaml", "yaml: schedules/orders.yaml")):
            self.write(name, marker)
        self.write("rotator.hcl", "ci: rotator.hcl")

    def block(self, marker):
        text = marked(PAGE, marker)[0].text
        for said, here in self.moved.items():
            text = text.replace(said, here)
        return text

    def write(self, name, marker):
        (self.checkout / name).write_text(self.block(marker))
        (self.checkout / name).chmod(0o644)

    def types(self, marker, text=None):
        """A human runs this block of the page, with his own token; a block whose command reads a secret gets `text`."""
        runner = self.runner(BAO_ADDR=self.bao.tls_url, BAO_CACERT=str(self.bao.ca_file), BAO_TOKEN=self.bao.root.reveal())
        path = f"{ROTATOR.parent}:{binary().parent}:{runner.path}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.block(marker)], cwd=self.checkout, env={**runner.environment, "PATH": path},
            input=text, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def runner(self, **variables):
        """A fresh machine."""
        self.runners += 1
        return RUNNERS[self.system](self.folder / f"runner{self.runners}", self.checkout, self.issuer, **variables)

    def run(self, repository="acme/rotation", branch="main"):
        """The job on a fresh machine, whose only way to Vault is the token."""
        self.issuer.job = (repository, branch)
        return self.runner().run(JOBS[self.system])

    def lets_in(self, **claims):
        """Whether the real server takes such a token."""
        try:
            made = self.bao.call("POST", "auth/jwt/login", {"role": "rotator", "jwt": self.issuer.token(**claims)})
        except HTTPError:
            return False
        self.bao.call("POST", "auth/token/revoke", {"token": made["auth"]["client_token"]})
        return made["auth"]["token_policies"] == ["default", "rotator"]

    def shown(self):
        """What a consumer reads, by the `bao` client."""
        return json.loads(self.bao.bao("kv", "get", "-mount=secret", "-format=json", "orders/db"))["data"]["data"]


@pytest.fixture(scope="module", params=JOBS)
def world(request, tmp_path_factory, postgres) -> Iterator[World]:
    begin(postgres)
    with OpenBaoServer(tls=True) as bao, Issuer(request.param) as issuer:
        made = World(request.param, tmp_path_factory.mktemp(request.param), postgres, bao, issuer)
        made.types("ci: admin of vault", f"{ADMIN}\n")
        made.types(f"ci: role for {request.param}")
        first = {"username": "orders_a", "password": FIRST}
        bao.call("POST", "secret/data/orders/db", {"data": first})
        made.types("ci: adopt")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BAO_TOKEN", bao.root.reveal())
            a_month_passes(made.checkout / "operator.yaml")
        yield made


def accessors(world):
    return set(world.bao.call("LIST", "auth/token/accessors")["data"]["keys"])


def test_a_job_without_any_secret_rotates_and_leaves_none_behind(world):
    before = accessors(world)
    done = world.run()
    assert done.code == 0, done.log
    (result,) = json.loads(done.files["result.json"])["results"]
    assert result["state"] == "grace"
    assert '"trigger":"ci"' in done.files["events.jsonl"]
    shown = world.shown()
    assert shown["username"] == "orders_b"
    assert world.postgres.logs_in("orders_b", Secret(shown["password"]), "orders")
    assert accessors(world) == before
    assert world.issuer.signed
    secrets = [FIRST, ADMIN, shown["password"], world.bao.root.reveal(), world.issuer.bearer, *world.issuer.signed]
    assert not found(secrets, done, world.checkout)


def test_a_job_of_another_branch_is_denied_with_the_way_out(world):
    if world.system == "github":
        return  # it is the same rotator that speaks: the test below has GitHub's tokens
    shown = world.shown()
    done = world.run(branch="topic")
    assert done.code == 1
    (result,) = json.loads(done.files["result.json"])["results"]
    assert "log in by jwt at auth/jwt: refused" in result["message"]
    assert "bound_claims" in result["message"]
    assert not found(world.issuer.signed, done, world.checkout)
    assert world.shown() == shown


OTHERS = {
    "another repository": {"repository": "acme/other"},
    "another branch": {"branch": "topic"},
    "another audience": {"audience": "sts.amazonaws.com"},
    "another issuer": {"iss": "https://elsewhere.internal"},
    "another time": {"exp": 1},
}
OF_GITHUB = {
    "the name taken by somebody else": {"repository_id": "9"},
    "another workflow of the branch": {"workflow_ref": "acme/rotation/.github/workflows/other.yml@refs/heads/main"},
    "a pull request": {"ref": "refs/pull/7/merge", "workflow_ref": "acme/rotation/.github/workflows/rotate.yml@refs/pull/7/merge"},
}
OF_GITLAB = {
    "the name taken by somebody else": {"project_id": "9"},
    "a tag with the branch's name": {"ref_type": "tag"},
    "a branch that is not protected": {"ref_protected": "false"},
}


def test_the_role_of_the_page_lets_no_other_token_in(world):
    asked = {"audience": "vault.internal", "repository": "acme/rotation", "branch": "main"}
    assert world.lets_in(**asked)
    for what, other in (OTHERS | {"github": OF_GITHUB, "gitlab": OF_GITLAB}[world.system]).items():
        assert not world.lets_in(**asked | other), what
