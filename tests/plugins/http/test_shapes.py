"""What may stand in the YAML of a token API, and where its values may go."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from rotator.errors import BadInput
from rotator.model import Credential, Secret
from rotator.target import Runtime
from rotator_http_token import HttpConnection, HttpToken, HttpTokenSettings
from rotator_http_token.presets import JUPYTERHUB
from rotator_http_token.wire import outgoing
from tests.plugins.http.conftest import connection, runtime
from tests.plugins.leaks import reachable_text

URL = "https://hub.internal/hub/api"
Change = Callable[[dict[str, Any]], None]


def tokens(**changes: dict[str, Any]) -> dict[str, Any]:
    shape = copy.deepcopy(JUPYTERHUB)
    for call, keys in changes.items():
        shape[call] = shape.get(call, {}) | keys
    return shape


def target(shape: Any = "jupyterhub", principal: str = "billing", *, settings: dict[str, Any] | None = None, **connected: Any) -> HttpToken:
    config = HttpTokenSettings.model_validate({"principal": principal} | (settings or {}))
    return HttpToken(
        connection(connected.pop("base_url", URL), tokens=shape, **connected), config, runtime({"admin": "s3cret", "two": "2"})
    )


def request(plugin: HttpToken, call: str, credential: Credential | None = None, label: str | None = None) -> Any:
    shape = plugin.connection.tokens.calls[call]
    return outgoing(plugin.connection, shape, plugin.values(credential, label), plugin.connection.auth)


def errors(shape: Any, **connected: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as problem:
        connection(URL, tokens=shape, **connected)
    found = problem.value.errors(include_input=False, include_url=False, include_context=False)
    return [(".".join(str(part) for part in each["loc"]), each["msg"]) for each in found]


@pytest.mark.parametrize(
    ("call", "keys", "where", "says"),
    [
        ("create", {"id": "id["}, "tokens.create.id", "no JMESPath"),
        ("verify", {"dead": "status == "}, "tokens.verify.dead", "no JMESPath"),
        ("list", {"items": ""}, "tokens.list.items", "at least 1"),
        ("create", {"path": "/users/{user}/tokens"}, "tokens.create.path", "means nothing here"),
        ("create", {"path": "/users/{principal}/{id}"}, "tokens.create.path", "means nothing here"),
        ("create", {"path": "/users/{secrets.admin}"}, "tokens.create.path", "means nothing here"),
        ("verify", {"path": "/check/{secret}"}, "tokens.verify.path", "means nothing here"),
        ("verify", {"query": {"t": "{secret}"}}, "tokens.verify.query", "means nothing here"),
        ("revoke", {"json_body": {"t": "{secret}"}}, "tokens.revoke.json_body", "means nothing here"),
        ("create", {"json_body": {"a": [{"b": "{nobody"}]}}, "tokens.create.json_body", "a brace"),
        ("create", {"json_body": {"{label}": 1}}, "tokens.create.json_body", "not in a key"),
        ("create", {"json_body": {"d": "{expires.never}"}}, "tokens.create.json_body", "expires.date"),
        ("create", {"path": "users/{principal}"}, "tokens.create.path", "begins with /"),
        ("create", {"path": "/users/../{principal}"}, "tokens.create.path", "begins with /"),
        ("create", {"path": "/users?x={principal}"}, "tokens.create.path", "begins with /"),
        ("create", {"path": "/users/{principal}#"}, "tokens.create.path", "begins with /"),
        ("create", {"headers": {"X": "a\r\nB: c"}}, "tokens.create.headers", "control character"),
        ("create", {"headers": {"Host": "evil"}}, "tokens.create.headers", "by the client itself"),
        ("create", {"headers": {"X Y": "a"}}, "tokens.create.headers.X Y.[key]", "pattern"),
        ("create", {"method": "CONNECT"}, "tokens.create.method", "GET"),
        ("create", {"okay": [200]}, "tokens.create.okay", "Extra"),
        ("verify", {"equals": "yes"}, "tokens.verify.equals", "proves nothing"),
        ("verify", {"auth": {"value": "fixed"}}, "tokens.verify", "would not log in"),
        ("verify", {"auth": {"value": "x", "basic": {"username": "a", "password": "secret"}}}, "tokens.verify.auth", "either"),
        ("revoke", {"path": "/users/{principal}/tokens"}, "tokens.revoke", "would not name the token"),
        ("create", {"query": {"p": "{params.project}"}}, "tokens", "does not say what it may be"),
        ("params", {"project": {"allow": ["12"]}}, "tokens", "no call uses"),
        ("create", {"headers": {"X": "{secrets.two}"}}, "", "does not hold it"),
    ],
)
def test_a_mistake_is_named_by_its_key_and_shows_no_value(call: str, keys: dict[str, Any], where: str, says: str) -> None:
    found = errors(tokens(**{call: keys}))
    assert [each[0] for each in found] == [where]
    assert says in found[0][1]


def test_a_preset_that_does_not_exist_is_an_error_that_names_those_that_do() -> None:
    assert errors("github") == [
        ("tokens", "Value error, there is no preset of this name, only jupyterhub, verdaccio; else write out create, list, verify, revoke")
    ]


def test_principals_must_be_bound_to_something() -> None:
    shape = tokens(create={"path": "/tokens"}, verify={"equals": "{id}"})
    assert "`allow` would bind nothing" in errors(shape)[0][1]


def test_secrets_are_references_and_all_of_them_are_used() -> None:
    assert errors("jupyterhub", secrets={"admin": "s3cret"})[0][0] == "secrets.admin"
    assert "nothing uses the secret two" in errors("jupyterhub", secrets={"admin": {"env": "A"}, "two": {"env": "B"}})[0][1]
    assert "the rotated one" in errors("jupyterhub", secrets={"admin": {"env": "A"}, "secret": {"env": "B"}})[0][1]


@pytest.mark.parametrize("url", ["https://hub.internal/hub/api", "http://127.0.0.1:8000", "http://localhost", "http://[::1]:80/x"])
def test_https_and_loopback_are_fine(url: str) -> None:
    assert connection(url).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.internal",
        "http://127.0.0.1.evil.example",
        "https://user:pw@hub.internal",
        "https://hub.internal/?a=b",
        "ftp://hub.internal",
        "https://",
        "https://hub.internal:99999",
        "https://hub.internal/a b",
    ],
)
def test_secrets_travel_in_clear_only_towards_loopback_and_never_stand_in_a_url(url: str) -> None:
    with pytest.raises(ValidationError) as problem:
        connection(url)
    assert "pw" not in str(problem.value)


def test_a_proxy_sees_no_secret() -> None:
    assert connection(URL, proxy="http://proxy.internal:3128").proxy
    with pytest.raises(ValidationError, match="would see the secrets"):
        connection("http://127.0.0.1:1", proxy="http://proxy.internal:3128")
    with pytest.raises(ValidationError, match="without user"):
        connection(URL, proxy="http://eve:pw@proxy.internal:3128")


DOTTED = [".", "..", "../../admin", "team-a/../root", "team-a/./x", "team-a/..", "team-a\\..\\root", "/.."]


@pytest.mark.parametrize("value", [*DOTTED, "a\nb", "", " a", "a\x00"])
def test_a_principal_that_could_reach_elsewhere_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        HttpTokenSettings(principal=value)


@pytest.mark.parametrize(
    ("principal", "path"),
    [
        ("a/b", "/hub/api/users/a%2Fb/tokens"),
        ("a..b/.c/...", "/hub/api/users/a..b%2F.c%2F.../tokens"),
        ("a?b#c", "/hub/api/users/a%3Fb%23c/tokens"),
        ("a%2Fb", "/hub/api/users/a%252Fb/tokens"),
        ("{id}", "/hub/api/users/%7Bid%7D/tokens"),
        ("ä b;c", "/hub/api/users/%C3%A4%20b%3Bc/tokens"),
        ("...", "/hub/api/users/.../tokens"),
    ],
)
def test_a_value_stays_one_segment_of_the_path(principal: str, path: str) -> None:
    plugin = target(principal=principal)
    assert request(plugin, "create", label="x").url == f"https://hub.internal:443{path}"


@pytest.mark.parametrize("value", DOTTED)
def test_a_value_with_dots_that_a_proxy_folds_away_reaches_no_path(value: str) -> None:
    """Some proxies decode a path, fold `team-a/../root` to `root`, and pass that on; `allow` would have let `team-a/*` in."""
    plugin = target()
    plugin.config = HttpTokenSettings.model_construct(principal=value)
    with pytest.raises(BadInput, match="another resource"):
        request(plugin, "create", label="x")
    with pytest.raises(BadInput, match="another resource"):
        request(target(), "revoke", Credential(name=value, secret=None))


def test_a_segment_that_becomes_two_dots_by_its_value_is_refused() -> None:
    shape = tokens(create={"path": "/users/.{principal}x/{params.x}"}, params={"x": {"allow": ["*"]}})
    assert request(target(shape, settings={"params": {"x": "ok"}}), "create", label="y")
    shape["create"]["path"] = "/users/{principal}/.{params.x}"
    with pytest.raises(ValidationError):
        target(shape, settings={"params": {"x": "."}})
    shape["create"]["path"] = "/users/{principal}/{params.x}{params.x}"
    plugin = target(shape, settings={"params": {"x": "ab"}})
    plugin.config.params["x"] = "."
    with pytest.raises(BadInput, match="another resource"):
        request(plugin, "create", label="y")


def test_values_are_filled_in_one_pass() -> None:
    shape = tokens(create={"json_body": {"note": "{label} for {principal}"}})
    body = json.loads(request(target(shape, principal="{label}{secrets.admin}"), "create", label="{principal}").content)
    assert body == {"note": "{principal} for {label}{secrets.admin}"}


def test_whole_values_keep_their_type_and_optional_ones_are_left_out() -> None:
    shape = tokens(
        create={
            "json_body": {
                "n": "{params.n}",
                "text": "no {params.n}",
                "b": "{params.b}",
                "s": "{params.s}",
                "list": ["{params.b}", 1],
                "note": "{label}",
            },
            "query": {"s": "{params.s}", "n": "{params.n}"},
        },
        params={"n": {"allow": ["*"]}, "b": {"allow": ["true"], "optional": True}, "s": {"allow": ["*"], "optional": True}},
    )
    sent = request(target(shape, settings={"params": {"n": 30, "b": True}}), "create", label="l")
    assert json.loads(sent.content) == {"n": 30, "text": "no 30", "b": True, "list": [True, 1], "note": "l"}
    assert sent.url.endswith("?n=30")
    sent = request(target(shape, settings={"params": {"n": 30, "s": "a&b"}}), "create", label="l")
    assert json.loads(sent.content) == {"n": 30, "text": "no 30", "s": "a&b", "list": [1], "note": "l"}
    assert sent.url.endswith("?s=a%26b&n=30")


@pytest.mark.parametrize("value", [None, "", *DOTTED, ["a"], 1.5, "a\x07"])
def test_a_parameter_is_a_plain_value(value: Any) -> None:
    with pytest.raises(ValidationError):
        HttpTokenSettings(principal="p", params={"x": value})


def test_the_connection_says_which_parameters_there_are_and_what_they_may_be() -> None:
    shape = tokens(create={"query": {"p": "{params.project}"}}, params={"project": {"allow": ["12", "team-*"]}})
    assert target(shape, settings={"params": {"project": 12}})
    assert target(shape, settings={"params": {"project": "team-a"}})
    for params, says in (({"project": "13"}, "does not allow"), ({}, "needs the parameter"), ({"project": 12, "x": 1}, "nothing reads")):
        with pytest.raises(BadInput, match=says) as problem:
            target(shape, settings={"params": params})
        assert "13" not in str(problem.value)


def test_an_optional_parameter_that_a_call_cannot_do_without_is_an_error() -> None:
    shape = tokens(create={"headers": {"X": "{params.x}"}}, params={"x": {"allow": ["*"], "optional": True}})
    assert "cannot do without {params.x}" in errors(shape)[0][1]


def test_a_lifetime_is_asked_for_and_given_where_create_has_a_place_for_it() -> None:
    now = datetime(2026, 1, 30, 23, 30, tzinfo=UTC)
    shape = tokens(create={"json_body": {"d": "{expires.date}", "t": "until {expires.time}", "s": "{expires.seconds}", "note": "{label}"}})
    with pytest.raises(BadInput, match="needs a `lifetime`"):
        target(shape)
    plugin = target(shape, settings={"lifetime": "30d"})
    plugin.runtime = Runtime(reveal=plugin.runtime.reveal, now=lambda: now)
    assert json.loads(request(plugin, "create", label="l").content) == {
        "d": "2026-03-01",
        "t": "until 2026-03-01T23:30:00Z",
        "s": 2592000,
        "note": "l",
    }
    with pytest.raises(BadInput, match="nothing reads `lifetime`"):
        target(tokens(create={"json_body": {"note": "{label}"}}), settings={"lifetime": "30d"})


def test_basic_is_built_from_a_user_and_a_reference() -> None:
    plugin = target(auth={"basic": {"username": "ops", "password": "admin"}})
    sent = request(plugin, "create", label="x").headers["Authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"ops:s3cret"
    assert plugin.admin is None, "the admin's password is not what is rotated, so a user may mint its own tokens"


def test_basic_of_a_login_holds_the_rotated_secret() -> None:
    shape = tokens(verify={"auth": {"basic": {"username": "{id}", "password": "secret"}}})
    plugin = target(shape)
    call = plugin.connection.tokens.verify
    values = plugin.values(Credential(name="key-1", secret=Secret("pw")))
    sent = outgoing(plugin.connection, call, values, call.auth).headers["Authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"key-1:pw"


def test_a_secret_with_a_line_end_never_reaches_a_header() -> None:
    plugin = target()
    plugin.runtime = Runtime(reveal=lambda _ref: Secret("a\r\nHost: evil"), now=lambda: datetime.now(UTC))
    with pytest.raises(BadInput, match="control character") as problem:
        plugin.live()
    assert "evil" not in str(problem.value)


BROKEN = "caf\udce9-secret"
"""As Python reads bytes of the environment that are no UTF-8 (PEP 383)."""


@pytest.mark.parametrize(
    "changes",
    [
        {"auth": {"basic": {"username": "ops", "password": "admin"}}},
        {},
        {"shape": tokens(create={"json_body": {"password": "{secrets.admin}"}}), "auth": None},
    ],
    ids=["Basic", "header", "body"],
)
def test_a_secret_that_is_no_text_hangs_on_no_error(changes: dict[str, Any]) -> None:
    plugin = target(**changes)
    plugin.runtime = Runtime(reveal=lambda _ref: Secret(BROKEN), now=lambda: datetime.now(UTC))
    with pytest.raises(BadInput, match="no UTF-8") as problem:
        plugin.issue("x")
    assert "udce9" not in reachable_text(problem.value)


def test_an_id_that_is_no_text_is_sent_nowhere() -> None:
    with pytest.raises(BadInput, match="no UTF-8"):
        target().revoke(Credential(name="\ud800", secret=None), [])


def test_what_a_target_can_do_follows_from_its_calls() -> None:
    full = target().can
    assert (full.max_live, full.lists, full.labels, full.tells_use, full.disables) == (0, True, True, True, False)
    shape = tokens()
    del shape["list"]["label"], shape["list"]["last_used"]
    assert (target(shape).can.labels, target(shape).can.tells_use) == (False, False)
    del shape["list"]
    assert (target(shape).can.lists, target(shape).can.labels) == (False, False)
    unlabelled = tokens(create={"json_body": {"note": "the same for all"}})
    assert not target(unlabelled).can.labels
    assert target(settle={"appears": "3s", "streak": 4}).can.appears.within == timedelta(seconds=3)
    assert target(settle={"appears": "3s", "streak": 4}).can.disappears.streak == 4
    assert target({**tokens(), "dead_probes": 0}).can.dead_probes == 0


@pytest.mark.parametrize("url", ["https://HUB.internal/hub/api/", "https://hub.internal:443/hub/api", "https://hub.internal./hub/api"])
def test_one_place_has_one_endpoint(url: str) -> None:
    assert target(base_url=url).endpoint == "https://hub.internal:443/hub/api"


def test_nothing_prints_a_request() -> None:
    sent = request(target(), "create", label="x")
    assert "s3cret" not in repr(sent)
    assert "s3cret" in str(sent.headers)


def test_settings_import_no_http_client() -> None:
    import subprocess
    import sys

    code = (
        "import sys, rotator_http_token.connection, rotator_aws_iam_key.connection; print('httpx' in sys.modules, 'boto3' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_the_shape_has_a_schema_for_editors() -> None:
    assert HttpConnection.model_json_schema()["properties"].keys() >= {"base_url", "tokens", "auth"}
