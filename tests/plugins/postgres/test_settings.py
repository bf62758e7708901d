"""Settings: what is refused at load, and what a target says of itself without touching anything."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from rotator.target import Runtime
from rotator_postgres import PostgresUser
from rotator_postgres.connection import PostgresConnection, PostgresUserSettings

ADMIN = {"username": "rotator", "password": {"env": "PG_ADMIN_PASSWORD"}}
TWO = {"dbname": "orders", "usernames": ["orders_a", "orders_b"]}


def connection(**settings):
    return PostgresConnection.model_validate({"host": "db1.internal", "admin": ADMIN, **settings})


def target(config, **settings):
    runtime = Runtime(reveal=lambda _: pytest.fail("reads a secret"), now=lambda: datetime.now(UTC))
    return PostgresUser(connection(**settings), PostgresUserSettings.model_validate(config), runtime)


@pytest.mark.parametrize("off", ["off", False])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "/run/postgresql"])
def test_tls_may_be_off_towards_loopback_and_sockets(host, off):
    assert connection(host=host, tls=off).tls is None


@pytest.mark.parametrize("host", ["db1.internal", "10.0.0.1", "localhost.evil.example"])
def test_tls_may_not_be_off_towards_anything_else(host):
    with pytest.raises(ValidationError, match="only towards loopback"):
        connection(host=host, tls="off")


def test_an_empty_tls_does_not_switch_it_off():
    with pytest.raises(ValidationError, match="give"):
        connection(host="localhost", tls=None)


def test_what_the_settings_say_can_be_written_and_read_again():
    for tls in ("off", {"ca": "/ca.pem"}, {}):
        one = connection(host="localhost", tls=tls)
        assert PostgresConnection.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize("host", ["", "a,b", "a b", "a\nb", "user@host", "@abstract", "a=b"])
def test_a_host_is_one_host(host):
    with pytest.raises(ValidationError):
        connection(host=host)


@pytest.mark.parametrize("name", ["", "a\nb", "a\x00b", "x" * 64, "ü" * 32])
def test_a_name_that_the_server_would_not_keep_is_refused(name):
    with pytest.raises(ValidationError):
        PostgresUserSettings.model_validate({"dbname": "orders", "username": name})


def test_either_one_user_or_two_different_ones():
    for users in (
        {},
        {"username": "a", "usernames": ["a", "b"]},
        {"usernames": ["a", "a"]},
        {"usernames": ["a"]},
        {"usernames": ["a", "b", "c"]},
    ):
        with pytest.raises(ValidationError):
            PostgresUserSettings.model_validate({"dbname": "orders", **users})


def test_sessions_of_one_user_in_place_are_never_ended():
    with pytest.raises(ValidationError, match="needs `usernames`"):
        PostgresUserSettings.model_validate({"dbname": "orders", "username": "a", "terminate_sessions": True})
    assert target({"dbname": "orders", "username": "a"}).can.sessions_survive
    assert not target(TWO).can.sessions_survive
    assert target({**TWO, "terminate_sessions": False}).can.sessions_survive


@pytest.mark.parametrize("options", [{"a b": "1"}, {"a": "1\n2"}, {"-c x": "1"}])
def test_options_are_settings_by_name(options):
    with pytest.raises(ValidationError):
        PostgresUserSettings.model_validate({**TWO, "options": options})


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [("DB1.Internal.", "db1.internal:5432"), ("::0001", "[::1]:5432"), ("127.0.0.1", "127.0.0.1:5432"), ("/run/pg/", "/run/pg:5432")],
)
def test_the_endpoint_is_the_same_however_the_host_is_written(host, endpoint):
    assert target(TWO, host=host).endpoint == endpoint


def test_two_users_take_turns_and_one_is_in_place():
    two, one = target(TWO), target({"dbname": "orders", "username": "orders"})
    assert (two.principals, two.can.disables, two.can.tells_use) == (("orders_a", "orders_b"), True, True)
    assert (one.principals, one.can.disables, one.can.tells_use) == (("orders",), False, False)
    assert (two.admin, two.can.fences, two.can.max_live) == ("rotator", True, 1)


def test_no_value_is_shown_in_an_error():
    with pytest.raises(ValidationError) as caught:
        connection(admin={"username": "rotator", "password": "hunter2-literal"})
    assert "hunter2-literal" not in str(caught.value)
