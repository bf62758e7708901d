"""Answers that no honest AWS gives: each is `Unreachable`, quickly, and nothing secret hangs on the exception."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rotator.errors import Denied, PortError, Unreachable
from rotator.model import Credential, Secret
from rotator.seam import Interrupted, Seam
from rotator.target import Runtime
from rotator.testing.servers.raw import Answer, RawServer, Request, drip, flood, silence
from rotator_aws_iam_key import AwsConnection, IamKey, IamKeySettings
from tests.plugins.leaks import reachable_text

ADMIN, KEY = "admin-secret-0123456789", "key-secret-9876543210"
CREDENTIAL = Credential(name="AKIAXXXXXXXXXXXXXXXX", secret=Secret(KEY))
XMLNS = "https://iam.amazonaws.com/doc/2010-05-08/"


def xml_error(code: str, status: int, message: str = "no", **headers: str) -> Answer:
    body = (
        f'<ErrorResponse xmlns="{XMLNS}"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>'
    )
    return Answer(status, {"Content-Type": "text/xml", **headers}, [body.encode()])


def listing(keys: list[str], *, truncated: bool = False, marker: str | None = None) -> Answer:
    members = "".join(f"<member><UserName>u</UserName><AccessKeyId>{each}</AccessKeyId><Status>Active</Status></member>" for each in keys)
    more = f"<IsTruncated>{str(truncated).lower()}</IsTruncated>" + (f"<Marker>{marker}</Marker>" if marker else "")
    body = (
        f'<ListAccessKeysResponse xmlns="{XMLNS}"><ListAccessKeysResult><AccessKeyMetadata>{members}</AccessKeyMetadata>{more}'
        "</ListAccessKeysResult></ListAccessKeysResponse>"
    )
    return Answer(200, {"Content-Type": "text/xml"}, [body.encode()])


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(lambda _request: Answer(500)) as raw:
        yield raw


@pytest.fixture
def target(server: RawServer) -> Iterator[IamKey]:
    connection = AwsConnection.model_validate(
        {
            "region": "eu-west-1",
            "endpoint_url": server.url,
            "credentials": {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": {"env": "ADMIN"}},
        }
    )
    runtime = Runtime(reveal=lambda _ref: Secret(ADMIN), now=lambda: None, timeout=1.0)  # type: ignore[arg-type, return-value]  # no clock is asked here
    plugin = IamKey(connection, IamKeySettings(username="uploader"), runtime)
    yield plugin
    plugin.close()


CALLS: dict[str, Callable[[IamKey], object]] = {
    "verify": lambda target: target.verify(CREDENTIAL),
    "issue": lambda target: target.issue("rotation-1"),
    "live": lambda target: target.live(),
    "check": lambda target: target.check([]),
    "revoke": lambda target: target.revoke(CREDENTIAL, []),
    "disable": lambda target: target.disable(CREDENTIAL, []),
    "confirm_dead": lambda target: target.confirm_dead(CREDENTIAL),
}
ANSWERS: dict[str, Answer] = {
    "500 HTML": Answer(500, {"Content-Type": "text/html"}, [b"<!doctype html><title>Oops</title><p>unclosed"]),
    "502 empty": Answer(502),
    "200 HTML": Answer(200, {"Content-Type": "text/html"}, [b"<!doctype html><title>Hotel wifi</title>"]),
    "200 empty": Answer(200),
    "302": Answer(302, {"Location": "http://127.0.0.1:1/"}),
    "403 HTML of a firewall": Answer(403, {"Content-Type": "text/html"}, [b"<!doctype html><title>blocked</title><p>unclosed"]),
    "404 HTML": Answer(404, {"Content-Type": "text/html"}, [b"<!doctype html><p>unclosed"]),
    "400 throttled": xml_error("Throttling", 400),
    "409 conflict": xml_error("ConcurrentModification", 409),
    "503 with a code that would be a no": xml_error("InvalidClientTokenId", 503),
    "an unknown code": xml_error("SomethingNew", 400),
    "no answer": Answer(drop=True),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_settles_nothing_is_unreachable_for_every_call(server: RawServer, target: IamKey, answer: Answer) -> None:
    server.answer = lambda _request: answer
    for name, call in CALLS.items():
        server.requests.clear()
        with pytest.raises(PortError) as problem:
            call(target)
        assert type(problem.value) is Unreachable, name
        text = reachable_text(problem.value)
        assert ADMIN not in text, name
        assert KEY not in text, name
        assert len(server.requests) <= 1, f"{name} was repeated"


def test_issue_is_sent_exactly_once(server: RawServer, target: IamKey) -> None:
    with pytest.raises(Unreachable):
        target.issue("rotation-1")
    assert len(server.requests) == 1


def test_a_throttled_answer_says_when_to_come_back(server: RawServer, target: IamKey) -> None:
    server.answer = lambda _request: xml_error("Throttling", 400, **{"Retry-After": "7"})
    with pytest.raises(Unreachable) as problem:
        target.live()
    assert problem.value.retry_after == 7.0


def test_a_wrong_clock_is_never_a_no(server: RawServer, target: IamKey) -> None:
    text = "Signature expired: 20261124T000000Z is now earlier than 20261124T010000Z (20261124T011500Z - 15 min.)"
    server.answer = lambda _request: xml_error("SignatureDoesNotMatch", 403, text)
    for call in (CALLS["verify"], CALLS["issue"]):
        with pytest.raises(Unreachable) as problem:
            call(target)
        assert "clock" in str(problem.value.fix)


def test_a_refused_role_session_is_denied(server: RawServer, target: IamKey) -> None:
    server.answer = lambda _request: xml_error("ExpiredToken", 403)
    with pytest.raises(Denied, match="admin's own key"):
        target.live()


def test_a_role_that_boto3s_own_chain_may_not_assume_is_denied_with_the_way_out(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.answer = lambda _request: xml_error("AccessDenied", 403)
    (tmp_path / "token").write_text(ADMIN)
    named = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    none = dict.fromkeys(("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"), str(tmp_path / "none"))
    for name, value in {**named, **none, "AWS_ENDPOINT_URL_STS": server.url}.items():
        monkeypatch.setenv(name, value)
    connection = AwsConnection.model_validate({"region": "eu-west-1", "endpoint_url": server.url})
    runtime = Runtime(reveal=lambda _ref: Secret(ADMIN), now=lambda: None, timeout=1.0)  # type: ignore[arg-type, return-value]  # no clock is asked here
    target = IamKey(connection, IamKeySettings(username="uploader"), runtime)
    with pytest.raises(Denied, match="the role of the admin does not let this login in") as problem:
        target.live()
    target.close()
    assert "trust policy" in problem.value.fix
    assert ADMIN not in reachable_text(problem.value)
    assert all(b"AssumeRoleWithWebIdentity" in each.body for each in server.requests)


def test_all_pages_are_read(server: RawServer, target: IamKey) -> None:
    pages = {None: listing(["AKIAONE"], truncated=True, marker="m1"), "m1": listing(["AKIATWO"], truncated=False)}
    server.answer = lambda request: pages["m1" if b"Marker=m1" in request.body else None]
    assert [each["AccessKeyId"] for each in target.listed()] == ["AKIAONE", "AKIATWO"]


@pytest.mark.parametrize("marker", [None, "same"])
def test_half_a_list_is_unreachable(server: RawServer, target: IamKey, marker: str | None) -> None:
    server.answer = lambda _request: listing(["AKIAONE"], truncated=True, marker=marker)
    with pytest.raises(Unreachable, match="no end"):
        target.live()
    assert len(server.requests) <= 2


def test_an_answer_without_a_key_may_have_minted_one(server: RawServer, target: IamKey) -> None:
    body = f'<CreateAccessKeyResponse xmlns="{XMLNS}"><CreateAccessKeyResult/></CreateAccessKeyResponse>'
    server.answer = lambda _request: Answer(200, {"Content-Type": "text/xml"}, [body.encode()])
    with pytest.raises(Unreachable, match="may have been minted"):
        target.issue("x")


@pytest.mark.parametrize("answer", [drip(), flood(b" " * 65536), silence()], ids=["drip", "flood", "silence"])
def test_a_call_that_never_ends_can_be_interrupted_and_closed(server: RawServer, target: IamKey, answer: Answer) -> None:
    server.answer = lambda _request: answer
    started = time.monotonic()
    with pytest.raises((Interrupted, Unreachable)), Seam().deadline(1.2):
        target.issue("x")
    target.close()
    assert time.monotonic() - started < 4


def test_a_refused_port_is_unreachable(target: IamKey, server: RawServer) -> None:
    nowhere = target.connection.model_copy(update={"endpoint_url": "http://127.0.0.1:1"})
    with pytest.raises(Unreachable, match="EndpointConnectionError"):
        IamKey(nowhere, target.config, target.runtime).live()


def test_endpoints_of_the_environment_are_ignored(server: RawServer, target: IamKey, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(_request: Request) -> Answer:
        pytest.fail("the call went to another endpoint")

    with RawServer(elsewhere) as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.url)
        monkeypatch.setenv("HTTP_PROXY", other.url)
        server.answer = lambda _request: listing([])
        assert target.live() == []
        assert other.requests == []


def test_without_an_endpoint_url_the_calls_go_to_aws_whatever_the_environment_says(target: IamKey, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(lambda _request: listing([])) as other, RawServer(lambda _request: Answer(500)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)  # it refuses CONNECT, so nothing leaves this machine
        real = target.connection.model_copy(update={"endpoint_url": None})
        with pytest.raises(Unreachable, match="ProxyConnectionError"):
            IamKey(real, target.config, target.runtime).live()
        assert other.requests == []


def test_certificates_of_the_environment_are_not_trusted(target: IamKey, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere")
    client = target._calls._client("iam", boto3.Session(region_name="us-east-1"), {})
    assert client._endpoint.http_session._verify is True
