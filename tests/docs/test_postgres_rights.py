"""What the page of rotator_postgres says is given to the admin is enough, and none of it too much, on a real server of each version."""

import re
import subprocess
from datetime import UTC, datetime

import pytest
from pages import ROOT, marked

from rotator.model import Credential, Secret
from rotator.target import Level, Runtime
from rotator.testing.servers.postgres import PostgresServer, debian_bindir, wheel_package
from rotator_postgres import PostgresUser
from rotator_postgres.connection import PostgresConnection, PostgresUserSettings

PAGE = ROOT / "plugins/rotator_postgres/README.md"
THERE = {"debian": debian_bindir(), "wheel": wheel_package()}
OLD_DEBIAN = THERE["debian"] is not None and int(THERE["debian"].parent.name) < 16
BEFORE, SINCE = "admin before 16", "admin since 16"
BLOCKS = {"debian": BEFORE if OLD_DEBIAN else SINCE, "wheel": SINCE}
ADMIN, FIRST, NEXT = Secret("the-password-of-the-admin"), Secret("the-first-password-of-orders-a"), Secret("the-next-one-of-orders-b")


def text_of(block):
    return marked(PAGE, f"postgres: {block}")[0].text


def grants(block):
    return re.findall(r"^GRANT .+;$", text_of(block), re.MULTILINE)


@pytest.fixture(scope="module", params=BLOCKS)
def server(request):
    """A server of that version, with what the page takes as given; nobody but consumers may connect to `orders`."""
    if THERE["debian"] is None or THERE[request.param] is None:
        pytest.skip(f"no psql, or no PostgreSQL of {request.param}")
    with PostgresServer(request.param, log_statements=True) as running:
        running.query("CREATE DATABASE orders")
        running.query("REVOKE CONNECT ON DATABASE orders FROM PUBLIC")
        running.block = BLOCKS[request.param]
        assert (int(running.query("SHOW server_version_num")[0][0]) >= 160000) == (running.block == SINCE)
        yield running


def psql(server, text, answers=""):
    """As somebody at a terminal types it; what `\\password` asks for is read from stdin, where there is no terminal."""
    where = ["-h", server.host, "-p", str(server.port), "-U", server.superuser, "-d", "postgres"]
    commands = [part for line in text.splitlines() for part in ("-c", line)]
    return subprocess.run(
        [THERE["debian"] / "psql", "-X", "-v", "ON_ERROR_STOP=1", *where, *commands],
        input=answers, env={"PGPASSWORD": server.password.reveal()}, start_new_session=True,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def given(server):
    """The roles of the page, and its statements, followed."""
    server.create_user("orders_a", FIRST)
    server.create_user("orders_b", None, "NOLOGIN")
    server.query("GRANT CONNECT ON DATABASE orders TO orders_a, orders_b")
    done = psql(server, text_of(server.block), f"{ADMIN.reveal()}\n" * 2)
    assert (done.returncode, "ERROR" in done.stderr) == (0, False), done.stderr
    yield server
    server.query("REVOKE CONNECT ON DATABASE orders FROM orders_a, orders_b, rotator")
    server.query("DROP ROLE orders_a, orders_b, rotator")


@pytest.fixture
def target(given):
    """The target of the package's docstring, at this server."""
    admin = {"username": "rotator", "password": {"env": "PG_ADMIN_PASSWORD"}}
    where = PostgresConnection.model_validate({"host": "127.0.0.1", "port": given.port, "tls": "off", "admin": admin})
    what = PostgresUserSettings.model_validate({"dbname": "orders", "usernames": ("orders_a", "orders_b")})
    made = PostgresUser(where, what, Runtime(reveal=lambda _: ADMIN, now=lambda: datetime.now(UTC), timeout=20.0, fence=1))
    yield made
    made.close()


OLD, NEW = Credential(name="orders_a", secret=FIRST), Credential(name="orders_b", secret=NEXT)


def troubles(target):
    return [each for each in target.check([OLD]) if each.level is not Level.OK]


def test_the_rights_of_the_page_are_enough_to_rotate(given, target):
    assert troubles(target) == []
    target.apply(NEW, [OLD])
    with given.connect("orders_a", FIRST, "orders"):
        assert target.last_used(OLD) is not None
        target.disable(OLD, [NEW])
        target.enable(OLD)
        target.revoke(OLD, [NEW])
        assert target.last_used(OLD) is None
    assert (given.logs_in("orders_b", NEXT, "orders"), given.logs_in("orders_a", FIRST, "orders")) == (True, False)


@pytest.mark.parametrize(
    ("server", "number"), [(each, number) for each in BLOCKS for number in range(len(grants(BLOCKS[each])))], indirect=["server"]
)
def test_each_grant_is_needed_and_check_prints_it_where_it_is_missing(given, target, number):
    grant = grants(given.block)[number]
    given.query(grant.replace("GRANT ", "REVOKE ", 1).replace(" TO ", " FROM ").partition(" WITH ")[0])
    told = troubles(target)
    assert {each.code for each in told} <= {"privilege.missing", "privilege.unproven"}
    plain = " ".join(each.fix.replace('"', "").replace(" WITH INHERIT TRUE", "") for each in told)
    for role in grant.removeprefix("GRANT ").partition(" TO ")[0].split(", "):
        assert f"GRANT {role} TO {grant.partition(' TO ')[2]}" in plain
    for each in told:
        given.query(each.fix)
    assert troubles(target) == []


def test_createrole_is_needed_and_check_prints_it_where_it_is_missing(given, target):
    given.query("ALTER ROLE rotator NOCREATEROLE")
    (one,) = troubles(target)
    assert (one.code, one.fix) == ("privilege.missing", 'ALTER ROLE "rotator" CREATEROLE;')


def test_the_rights_of_the_page_give_the_admin_nothing_that_the_roles_may(given):
    kinds = ("USAGE", "SET") if given.block == SINCE else ("USAGE", "MEMBER")
    for kind in kinds:
        asked = "SELECT pg_has_role('rotator', 'orders_a', %s), pg_has_role('rotator', 'orders_b', %s)"
        assert given.query(asked, (kind, kind)) == [(False, False)]


def test_admin_option_gives_the_admin_all_that_the_roles_may(given):
    given.query("REVOKE orders_a, orders_b FROM rotator")
    given.query("GRANT orders_a, orders_b TO rotator WITH ADMIN OPTION")
    assert given.query("SELECT pg_has_role('rotator', 'orders_a', 'USAGE')") == [(True,)]


@pytest.mark.skipif(not OLD_DEBIAN, reason="no PostgreSQL before 16")
@pytest.mark.parametrize("server", ["debian"], indirect=True)
def test_before_16_the_narrow_grant_is_a_syntax_error_as_the_page_says(given):
    (narrow,) = [each for each in grants(SINCE) if "ADMIN" in each]
    done = psql(given, narrow)
    assert (done.returncode, "syntax error" in done.stderr) == (1, True)


def test_the_two_lists_differ_by_the_grant_of_the_roles_alone():
    assert [each for each in grants(SINCE) if each not in grants(BEFORE)] == [
        "GRANT orders_a, orders_b TO rotator WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;"
    ]


def test_no_log_shows_the_password_that_was_typed(given):
    log = given.log_file.read_text()
    assert ("SCRAM-SHA-256$" in log, ADMIN.reveal() in log) == (True, False)
