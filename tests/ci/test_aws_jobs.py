"""The jobs of deploy/ci for AWS and the policies of docs/ci.md: boto3's own chain logs in by the job's token, and there is no key.

IAM and Secrets Manager are moto's, with their policies switched on; the STS before it checks tokens and the trust policy.
"""

import json
import subprocess
from collections.abc import Iterator

import pytest
import yaml
from ci_issuer import Issuer
from ci_runners import MISSING, ROTATOR, RUNNERS, a_month_passes, found
from ci_sts import Sts, aws_iam
from pages import DOCS, marked

from rotator.testing.servers.moto import MotoServer

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
PAGE = DOCS / "ci.md"
JOBS = {"github": "aws", "gitlab": "rotate-aws"}
HOSTS = {"github": "token.actions.githubusercontent.com", "gitlab": "gitlab.internal"}
USER = "orders-uploader"


class World:
    """A checkout as the page says, at servers of this machine: their addresses are all that is changed."""

    def __init__(self, system, folder, aws, sts, issuer):
        self.system, self.folder, self.aws, self.sts, self.issuer = system, folder, aws, sts, issuer
        self.checkout, self.runners = folder / "checkout", 0
        (self.checkout / "schedules").mkdir(parents=True)
        owner = yaml.safe_load(self.block("fragment: rotator.yaml for aws"))
        for each in (owner["connections"]["aws-main"], owner["stores"]["aws"]):
            assert not {"credentials", "profile", "role"} & set(each)
            each["endpoint_url"] = aws.url
        self.write("rotator.yaml", yaml.safe_dump(owner))
        self.write("schedules/orders.yaml", self.block("fragment: schedules/orders.yaml for aws"))
        self.write("trust.json", self.block(f"ci: trust.json for {system}"))
        self.write("rotator.json", self.block("ci: rotator.json"))

    def block(self, marker):
        text = marked(PAGE, marker)[0].text
        return text.replace(f"https://{HOSTS[self.system]}", self.issuer.url).replace(HOSTS[self.system], self.issuer.host)

    def write(self, name, text):
        (self.checkout / name).write_text(text)
        (self.checkout / name).chmod(0o644)

    def begin(self):
        """What humans do once: the role, and the first key."""
        aws_iam(self.aws.root, self.checkout, self.block("ci: admin of aws").replace(f"https://{HOSTS['github']}", self.issuer.url))
        self.aws.create_user(USER)
        self.first = self.aws.create_key(USER)
        key = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), self.aws.admin_key, strict=True))
        fields = json.dumps(dict(zip(("access_key_id", "secret_access_key"), self.first, strict=True)))
        adopt = [ROTATOR, "adopt", "orders-uploads"]
        done = subprocess.run(adopt, cwd=self.checkout, env=key, input=fields, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        with pytest.MonkeyPatch.context() as patch:
            for name, value in key.items():
                patch.setenv(name, value)
            a_month_passes(self.checkout / "rotator.yaml")

    def end(self):
        """The account as it was before."""
        for id in self.aws.keys(USER):
            self.aws.root.delete_access_key(UserName=USER, AccessKeyId=id)
        self.aws.root.delete_user(UserName=USER)
        self.aws.root.delete_role_policy(RoleName="rotator", PolicyName="least")
        self.aws.root.delete_role(RoleName="rotator")
        secrets = self.aws.client("secretsmanager", self.aws.admin_key)
        for each in secrets.list_secrets()["SecretList"]:
            secrets.delete_secret(SecretId=each["Name"], ForceDeleteWithoutRecovery=True)

    def run(self):
        """The job on a fresh machine, whose only way to AWS is the token."""
        self.runners += 1
        where = {"AWS_ENDPOINT_URL_STS": self.sts.url, "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
        runner = RUNNERS[self.system](self.folder / f"runner{self.runners}", self.checkout, self.issuer, **where)
        return runner.run(JOBS[self.system])

    def shown(self):
        """What a consumer reads."""
        client = self.aws.client("secretsmanager", self.aws.admin_key)
        return json.loads(client.get_secret_value(SecretId="orders/s3")["SecretString"])


@pytest.fixture(scope="module")
def aws() -> Iterator[MotoServer]:
    with MotoServer(secrets=True) as server:
        yield server


@pytest.fixture(scope="module", params=JOBS)
def world(request, tmp_path_factory, aws) -> Iterator[World]:
    with Sts(aws) as sts, Issuer(request.param) as issuer:
        made = World(request.param, tmp_path_factory.mktemp(request.param), aws, sts, issuer)
        made.begin()
        yield made
        made.end()


def test_a_job_without_any_key_rotates_and_leaves_no_secret_behind(world):
    before = set(world.aws.keys(USER))
    done = world.run()
    assert done.code == 0, done.log
    (result,) = json.loads(done.files["result.json"])["results"]
    assert result["state"] == "grace"
    shown = world.shown()
    assert {shown["access_key_id"]} == set(world.aws.keys(USER)) - before
    key = (shown["access_key_id"], shown["secret_access_key"])
    assert world.aws.client("sts", key).get_caller_identity()["Arn"].endswith(f"user/{USER}")
    secrets = [key[1], world.first[1], world.aws.admin_key[1], world.issuer.bearer, *world.issuer.signed, *world.sts.given]
    assert world.issuer.signed
    assert world.sts.given
    assert not found(secrets, done, world.checkout)


OTHERS = {
    "another repository": {"repository": "acme/other"},
    "another branch": {"branch": "topic"},
    "another audience": {"audience": "vault.internal"},
    "another issuer": {"iss": "https://elsewhere.internal"},
    "another time": {"exp": 1},
}


def test_the_trust_policy_of_the_page_lets_no_other_token_in(world):
    """What rotator says then: `tests/stores/aws_secrets_manager/test_aws_auth.py`."""
    asked = {"audience": "sts.amazonaws.com", "repository": "acme/rotation", "branch": "main"}
    role = "arn:aws:iam::123456789012:role/rotator"
    assert world.sts.refuses(role, world.issuer.token(**asked)) is None
    for what, other in OTHERS.items():
        assert world.sts.refuses(role, world.issuer.token(**asked | other)), what
