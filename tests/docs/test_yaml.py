"""Every YAML of the docs is read by the real loader, and every key of the models stands in the reference."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from pages import PAGES, README, ROOT, blocks, first_cells, marked, name, rows, text_of

from rotator.load import load, plugins, shapes
from rotator.load.yaml import parse
from rotator.settings import Settings

REFERENCE = text_of("docs/schedules.md")
TABLE = re.compile(r"^<!-- keys: (\S+):(\S+) -->\n((?:\|.*\n)+)", re.MULTILINE)
TABLES = [(getattr(import_module(module), model), table) for module, model, table in TABLE.findall(REFERENCE)]
FRAGMENTS = ("fragment", "first-rotation: connections", "first-rotation: schedule")


# ---- keys


def inside(annotation: object) -> Iterator[type[Settings]]:
    """The settings models in an annotation, and in those, as far down as they go."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
        for field in annotation.model_fields.values():
            yield from inside(field.annotation)
    for each in getattr(annotation, "__args__", ()):
        yield from inside(each)


def models() -> set[type[Settings]]:
    """Every model of something that is written in YAML."""
    found = {each for each in vars(shapes).values() if isinstance(each, type) and issubclass(each, Settings) and each is not Settings}
    for each in (*found, *of_plugins()):
        found |= set(inside(each))
    return found


def ours(group: str) -> list[str]:
    """What comes with rotator: other tests leave drop-ins on the module path."""
    return [each.name for each in plugins.found(group) if each.origin == "rotator"]


def of_plugins() -> Iterator[type[Settings]]:
    """Settings of what comes with rotator."""
    yield from (plugins.target_class(each).settings for each in ours(plugins.TARGETS))
    yield from (plugins.connection_model(each) for each in ours(plugins.CONNECTIONS))
    yield from (plugins.store_class(each).settings for each in ours(plugins.STORES))
    yield from (plugins.destination_class(each).settings for each in ours(plugins.DESTINATIONS))
    yield from (plugins.reload_class(each).settings for each in ours(plugins.RELOADS))


def keys(model: type[Settings]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


@pytest.mark.parametrize(("model", "table"), TABLES, ids=lambda each: getattr(each, "__name__", ""))
def test_a_table_has_exactly_the_keys_of_its_model_and_says_which_are_required(model, table):
    assert sorted(first_cells(table)) == sorted(keys(model))
    needed = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    assert {cells[0].strip("`") for cells in rows(table) if cells[1] == "required"} == needed


def test_every_model_has_a_table_or_stands_in_the_manual_of_its_plugin():
    with_table = {model for model, _ in TABLES}
    manual = text_of("plugins/rotator_http_token/README.md")
    for model in models() - with_table:
        assert model.__module__ == "rotator_http_token.shapes", model
        for key in keys(model):
            assert re.search(rf"`[^`]*\b{key}\b[^`]*`", manual), (model, key)


@pytest.mark.parametrize(
    ("model", "key", "told"),
    [
        (shapes.Limits, "runs", "4"),
        (shapes.Limits, "per_connection", "2"),
        (shapes.Limits, "call_timeout", "10s"),
        (shapes.Rotation, "retire", "false"),
        (shapes.Audit, "required", "[ledger]"),
    ],
)
def test_defaults_that_are_numbers_and_switches_are_told_as_they_are(model, key, told):
    written = next(cells[1].strip("`") for each, table in TABLES if each is model for cells in rows(table) if cells[0] == f"`{key}`")
    default = model.model_fields[key].default
    plain = {"False": "false", "('ledger',)": "[ledger]", "0:00:10": "10s"}
    assert (written, plain.get(str(default), str(default))) == (told, told)


# ---- blocks


def test_every_yaml_of_a_page_is_a_whole_file_or_marked_as_a_fragment():
    for page in PAGES:
        for each in blocks(page):
            if each.language == "yaml":
                assert each.marker.startswith(("yaml: ", *FRAGMENTS)), (name(page), each.text[:60])
                assert not parse(each.text.encode()).flaws, (name(page), each.text[:60])


def pages_with_files() -> list[Path]:
    return [page for page in PAGES if any(each.marker.startswith("yaml: ") for each in blocks(page))]


@pytest.mark.parametrize("page", pages_with_files(), ids=name)
def test_the_files_of_a_page_are_a_valid_configuration(page, tmp_path):
    for each in blocks(page):
        if each.marker.startswith("yaml: "):
            file = tmp_path / each.marker.removeprefix("yaml: ")
            file.parent.mkdir(exist_ok=True)
            file.write_text(each.text)
    loaded = load(tmp_path / "rotator.yaml", strict=True)
    assert loaded.specs


def test_the_examples_of_the_repository_are_valid_to_the_strictest():
    loaded = load(ROOT / "rotator.example.yaml", ROOT / "schedules", strict=True)
    assert len(loaded.specs) >= 4


def test_a_first_rotation_takes_ten_lines():
    lines = [line for part in ("connections", "schedule") for line in marked(README, f"first-rotation: {part}")[0].text.splitlines()]
    assert len(lines) == 10
