"""Each trouble of AWS ends as `Unreachable` or `Denied` with the way out, and what comes after it heals."""

import itertools
import json
import logging
import ssl
import time
from datetime import UTC, datetime

import pytest
from aws_world import PATH, PLACE, Scripted, action, fields, refusal

from rotator.errors import Denied, PortError, Refused, Unreachable
from rotator.model import Place, Secret
from rotator.seam import Seam
from rotator.stores.aws_secrets_manager.policy import document
from rotator.testing.destination_contract import CANARY, told_by
from rotator.testing.fake_seam import FakeSeam
from rotator.testing.records import a_record, same
from rotator.testing.servers.raw import Answer, RawServer, json_answer
from rotator.testing.servers.tls import write_certificates

WRITES = {"CreateSecret", "PutSecretValue", "UpdateSecretVersionStage"}


def calls(store, record):
    return (lambda: store.read(PATH), lambda: store.write(PATH, record), lambda: store.publish(PLACE, fields(2), "v2", 2),
            lambda: store.published(PLACE), store.paths)  # fmt: skip


def of_secrets(answer):
    """Wrong for all calls to Secrets Manager."""
    return lambda request: answer if action(request) else None


@pytest.mark.parametrize(
    ("code", "status", "says", "after"),
    [
        ("ThrottlingException", 400, "too many requests", 5),
        ("TooManyRequestsException", 429, "too many requests", 5),
        ("Throttling", 400, "too many requests", 5),
        ("LimitExceededException", 400, "as many versions", 3600),
        ("InternalServiceError", 500, "no answer that settles it", None),
        ("SlowDown", 503, "too many requests", 5),
    ],
)
def test_trouble_of_the_service_is_unreachable_for_every_call(world, code, status, says, after):
    world.timeout = 1.2
    record = world.store().write(PATH, a_record(1))
    with Scripted(world.server, of_secrets(refusal(code, status))) as raw:
        for call in calls(world.store(endpoint_url=raw.url), a_record(2, before=record)):
            with pytest.raises(Unreachable, match=says) as error:
                call()
            assert (error.value.code, error.value.retry_after) == (code, after)
            assert error.value.fix
    assert same(world.store().read(PATH), record)


def test_the_wait_that_the_service_asks_for_is_told(world):
    with Scripted(world.server, of_secrets(refusal("ThrottlingException", Retry_After="17"))) as raw, pytest.raises(Unreachable) as error:
        world.store(endpoint_url=raw.url).read(PATH)
    assert error.value.retry_after == 17


@pytest.mark.parametrize(
    ("code", "text", "says", "fix"),
    [
        ("AccessDeniedException", "no identity-based policy allows it", "refused", "its policy needs: {"),
        ("AccessDeniedException", "explicit deny in a resource-based policy", "a policy of its own", "resource policy"),
        ("AccessDeniedException", "Access to KMS is not allowed", "KMS key", "kms:Decrypt"),
        ("AccessDeniedException", "arn:aws:iam::1:user/a is not authorized to perform: kms:Decrypt", "KMS key", "kms:Decrypt"),
        ("AccessDeniedException", "arn:aws:iam::1:user/kms-AKMS7 is not authorized to perform: x", "refused", "its policy needs: {"),
        ("DecryptionFailure", "", "KMS key", "kms:Decrypt"),
        ("EncryptionFailure", "", "KMS key", "kms:GenerateDataKey"),
        ("ExpiredTokenException", "", "has ended", "fresh"),
        ("UnrecognizedClientException", "", "refused the login", "renew"),
        ("InvalidSignatureException", "", "refused the login", "renew"),
    ],
)
def test_a_refusal_in_mid_run_is_denied_with_the_way_out_and_later_it_goes_on(world, code, text, says, fix):
    wrong = []
    with Scripted(world.server, lambda request: wrong[0] if wrong and action(request) else None) as raw:
        store = world.store(endpoint_url=raw.url)
        record = store.write(PATH, a_record(1))
        wrong.append(refusal(code, text=text))
        for call in calls(store, a_record(2, before=record)):
            with pytest.raises(Denied, match=says) as error:
                call()
            assert fix in error.value.fix
            assert error.value.code == code
        wrong.clear()
        assert store.write(PATH, a_record(2, before=record)).seq == 2


def test_a_clock_that_is_wrong_is_told(world):
    skewed = refusal("InvalidSignatureException", text="Signature expired: 20200101T000000Z is now earlier than 20200101T001500Z")
    with Scripted(world.server, of_secrets(skewed)) as raw, pytest.raises(Unreachable, match="clock is wrong"):
        world.store(endpoint_url=raw.url).read(PATH)


def test_a_right_taken_away_in_between_is_denied_and_given_back_it_goes_on(world):
    store = world.store()
    record = store.write(PATH, a_record(1))
    world.server.allow(world.user, {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]})
    for call in calls(store, a_record(2, before=record)):
        with pytest.raises(Denied, match="refused"):
            call()
    world.server.allow(world.user, world.policy())
    assert store.write(PATH, a_record(2, before=record)).seq == 2


def test_absent_and_not_allowed_are_told_apart(world):
    world.server.allow(world.user, document([world.printed().own()]))
    store = world.store()
    assert store.read(PATH).revision is None
    with pytest.raises(Denied):
        store.published(PLACE)


def test_a_policy_of_the_secrets_own_that_denies_us_is_told(world):
    world.root().create_secret(Name=PATH, SecretString="{}")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    world.root().put_resource_policy(SecretId=PATH, ResourcePolicy=json.dumps(document([deny])))
    with pytest.raises(Denied, match="a policy of its own") as error:
        world.store().publish(PLACE, fields(1), "v1", 1)
    assert "resource policy" in error.value.fix


def test_an_endpoint_that_is_down_is_unreachable_at_once(world):
    with Scripted(world.server, lambda _: None) as raw:
        url = raw.url
    begun = time.monotonic()
    for call in calls(world.store(endpoint_url=url), a_record(1)):
        with pytest.raises(Unreachable, match="no answer") as error:
            call()
        assert error.value.fix
    assert time.monotonic() - begun < 3


def test_an_endpoint_that_is_silent_is_unreachable_before_the_calls_own_deadline(world):
    world.timeout = 1.0
    silent = Answer(200, {}, itertools.repeat(b""), pause=0.2)
    with Scripted(world.server, lambda request: silent if action(request) else None) as raw:
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            world.store(endpoint_url=raw.url).write(PATH, a_record(1))
    assert time.monotonic() - begun < 1.1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"Content-Type": "text/html"}, [b"<h1>log in</h1>"]),
        Answer(404, {"Content-Type": "text/html"}, [b"<h1>not here</h1>"]),
        Answer(302, {"Location": "https://elsewhere.internal/"}),
        json_answer({"message": "no Route matched"}, 404),
        json_answer([], 200),
        json_answer({}, 200),
    ],
    ids=["a login page", "a page", "a redirect", "another API", "a list", "nothing"],
)
def test_what_is_no_answer_of_secrets_manager_is_never_taken_for_empty(world, answer):
    world.timeout = 1.0
    with Scripted(world.server, of_secrets(answer)) as raw:
        for call in (world.store(endpoint_url=raw.url).read, lambda path: world.store(endpoint_url=raw.url).published(Place("v", path))):
            with pytest.raises((Denied, Unreachable)) as error:
                call(PATH)
            assert error.value.fix


def test_what_aws_calls_a_bad_request_is_refused(world):
    with Scripted(world.server, of_secrets(refusal("ValidationException", text=CANARY))) as raw, pytest.raises(Refused) as error:
        world.store(endpoint_url=raw.url).read(PATH)
    assert CANARY not in told_by(error.value)


def test_a_path_that_is_too_long_for_a_name_is_refused(world):
    with pytest.raises(Refused):
        world.store().read("x" * 600)


def test_a_place_that_others_change_at_each_try_is_unreachable_in_time(world):
    world.seam = FakeSeam()
    world.root().create_secret(Name=PATH, SecretString="{}")
    numbers = itertools.count()

    def wrong(request):
        if action(request) == "UpdateSecretVersionStage" and b"places" not in request.body:
            world.seam.sleep(1)
            world.root().put_secret_value(SecretId=PATH, SecretString=f'{{"n": {next(numbers)}}}')

    began = world.seam.ticks()
    with Scripted(world.server, wrong) as raw, pytest.raises(Unreachable, match="others changed it at each of"):
        world.store(endpoint_url=raw.url).publish(PLACE, fields(1), "v1", 1)
    assert world.timeout / 2 < world.seam.ticks() - began < world.timeout


# ---- secrets, time, the environment


def test_no_error_and_no_log_carries_a_secret(world, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "botocore", "boto3"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    world.timeout, told = 1.0, ""
    record = world.store().write(PATH, a_record(1, secret=CANARY * 3))
    spoil = [refusal("InternalServiceError", 500, CANARY), refusal("ValidationException", 400, CANARY), Answer(drop=True)]
    for answer in spoil:
        with Scripted(world.server, lambda request, answer=answer: answer if action(request) in WRITES else None) as raw:
            for call in calls(world.store(endpoint_url=raw.url), a_record(2, secret=CANARY * 4, before=record))[1:3]:
                with pytest.raises(PortError) as error:
                    call()
                told += told_by(error.value)
    told += "".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records)
    assert "no answer that settles it" in told
    assert CANARY not in told
    assert world.key[1] not in told


def test_the_clock_is_the_services(world):
    store = world.store()
    assert store.clock() is None
    store.read(PATH)
    store.paths()
    assert abs((store.clock() - datetime.now(UTC)).total_seconds()) < 3
    assert store.clock().tzinfo is not None


class Late(Seam):
    """Each look at this clock is a minute later."""

    minutes = itertools.count()

    def ticks(self):
        return 60.0 * next(self.minutes)


def test_what_has_no_time_left_is_unreachable_and_not_sent(world):
    with Scripted(world.server, lambda _: None) as raw:
        world.seam = Late()
        with pytest.raises(Unreachable, match="in time"):
            world.store(endpoint_url=raw.url).read(PATH)
        assert raw.requests == []


def test_a_proxy_that_is_written_is_used_as_a_tunnel_and_none_is_taken_from_the_environment(world, monkeypatch):
    with RawServer(lambda _: Answer(502)) as proxy:
        store = world.store(endpoint_url="https://secrets.invalid", sts_endpoint_url="https://sts.invalid", proxy=proxy.url)
        with pytest.raises(Unreachable):
            store.read(PATH)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert world.store().read(PATH).revision is None


def test_a_certificate_that_is_not_trusted_is_denied_and_with_its_ca_it_is(world, tmp_path):
    ca, certificate, key = (tmp_path / name for name in ("ca.pem", "server.pem", "server.key"))
    write_certificates(ca, certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    raw = Scripted(world.server, lambda _: None)
    raw._server.socket = context.wrap_socket(raw._server.socket, server_side=True)
    with raw:
        url = raw.url.replace("http:", "https:")
        with pytest.raises(Denied, match="is not trusted") as error:
            world.store(endpoint_url=url).read(PATH)
        assert "`ca`" in error.value.fix
        assert world.store(endpoint_url=url, ca=str(ca)).read(PATH).revision is None


def test_an_answer_without_a_date_tells_no_time(world):
    store = world.store()
    for each in ({}, {"ResponseMetadata": {"HTTPHeaders": {"date": "yesterday"}}}):
        store._wire._note_date(each)
    assert store.clock() is None


def test_a_ca_that_cannot_be_read_is_denied(world):
    with pytest.raises(Denied, match="certificates of `ca`"):
        world.store(ca="/nowhere/ca.pem").read(PATH)


def test_the_signing_key_of_a_wrong_secret_is_denied(world):
    with pytest.raises(Denied, match="refused the login"):
        world.store(secrets={"KEY": Secret("x" * 40)}).read(PATH)
