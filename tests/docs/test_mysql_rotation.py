"""What docs/targets/mysql.md says is given once is enough, and none of it too much, on a real MariaDB that has loaded no plugin."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import DOCS, blocks, marked

from rotator.testing.servers.mariadb import MariaDbServer, binary

pytestmark = pytest.mark.skipif(binary() is None, reason="MariaDB is not installed here")
PAGE = DOCS / "targets/mysql.md"
ROTATOR = str(Path(sys.executable).with_name("rotator"))
ADMIN = re.search(r"PASSWORD\('(.+)'\)", marked(PAGE, "mysql: admin")[0].text)[1]
FIRST = re.search(r"IDENTIFIED BY '(.+)'", marked(PAGE, "mysql: account")[0].text)[1]


def statements(kind):
    text = marked(PAGE, f"mysql: {kind}")[0].text.replace("10.0.0.7", "127.0.0.1")
    return [each.strip() for each in text.split(";\n") if each.strip()]


@pytest.fixture(scope="module")
def server():
    with MariaDbServer(settings={"plugin-load-add": ""}) as running:
        yield running


@pytest.fixture
def rotator(server, tmp_path):
    """Runs commands in the page's configuration, at this server, and gives back what `--json` says."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ROTATOR_")} | {"MYSQL_ADMIN_PASSWORD": ADMIN}

    def run(*words, given=None):
        done = subprocess.run(
            [ROTATOR, "--json", *words], cwd=tmp_path, env=clean, input=given, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else {}

    assert run("init")[0] == 0
    (tmp_path / "schedules/example.yaml").unlink()
    for each in blocks(PAGE):
        if each.marker.startswith("yaml: "):
            near = each.text.replace("host: db1.internal", f"host: 127.0.0.1\n    port: {server.port}\n    tls: off")
            (tmp_path / each.marker.removeprefix("yaml: ")).write_text(near)
    return run


def given(server, statements):
    for each in statements:
        server.query(each)


@pytest.fixture
def nothing_given(server):
    """The account of the page, and no admin; afterwards the server as it was before."""
    given(server, statements("account"))
    yield
    server.query("DROP USER shop@'%'")
    server.query("DROP USER IF EXISTS rotator@'127.0.0.1'")
    server.query("UNINSTALL SONAME IF EXISTS 'auth_ed25519'")


def test_the_rights_of_the_page_are_enough_to_rotate(server, nothing_given, rotator):
    given(server, statements("admin"))
    assert rotator("adopt", "shop", given=json.dumps({"username": "shop", "password": FIRST}))[0] == 0
    code, looked = rotator("dry-run", "shop", "--force")
    assert (code, [each for each in looked["results"][0]["findings"] if each["level"] != "ok"]) == (0, [])
    code, ran = rotator("run", "shop", "--force")
    assert (code, ran["results"][0]["state"]) == (0, "grace")


@pytest.mark.parametrize("right", [each for each in statements("admin") if each.startswith("GRANT ")])
def test_without_any_of_them_the_dry_run_names_the_one_that_is_missing(right, server, nothing_given, rotator):
    given(server, statements("admin"))
    assert rotator("adopt", "shop", given=json.dumps({"username": "shop", "password": FIRST}))[0] == 0
    server.query(right.replace("GRANT ", "REVOKE ").replace(" TO ", " FROM "))
    _, looked = rotator("dry-run", "shop", "--force")
    missing = [each for each in looked["results"][0]["findings"] if each["code"] == "privilege.missing"]
    words = re.match(r"GRANT (.+?) ON", right)[1].split(", ")
    assert [any(word in each["fix"] for each in missing) for word in words] == [True] * len(words)


def test_the_first_statement_is_needed_and_may_be_given_twice(server, nothing_given):
    with pytest.raises(Exception, match="1524"):
        given(server, statements("admin")[1:])
    server.query("INSTALL SONAME 'auth_ed25519'")
    given(server, statements("admin"))
