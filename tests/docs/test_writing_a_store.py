"""docs/writing-a-store.md, followed word by word; then what it made keeps the record and the values of a spec that rotates."""

import json
import sqlite3

import pytest
import yaml
from drop_in import FIRST, TARGET, plugins, porter, rotator
from pages import DOCS, ROOT, marked
from reader import Reader

PAGE = DOCS / "writing-a-store.md"
MODULES = ("place", "store")


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    made = Reader(PAGE, tmp_path_factory.mktemp("afternoon"))
    made.follow()
    return made


def test_every_command_of_the_page_ends_as_the_page_says(reader):
    assert len(reader.ran) >= 4
    for each in reader.ran:
        assert each.returned == each.expected, each.printed


def test_every_line_that_the_page_says_is_seen_is_seen(reader):
    wanted = [(line, each) for each in reader.ran for line in each.seen.splitlines()]
    assert len(wanted) >= 5
    for line, each in wanted:
        assert line in each.printed


def test_a_store_that_does_not_compare_fails_in_the_laws_that_the_page_names_and_in_no_other(reader):
    spoilt = reader.of("sed ")[0]
    failed = {line.partition("::test_")[2].split()[0] for line in spoilt.printed.splitlines() if line.startswith("FAILED ")}
    assert failed == {each.removeprefix("test_") for each in spoilt.seen.splitlines()}


@pytest.mark.parametrize("module", MODULES)
def test_the_code_of_the_page_is_what_the_type_checker_sees(module):
    code = marked(PAGE, f"write: rotator_shelf/{module}.py")[0].text
    assert (ROOT / f"tests/typing/shelf/{module}.py").read_text() == code


def of_page(page, file):
    return yaml.safe_load(marked(page, f"fragment: {file}")[0].text)


def configure(folder, port):
    """The target page's files, with the stores, the destination and the places of this one in them."""
    owner = of_page(TARGET, "rotator.yaml") | of_page(PAGE, "rotator.yaml")
    owner["connections"]["door"]["url"] = f"http://127.0.0.1:{port}"
    schedule = of_page(TARGET, "schedules/example.yaml")
    schedule["rotations"]["door-app"] |= of_page(PAGE, "schedules/example.yaml")["rotations"]["door-app"]
    (folder / "rotator.yaml").write_text(yaml.safe_dump(owner))
    (folder / "schedules/example.yaml").write_text(yaml.safe_dump(schedule))


def rows(file, query):
    opened = sqlite3.connect(file)
    try:
        return opened.execute(query).fetchall()
    finally:
        opened.close()


def prepare(folder, drop_in):
    """The databases, each with the statement that the page's code names as what to do."""
    for name, module in (("shelf", "place"), ("web", "place"), ("records", "store")):
        text = (drop_in / f"rotator_shelf/{module}.py").read_text()
        (folder / f"var/{name}.db").touch(0o600)
        rows(folder / f"var/{name}.db", text.partition('TABLE = "')[2].partition('"\n')[0])


def test_a_spec_rotates_with_its_record_and_its_values_in_what_the_page_made(reader, tmp_path):
    files = {f"rotator_shelf/{each.name}": each.read_text() for each in (reader.folder / "rotator_shelf").glob("*.py")}
    target = {"rotator_porter.py": (ROOT / "tests/typing/porter.py").read_text()}
    drop_in = plugins(tmp_path / "plugins", files | target, [TARGET, PAGE])
    rotator(tmp_path, drop_in, "init")
    prepare(tmp_path, drop_in)
    with porter(tmp_path) as server:
        configure(tmp_path, server.server_port)
        rotator(tmp_path, drop_in, "adopt", "door-app", given=json.dumps(FIRST))
        ran = json.loads(rotator(tmp_path, drop_in, "run", "door-app", "--force"))
        password = server.users["app"]
    assert ran["results"][0]["state"] == "at rest"
    assert password != FIRST["password"]
    shown = {name: value for _, name, value, _ in rows(tmp_path / "var/web.db", "SELECT * FROM setting WHERE app = 'shop'")}
    assert shown == {"DOOR_USER": "app", "DOOR_PASSWORD": password}
    own = {name: value for _, name, value, _ in rows(tmp_path / "var/shelf.db", "SELECT * FROM setting WHERE app = 'door/app'")}
    assert own == {"username": "app", "password": password}
    ((path, document),) = rows(tmp_path / "var/records.db", "SELECT path, document FROM record")
    assert (path, json.loads(document)["current"]["credential"]["secret"]) == ("door/app", password)
    for name in ("shelf", "web"):
        held = (tmp_path / f"var/{name}.db").read_bytes()
        assert password.encode() in held
        assert FIRST["password"].encode() not in held, "what was replaced stands in a free page"
