"""Settings: what is refused at load, and what a target says of itself without touching anything."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from rotator.target import Runtime
from rotator_redis import RedisUser
from rotator_redis.connection import RedisConnection, RedisUserSettings

ADMIN = {"username": "rotator", "password": {"env": "REDIS_ADMIN_PASSWORD"}}


def connection(**settings):
    return RedisConnection.model_validate({"host": "cache1.internal", "admin": ADMIN, **settings})


def target(config=None, **settings):
    runtime = Runtime(reveal=lambda _: pytest.fail("reads a secret"), now=lambda: datetime.now(UTC))
    return RedisUser(connection(**settings), RedisUserSettings.model_validate({"username": "cart", **(config or {})}), runtime)


@pytest.mark.parametrize("off", ["off", False])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "/run/redis/redis.sock"])
def test_tls_may_be_off_towards_loopback_and_sockets(host, off):
    assert connection(host=host, tls=off).tls is None


@pytest.mark.parametrize("host", ["cache1.internal", "10.0.0.1", "localhost.evil.example"])
def test_tls_may_not_be_off_towards_anything_else(host):
    with pytest.raises(ValidationError, match="only towards loopback"):
        connection(host=host, tls="off")


def test_an_empty_tls_does_not_switch_it_off_and_a_socket_has_no_ca():
    with pytest.raises(ValidationError, match="give"):
        connection(host="localhost", tls=None)
    with pytest.raises(ValidationError, match="nothing reads"):
        connection(host="/run/redis.sock", tls={"ca": "/ca.pem"})


def test_what_the_settings_say_can_be_written_and_read_again():
    for tls in ("off", {"ca": "/ca.pem"}, {}):
        one = connection(host="localhost", tls=tls, persist="config_file")
        assert RedisConnection.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize("host", ["", "a,b", "a b", "a\nb", "user@host", "redis://a"])
def test_a_host_is_one_host(host):
    with pytest.raises(ValidationError):
        connection(host=host)


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": ""},
        {"username": "a\nb"},
        {"username": "a b"},
        {"username": "x" * 257},
        {"max_live": 3},
        {"max_live": 0},
        {"max_live": 1, "terminate_sessions": True},
        {"dbname": "0"},
    ],
)
def test_what_a_target_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        target(wrong)


def test_there_is_no_other_way_to_persist():
    with pytest.raises(ValidationError):
        connection(persist="perhaps")


def test_two_live_side_by_side_unless_one_is_asked_for():
    two, one = target(), target({"max_live": 1, "fence": False})
    assert (two.can.max_live, two.can.fences, two.can.sessions_survive, two.can.disables, two.can.dead_probes) == (
        2,
        True,
        True,
        False,
        None,
    )
    assert (one.can.max_live, one.can.fences) == (1, False)
    assert (two.principals, two.admin) == (("cart",), "rotator")


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("Cache1.Internal.", "cache1.internal:6379"),
        ("::0001", "[::1]:6379"),
        ("127.0.0.1", "127.0.0.1:6379"),
        ("/run/r.sock", "/run/r.sock"),
    ],
)
def test_the_endpoint_is_the_same_however_the_host_is_written(host, endpoint):
    assert target(host=host).endpoint == endpoint


def test_no_value_is_shown_in_an_error():
    with pytest.raises(ValidationError) as caught:
        connection(admin={"username": "rotator", "password": "hunter2-literal"})
    assert "hunter2-literal" not in str(caught.value)
