"""Two users that take turns: every difference is found, and the statements printed make them equal."""

import pytest

from rotator.model import Level
from rotator_postgres.login import NoLogin
from rotator_postgres.unequal import Pair, unproven
from tests.plugins.postgres.both import SERVERS

SCHEMA = """
CREATE SCHEMA "S x"; CREATE TABLE "S x".t (id int, "c d" int); CREATE SEQUENCE s; CREATE VIEW v AS SELECT 1 AS one;
CREATE FUNCTION f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
CREATE TYPE mood AS ENUM ('ok'); CREATE DOMAIN d AS int; CREATE FOREIGN DATA WRAPPER w; CREATE SERVER remote FOREIGN DATA WRAPPER w;
ALTER TABLE "S x".t ENABLE ROW LEVEL SECURITY; CREATE POLICY "p q" ON "S x".t TO {first}; SELECT lo_create(4711);
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA public FROM PUBLIC;
"""

DIFFERENCES = {
    "schema": 'GRANT USAGE, CREATE ON SCHEMA "S x" TO {0}',
    "table": 'GRANT SELECT, INSERT ON "S x".t TO {0}',
    "view": "GRANT SELECT ON v TO {0}",
    "grant option": 'GRANT SELECT ON "S x".t TO {0} WITH GRANT OPTION',
    "column": 'GRANT UPDATE ("c d") ON "S x".t TO {0}',
    "sequence": "GRANT USAGE ON SEQUENCE s TO {0}",
    "function": "GRANT EXECUTE ON FUNCTION f(int, text) TO {0}",
    "procedure": "GRANT EXECUTE ON PROCEDURE p() TO {0}",
    "type": "GRANT USAGE ON TYPE mood TO {0}",
    "domain": "GRANT USAGE ON DOMAIN d TO {0}",
    "language": "GRANT USAGE ON LANGUAGE sql TO {0}",
    "wrapper": "GRANT USAGE ON FOREIGN DATA WRAPPER w TO {0}",
    "server": "GRANT USAGE ON FOREIGN SERVER remote TO {0}",
    "large object": "GRANT SELECT ON LARGE OBJECT 4711 TO {0}",
    "database": "GRANT CREATE, TEMPORARY ON DATABASE {db} TO {0}",
    "parameter": "GRANT SET ON PARAMETER log_min_messages TO {0}",
    "default in schema": 'ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA "S x" GRANT SELECT ON TABLES TO {0}',
    "default": "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT EXECUTE ON FUNCTIONS TO {0}",
    "default of its own": "ALTER DEFAULT PRIVILEGES FOR ROLE {0} GRANT SELECT ON TABLES TO pg_monitor",
    "default of its own in schema": 'ALTER DEFAULT PRIVILEGES FOR ROLE {0} IN SCHEMA "S x" GRANT SELECT ON TABLES TO PUBLIC',
    "member": "GRANT pg_read_all_stats TO {0}",
    "member with admin": "GRANT pg_read_all_stats TO {0} WITH ADMIN OPTION",
    "attributes": "ALTER ROLE {0} CREATEDB BYPASSRLS",
    "connection limit": "ALTER ROLE {0} CONNECTION LIMIT 20",
    "setting": "ALTER ROLE {0} SET application_name TO 'it''s'",
    "setting in database": "ALTER ROLE {0} IN DATABASE {db} SET work_mem TO '8MB'",
    "list setting": "ALTER ROLE {0} SET search_path TO \"$user\", 'S x', public",
    "application's own setting": "ALTER ROLE {0} SET my.app TO 'x'",
    "policy": 'ALTER POLICY "p q" ON "S x".t TO {0}, pg_monitor',
}


@pytest.fixture(scope="module")
def prepared():
    """Databases with all kinds of objects, one for each server, and an open connection to each."""
    made = {}
    yield made
    for server, connection in made.items():
        connection.close()
        server.query("DROP DATABASE IF EXISTS many WITH (FORCE)")


@pytest.fixture
def bench(make_bench, server, prepared):
    bench = make_bench(server)
    bench.dbname = "many"
    if bench.server not in prepared:
        bench.server.query("CREATE DATABASE many")
        prepared[bench.server] = bench.server.connect(bench.server.superuser, bench.server.password, "many")
        prepared[bench.server].execute(SCHEMA.format(first="pg_monitor"))
    bench.run = prepared[bench.server].execute
    yield bench
    bench.run('ALTER POLICY "p q" ON "S x".t TO pg_monitor')
    for role in (bench.a, bench.b):
        bench.run(f"DROP OWNED BY {quoted(role)}")


def quoted(name):
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def differences(bench, known=None):
    return [each for each in bench.make_target().check(known or [bench.current]) if each.code == "principal.unequal"]


def paste(bench, findings):
    for each in findings:
        bench.run(each.fix)


def make(bench, what, role):
    bench.run(DIFFERENCES[what].format(quoted(role), db="many"))


@pytest.mark.parametrize(
    ("server", "what"), [*(("newest", each) for each in DIFFERENCES), ("debian", "member"), ("debian", "member with admin")]
)
def test_what_the_idle_one_lacks_is_found_and_the_statements_give_it(bench, what):
    assert differences(bench) == []
    make(bench, what, bench.a)
    found = differences(bench)
    assert found
    soft = what in ("connection limit", "default of its own", "default of its own in schema")
    assert {each.level for each in found} == {Level.WARN if soft else Level.FAIL}
    paste(bench, found)
    assert differences(bench) == []


@pytest.mark.proof
@pytest.mark.parametrize("server", ["newest"])
@pytest.mark.parametrize("what", [each for each in DIFFERENCES if each != "connection limit"])
def test_what_only_the_idle_one_has_is_a_warning_and_the_statements_take_it(bench, what):
    make(bench, what, bench.b)
    found = differences(bench)
    assert {each.level for each in found} == {Level.WARN}
    paste(bench, found)
    assert differences(bench) == []


@SERVERS
def test_all_at_once_in_both_directions(bench):
    for number, what in enumerate(DIFFERENCES):
        make(bench, what, (bench.a, bench.b)[number % 2])
    paste(bench, differences(bench))
    assert differences(bench) == []


@SERVERS
def test_a_setting_with_two_values_becomes_the_one_in_use(bench):
    for role, value in ((bench.a, "1MB"), (bench.b, "2MB")):
        bench.server.query(f"ALTER ROLE {quoted(role)} SET work_mem = '{value}'")
    found = differences(bench)
    assert len(found) == 1
    paste(bench, found)
    assert bench.server.query("SELECT rolconfig FROM pg_roles WHERE rolname = %s", (bench.b,)) == [(["work_mem=1MB"],)]


def writes_of_itself(bench, name, value):
    """The role sets its own setting to any text at all, as every login may."""
    with bench.server.connect(bench.a, bench.current.secret) as own:
        own.execute("SELECT set_config(%s, %s, false)", (name, value))
        own.execute(f"ALTER ROLE {quoted(bench.a)} SET {name} FROM CURRENT")


@SERVERS
@pytest.mark.parametrize(
    ("value", "same"),
    [("public;alter/**/role/**/{0}/**/superuser", None), ('a,"b ""c\'\\"', 'a, "b ""c\'\\"'), ("  x ,y", "x, y")],
    ids=["a statement", "quotes", "blanks"],
)
def test_what_a_role_wrote_into_a_list_of_its_own_is_text_in_the_statement_and_nothing_else(bench, value, same):
    writes_of_itself(bench, "search_path", value.format(bench.a))
    found = differences(bench)
    assert len(found) == 1
    paste(bench, found)
    assert differences(bench) == []
    supers = "SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname IN (%s, %s)"
    assert bench.server.query(supers, (bench.a, bench.b)) == [(0,)]
    kept = bench.server.query("SELECT rolconfig FROM pg_roles WHERE rolname = %s", (bench.b,))[0][0]
    assert same is None or kept == [f"search_path={same}"]


@SERVERS
@pytest.mark.parametrize("value", ["x; ALTER ROLE {0} SUPERUSER", '"x', '"x"y', "x,", "Upper", ""])
def test_a_list_that_is_none_gets_no_statement(bench, value):
    writes_of_itself(bench, "local_preload_libraries", value.format(quoted(bench.a)))
    assert [(each.level, each.fix) for each in differences(bench)] == [(Level.FAIL, None)]


@SERVERS
@pytest.mark.parametrize("where", ["", " IN DATABASE many"])
@pytest.mark.parametrize("other", [None, "canary of the other"])
def test_a_setting_of_an_applications_own_is_compared_and_mended_and_its_value_never_shown(bench, where, other):
    bench.run(f"ALTER ROLE {quoted(bench.a)}{where} SET pgrst.jwt_secret = 'a canary, it''s \\ \"='")
    if other:
        bench.run(f"ALTER ROLE {quoted(bench.b)}{where} SET pgrst.jwt_secret = '{other}'")
    found = differences(bench)
    assert len(found) == 1
    assert ("pgrst.jwt_secret" in found[0].text, "canary" in f"{found[0].text}{found[0].fix}") == (True, False)
    paste(bench, found)
    assert differences(bench) == []
    settings = "SELECT setconfig FROM pg_db_role_setting JOIN pg_roles r ON r.oid = setrole WHERE rolname = %s"
    assert bench.server.query(settings, (bench.b,)) == bench.server.query(settings, (bench.a,))


@SERVERS
def test_a_setting_of_an_applications_own_that_only_the_idle_one_has_is_taken_and_its_value_never_shown(bench):
    bench.run(f"ALTER ROLE {quoted(bench.b)} SET pgrst.jwt_secret = 'canary'")
    found = differences(bench)
    assert [each.level for each in found] == [Level.WARN]
    assert "canary" not in f"{found[0].text}{found[0].fix}"
    paste(bench, found)
    assert differences(bench) == []


@SERVERS
def test_what_both_have_is_no_difference(bench):
    for what in DIFFERENCES:
        if what != "policy":
            make(bench, what, bench.a)
            make(bench, what, bench.b)
    assert differences(bench) == []


@SERVERS
def test_the_one_that_is_in_use_is_the_measure(bench):
    make(bench, "table", bench.b)
    new = bench.make_credential()
    assert {each.level for each in differences(bench, [new])} == {Level.FAIL}


@SERVERS
def test_what_one_of_them_owns_moves_to_a_third_that_both_are_members_of(bench):
    for role, table in ((bench.a, "owned_a"), (bench.b, "owned_b")):
        bench.run(f"CREATE TABLE {table} (); ALTER TABLE {table} OWNER TO {quoted(role)}")
    bench.run(f"GRANT SELECT ON owned_a TO {quoted(bench.b)}, pg_monitor")
    found = differences(bench)
    assert [each.level for each in found] == [Level.FAIL]
    paste(bench, found)
    hidden_before = differences(bench)
    assert [each.level for each in hidden_before] == [Level.WARN]
    paste(bench, hidden_before)
    assert differences(bench) == []
    owner = bench.run("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'owned%'").fetchall()
    assert len(owner) == 1
    bench.run(f'DROP OWNED BY "{owner[0][0]}"; DROP ROLE "{owner[0][0]}"')


@SERVERS
def test_an_admin_that_cannot_look_into_the_database_says_so(make_bench, server):
    bench = make_bench(server, own_database=True)
    bench.server.query(f"REVOKE CONNECT ON DATABASE {bench.dbname} FROM PUBLIC")
    bench.server.query(f"GRANT CONNECT ON DATABASE {bench.dbname} TO {quoted(bench.a)}, {quoted(bench.b)}")
    found = [each for each in bench.make_target().check([bench.current]) if each.level is not Level.OK]
    assert [each.code for each in found] == ["privilege.unproven"]
    bench.paste(found[0].fix)
    assert [each for each in bench.make_target().check([bench.current]) if each.level is not Level.OK] == []


@pytest.mark.parametrize("code", ["28000", "53300", "57P03", None])
def test_where_the_admin_is_kept_out_by_something_else_than_a_right_no_grant_is_printed(code):
    found = unproven(NoLogin(code, asked=False, text="the server did not answer in time"), "rotator", Pair("a", "b", "orders"))
    assert (found.level, found.code, "GRANT" in (found.fix or "")) == (Level.WARN, "privilege.unproven", False)
    assert {"28000": "pg_hba.conf", "53300": "no free connection", "57P03": "57P03", None: "in time"}[code] in found.text
