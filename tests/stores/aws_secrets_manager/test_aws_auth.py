"""Logins: what is written is used, and nothing else; one that is refused or of another account is `Denied` with the way out."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from aws_world import PATH, PLACE, Scripted, action

from rotator.errors import Denied
from rotator.model import Level, Secret
from rotator.stores.aws_secrets_manager import AwsSecretsManagerSettings
from rotator.testing.records import a_record
from rotator.testing.servers.moto import ACCOUNT
from rotator.testing.servers.raw import Answer

TOKEN = "header.claims-of-the-job.signature"


@pytest.fixture
def role(world, aws):
    """A role with the printed policy that the test's user may assume."""
    name = f"role-{world.prefix}"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{world.user}"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = aws.root.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    aws.root.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(world.policy()))
    aws.allow(world.user, {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]})
    return arn


def session_of(world, aws, role):
    """Keys that STS made for the role."""
    return aws.client("sts", world.key).assume_role(RoleArn=role, RoleSessionName="of-the-test")["Credentials"]


def test_a_role_is_assumed_and_its_rights_count(world, role):
    with pytest.raises(Denied):
        world.store().read(PATH)
    store = world.store(credentials=world.credentials(), role={"arn": role})
    store.write(PATH, a_record(1))
    assert store.read(PATH).seq == 1
    store.close()
    store.close()
    assert store.read(PATH).seq == 1


def test_a_session_that_would_end_soon_is_made_anew_in_time(world, role):
    asked = []

    def soon(request):
        if b"Action=AssumeRole" not in request.body:
            return None
        asked.append(request)
        answer = raw.forward(request)
        ends = (datetime.now(UTC) + timedelta(seconds=90 if len(asked) == 1 else 3600)).strftime("%Y-%m-%dT%H:%M:%SZ")
        head, _, tail = b"".join(answer.body).partition(b"<Expiration>")
        return Answer(answer.status, {"Content-Type": "text/xml"}, [head + b"<Expiration>" + ends.encode() + tail[tail.index(b"<") :]])

    with Scripted(world.server, soon) as raw:
        store = world.store(endpoint_url=raw.url, credentials=world.credentials(), role={"arn": role})
        for _ in range(3):
            store.read(PATH)
    assert len(asked) == 2


def test_a_role_that_may_not_be_assumed_is_denied_with_the_way_out(world, role, aws):
    aws.allow(world.user, {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}]})
    with pytest.raises(Denied, match=f"assume the role {role}") as error:
        world.store(credentials=world.credentials(), role={"arn": role}).read(PATH)
    assert "trust policy" in error.value.fix


def test_a_ci_job_logs_in_with_the_token_of_its_ci_system_and_needs_no_key(world, role, aws):
    """moto cannot check such a token: what STS answers to it is the session of the same role."""
    seen, given = [], session_of(world, aws, role)

    def federated(request):
        if b"AssumeRoleWithWebIdentity" not in request.body:
            return None
        seen.append((parse_qs(request.body.decode()), {name.lower() for name in request.headers}))
        parts = "".join(f"<{name}>{given[name]}</{name}>" for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
        result = f"<Credentials>{parts}<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
        name = "AssumeRoleWithWebIdentity"
        text = f'<{name}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{name}Result>{result}</{name}Result></{name}Response>'
        return Answer(200, {"Content-Type": "text/xml"}, [text.encode()])

    with Scripted(world.server, federated) as raw:
        store = world.store(endpoint_url=raw.url, role={"arn": role, "token": {"env": "OIDC"}}, secrets={"OIDC": Secret(TOKEN)})
        assert store.read(PATH).revision is None
    ((form, headers),) = seen
    assert (form["RoleArn"], form["WebIdentityToken"]) == ([role], [TOKEN])
    assert "authorization" not in headers


@pytest.mark.parametrize("more", [{}, {"account": ACCOUNT}], ids=["first call", "account"])
def test_a_role_that_boto3s_own_chain_may_not_assume_by_its_token_is_denied_with_the_way_out(world, monkeypatch, tmp_path, more):
    """The call is boto3's own, before the first of ours."""
    (tmp_path / "token").write_text(TOKEN)

    def no(request):
        assert b"AssumeRoleWithWebIdentity" in request.body
        text = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized</Message></Error></ErrorResponse>"
        return Answer(403, {"Content-Type": "text/xml"}, [text.encode()])

    with Scripted(world.server, no) as raw:
        named = {"AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
        none = dict.fromkeys(("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"), str(tmp_path / "none"))
        for name, value in {**named, **none, "AWS_ENDPOINT_URL_STS": raw.url}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(Denied, match="the role does not let this login in") as error:
            world.store(profile=None, **more).read(PATH)
    assert "trust policy" in error.value.fix
    assert TOKEN not in str(error.value)


def test_keys_of_a_session_are_taken_with_their_token(world, role, aws):
    made = session_of(world, aws, role)
    keys = {"access_key_id": made["AccessKeyId"], "secret_access_key": {"env": "S"}, "session_token": {"env": "T"}}
    secrets = {"S": Secret(made["SecretAccessKey"]), "T": Secret(made["SessionToken"])}
    assert world.store(credentials=keys, secrets=secrets).read(PATH).revision is None


def test_a_profile_is_read_from_the_config_file(world, monkeypatch, tmp_path):
    (tmp_path / "credentials").write_text(f"[ops]\naws_access_key_id = {world.key[0]}\naws_secret_access_key = {world.key[1]}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert world.store(profile="ops").read(PATH).revision is None
    with pytest.raises(Denied, match="no AWS credential was found"):
        world.store(profile="dev").read(PATH)


def test_where_nothing_is_written_boto3s_own_chain_is_asked(world, monkeypatch, tmp_path):
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Denied, match="no AWS credential was found") as error:
        world.store(profile=None).read(PATH)
    assert "`role`" in error.value.fix
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", world.key[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", world.key[1])
    assert world.store(profile=None).read(PATH).revision is None


def test_with_keys_of_its_own_nothing_is_taken_from_the_environment(world, monkeypatch, tmp_path):
    (tmp_path / "config").write_text(
        "[default]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:1\nca_bundle = /nowhere\n[profile broken]\nrole_arn = x\n"
    )
    names = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "HTTPS_PROXY", "HTTP_PROXY")
    named = dict.fromkeys(names, "http://127.0.0.1:1") | dict.fromkeys(("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"), "/nowhere")
    named |= dict.fromkeys(("AWS_PROFILE", "AWS_DEFAULT_PROFILE"), "broken") | {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    named |= dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "AKIAXXXXXXXXXXXXXXXX")
    named |= dict.fromkeys(("AWS_DEFAULT_REGION", "AWS_REGION"), "us-east-1") | {"AWS_MAX_ATTEMPTS": "9"}
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert world.store().read(PATH).revision is None


def test_a_login_of_another_account_is_denied_before_anything_is_read(world):
    with Scripted(world.server, lambda _: None) as raw:
        store = world.store(endpoint_url=raw.url, account="210987654321")
        for call in (lambda: store.read(PATH), lambda: store.write(PATH, a_record(1)), store.paths):
            with pytest.raises(Denied, match=f"belongs to account {ACCOUNT}, not 210987654321") as error:
                call()
            assert error.value.fix
        assert [each.level for each in store.check() if "belongs to account" in each.text] == [Level.FAIL]
        assert not [each for each in raw.requests if action(each)]


def test_a_consumers_role_of_another_account_is_denied(world):
    consumer = {"credentials": world.credentials(), "role": {"arn": "arn:aws:iam::210987654321:role/reader"}}
    store = world.store(account=ACCOUNT, consumer=consumer)
    store._as_consumer._log_in = lambda: (None, None)
    with pytest.raises(Denied, match="the role belongs to account 210987654321"):
        store.published(PLACE)


def identity(arn):
    """What STS says who we are."""
    result = f"<GetCallerIdentityResult><Arn>{arn}</Arn></GetCallerIdentityResult>"
    text = f'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{result}</GetCallerIdentityResponse>'
    return Answer(200, {"Content-Type": "text/xml"}, [text.encode()])


def test_check_warns_of_the_root_user(world):
    root = identity(f"arn:aws:iam::{ACCOUNT}:root")
    with Scripted(world.server, lambda request: root if b"GetCallerIdentity" in request.body else None) as raw:
        assert "principal.superuser" in [each.code for each in world.store(endpoint_url=raw.url).check()]


def test_of_a_session_its_role_is_asked_about(world, role):
    with Scripted(world.server, lambda _: None) as raw:
        world.store(endpoint_url=raw.url, credentials=world.credentials(), role={"arn": role}).check()
        asked = [parse_qs(each.body.decode()) for each in raw.requests if b"SimulatePrincipalPolicy" in each.body]
    assert [each["PolicySourceArn"] for each in asked] == [[role]]


def test_where_sts_is_not_to_be_reached_check_says_what_it_could_not_ask(world):
    world.timeout = 1.0
    with Scripted(world.server, lambda _: None) as raw:
        down = raw.url
    store = world.store(sts_endpoint_url=down)
    store.read(PATH)
    assert [(each.level, each.code) for each in store.check()] == [(Level.WARN, "privilege.unproven")]


def test_check_of_a_login_that_is_refused_says_so(world):
    found = world.store(secrets={"KEY": Secret("x" * 40)}).check()
    assert [(each.level, each.code) for each in found] == [(Level.FAIL, "store")]


def test_check_warns_of_a_region_that_boto3_does_not_know(world):
    store = world.store(region="eu-wset-1", endpoint_url=None, sts_endpoint_url=world.server.url)
    assert [each.text for each in store.check() if "knows no region" in each.text] == ["boto3 knows no region eu-wset-1"]


# ---- settings


GOOD = {"region": "eu-west-1"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ops/rotator"
KEYS = {"access_key_id": "AKIAXXXXXXXXXXXXXXXX", "secret_access_key": {"env": "X"}}


@pytest.mark.parametrize(
    "change",
    [
        {"region": "Ireland"},
        {"account": "123"},
        {"prefix": "a/../b"},
        {"prefix": ""},
        {"kms_key": "alias/aws/secretsmanager"},
        {"endpoint_url": "http://vpce.internal"},
        {"endpoint_url": "https://user:word@vpce.internal"},
        {"credentials": {**KEYS, "secret_access_key": "written-out"}},
        {"credentials": KEYS, "profile": "ops"},
        {"profile": ""},
        {"role": {"arn": "rotator"}},
        {"role": {"arn": ROLE, "token": {"env": "T"}}, "profile": "ops"},
        {"role": {"arn": ROLE, "token": {"env": "T"}, "external_id": "e-1"}},
        {"role": {"arn": ROLE}, "account": "210987654321"},
        {"consumer": {"credentials": KEYS, "profile": "ops"}},
        {"proxy": "http://user:word@proxy:3128"},
        {"endpoint_url": "http://127.0.0.1:4566", "proxy": "http://proxy:3128"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_wrong_settings_are_refused(change):
    AwsSecretsManagerSettings.model_validate(GOOD)
    with pytest.raises(ValueError) as error:
        AwsSecretsManagerSettings.model_validate({**GOOD, **change})
    assert "written-out" not in str(error.value)
