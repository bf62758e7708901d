"""A signed request to a receiver that verifies as the page says."""

import hashlib
import hmac
import json
import re
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from receiver import Receiver, verifier

from rotator.errors import BadInput
from rotator.model import Level
from rotator.reload import Denied, Reached, Refused, Runtime, Secret, Unreachable
from rotator.reloads.webhook import Webhook, WebhookSettings
from rotator.testing.reload_contract import CANARY, NAME, SHORT, V1, V2, ReloadContract, runtime, told_by
from rotator.testing.servers.raw import Answer, RawServer, drip, flood, json_answer, silence
from rotator.testing.servers.tls import write_certificates


def hook(url, given=None, **more):
    return Webhook(WebhookSettings(url=f"{url}/rotated", secret={"env": "HOOK_KEY"}, **more), given or runtime(HOOK_KEY=CANARY))


def short(**more):
    return Runtime(reveal=lambda _ref: Secret(CANARY), now=lambda: datetime.now(UTC), timeout=SHORT, **more)


@pytest.fixture
def receiver():
    with Receiver(CANARY) as server:
        yield server
    assert server.faults == []


@pytest.fixture
def silent():
    with RawServer(lambda _request: silence()) as server:
        yield server


class TestWebhook(ReloadContract):
    @pytest.fixture
    def reload(self, receiver):
        return lambda: hook(receiver.url)

    @pytest.fixture
    def told(self, receiver):
        return lambda: receiver.told

    @pytest.fixture
    def deaf(self, silent):
        return hook(silent.url, short())

    @pytest.fixture
    def misplaced(self, receiver, tmp_path):
        return hook(receiver.url, tls={"ca": str(tmp_path / "nowhere.pem")})


class TestWebhookOfAConsumerThatSaysWhatItUses(TestWebhook):
    answers = Reached.adopted

    @pytest.fixture
    def reload(self, receiver):
        receiver.more = {"adopted": True}
        return lambda: hook(receiver.url)


def test_the_request_is_signed_and_its_id_is_that_of_the_version(receiver):
    one = hook(receiver.url)
    for version in (V1, V1, V2):
        one.tell(NAME, version)
    first, again, other = receiver.requests
    assert json.loads(first.body) == {"id": f"{V1}-reload", "name": NAME, "version": V1}
    assert first.headers["Rotator-Id"] == again.headers["Rotator-Id"] != other.headers["Rotator-Id"]
    signed = f"v1.{V1}-reload.{first.headers['Rotator-Timestamp']}.".encode() + first.body
    assert first.headers["Rotator-Signature"] == "v1=" + hmac.new(CANARY.encode(), signed, hashlib.sha256).hexdigest()
    assert CANARY not in repr(receiver.requests)


def test_the_function_of_the_page_refuses_what_is_tampered_old_early_or_of_another_key(receiver):
    hook(receiver.url).tell(NAME, V1)
    (request,) = receiver.requests
    is_ours, headers, body = verifier(), request.headers, request.body
    stamp = int(headers["Rotator-Timestamp"])
    assert is_ours(CANARY, headers, body)
    assert not is_ours("another", headers, body)
    assert not is_ours(CANARY, headers, body.replace(b"orders", b"0rders"))
    for name, value in (
        ("Id", f"{V2}-reload"),
        ("Timestamp", str(stamp + 1)),
        ("Timestamp", "x"),
        ("Signature", "v1="),
        ("Signature", "é"),
    ):
        assert not is_ours(CANARY, {**headers, f"Rotator-{name}": value}, body)
    assert is_ours(CANARY, headers, body, now=lambda: stamp + 299)
    assert not is_ours(CANARY, headers, body, now=lambda: stamp + 301)
    assert not is_ours(CANARY, headers, body, now=lambda: stamp - 301)


def test_the_function_of_the_page_has_ten_lines():
    page = (Path(__file__).parents[2] / "docs" / "reloads.md").read_text()
    code = re.search(r"<!-- python: receiver -->\n```python\n(.*?)```", page, re.DOTALL)[1]
    assert len([each for each in code.splitlines() if each.strip()]) <= 10


ANSWERS = [
    (json_answer({"version": V1}), {}, Reached.accepted, ""),
    (json_answer({"version": V1, "adopted": True, "more": 1}, 201), {}, Reached.adopted, ""),
    (json_answer({"version": V1, "adopted": "yes"}), {}, Reached.accepted, ""),
    (json_answer({"version": V1, "adopted": True}), {"ack": "status"}, Reached.accepted, ""),
    (Answer(204), {"ack": "status"}, Reached.accepted, ""),
    (Answer(200, {}, [b"OK"]), {"ack": "status"}, Reached.accepted, ""),
    (Answer(204), {}, Refused, "answered 204 without naming the version.*ack: status"),
    (Answer(200, {}, [b"canary-Zq7"]), {}, Refused, "answered 200 without naming the version"),
    (json_answer([V1]), {}, Refused, "without naming the version"),
    (json_answer({"version": V2, "adopted": True}), {}, Refused, "another version than ours"),
    (json_answer({"version": [V1]}), {}, Refused, "another version than ours"),
    (Answer(302, {"Location": "http://127.0.0.1:1/canary-Zq7"}), {"ack": "status"}, Refused, "answered 302, and no redirect is followed"),
    (json_answer({"version": V1}, 401), {"ack": "status"}, Denied, "answered 401: it does not take our signature"),
    (json_answer({"version": V1}, 403), {}, Denied, "answered 403"),
    (json_answer({"version": V1}, 404), {"ack": "status"}, Refused, "answered 404"),
    (json_answer({"version": V1}, 500), {"ack": "status"}, Unreachable, "answered 500"),
    (Answer(429, {"Retry-After": "7"}), {}, Unreachable, "answered 429"),
    (Answer(503, {"Retry-After": "soon"}), {}, Unreachable, "answered 503"),
    (Answer(drop=True), {}, Unreachable, "no answer from .* \\(RemoteProtocolError\\)"),
    (flood(), {"ack": "status"}, Unreachable, "larger than 65536 bytes"),
]


@pytest.mark.parametrize(
    ("answer", "more", "ends", "says"), ANSWERS, ids=[f"{number} {each[3][:30]}" for number, each in enumerate(ANSWERS)]
)
def test_each_answer_counts_for_what_the_page_says(receiver, answer, more, ends, says):
    receiver.next = answer
    one = hook(receiver.url, **more)
    if isinstance(ends, Reached):
        assert one.tell(NAME, V1) is ends
        assert ends <= Webhook.most(one.config)
    else:
        with pytest.raises(ends, match=says) as no:
            one.tell(NAME, V1)
        assert type(no.value) is ends
        assert no.value.fix
        assert "Zq7" not in told_by(no.value)
        assert getattr(no.value, "retry_after", None) == (7 if answer.status == 429 else None)
    assert len(receiver.requests) == 1


def test_an_answer_that_drips_ends_in_time():
    with RawServer(lambda _request: drip(every=0.1)) as server, pytest.raises(Unreachable, match=r"no whole answer .* in time"):
        hook(server.url, short()).tell(NAME, V1)


def test_nobody_there_is_unreachable_and_a_proxy_of_the_environment_is_not_asked(receiver, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, receiver.url)
    with pytest.raises(Unreachable, match=r"no answer from http://127.0.0.1:1/rotated \(ConnectError\).*is it up"):
        hook("http://127.0.0.1:1").tell(NAME, V1)
    assert receiver.requests == []


def test_only_the_named_authority_is_trusted(tmp_path):
    ca, certificate, key = (tmp_path / each for each in ("ca", "crt", "key"))
    write_certificates(ca, certificate, key)
    with Receiver(CANARY) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        url = server.url.replace("http://", "https://")
        assert hook(url, tls={"ca": str(ca)}).tell(NAME, V1) is Reached.accepted
        with pytest.raises(Denied, match=r"the certificate of https://.*/rotated is not trusted"):
            hook(url).tell(NAME, V1)
    assert server.told == [V1]


def test_a_key_that_cannot_be_read_is_denied_and_found_before(receiver):
    def reveal(_ref):
        raise BadInput("the environment variable HOOK_KEY is not set, or empty", fix="set it")

    one = hook(receiver.url, Runtime(reveal=reveal, now=lambda: datetime.now(UTC)))
    with pytest.raises(Denied, match="HOOK_KEY is not set"):
        one.tell(NAME, V1)
    assert [(each.level, each.code, each.fix) for each in one.check()] == [(Level.FAIL, "reload", "set it")]
    assert receiver.requests == []


def test_a_key_that_is_no_text_is_denied_and_nothing_of_it_hangs_on_the_error(receiver):
    one = hook(receiver.url, runtime(HOOK_KEY=f"{CANARY}-\udcff"))
    with pytest.raises(Denied, match="the key of the webhook is no text") as error:
        one.tell(NAME, V1)
    assert CANARY not in told_by(error.value)
    assert [(each.level, each.text, each.fix) for each in one.check()] == [(Level.FAIL, error.value.what, error.value.fix)]
    assert receiver.requests == []


def test_without_httpx_check_says_what_to_install(receiver, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    (found,) = hook(receiver.url).check()
    assert found.text.startswith("the type `webhook` needs httpx, which is not installed for ")
    assert "-m pip install '/path/to/rotator[http]'" in found.fix
    with pytest.raises(Denied, match="needs httpx, which is not installed"):
        hook(receiver.url).tell(NAME, V1)


@pytest.mark.parametrize(
    "url", ["http://orders.internal/rotated", "https://u:p@orders.internal/", "https://orders.internal/?key=1", "ftp://x/"]
)
def test_a_url_that_would_leak_is_an_error_at_load(url):
    with pytest.raises(ValueError):
        WebhookSettings(url=url, secret={"env": "HOOK_KEY"})
