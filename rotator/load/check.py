"""Checks data against a settings model, and says in our words what is wrong: never with a value that stands in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from rotator.errors import RotatorError
from rotator.load.plugins import why
from rotator.load.problems import Notes, nearest, shown
from rotator.load.yaml import Block, Items, plain
from rotator.schedule import spoken

M = TypeVar("M", bound=BaseModel)
Loc = tuple[int | str, ...]
_TEXT = "write one plain text here"
_NUMBER = "write a whole number here"
_BOOL = "write `true` or `false` here"
_MAPPING = "write a mapping here, `key: value`"
_LIST = "write a list here, `[a, b]`"
_SHAPES = "this is none of the shapes that may stand here"
_EMPTY = "must not be empty"
_FEW = "there are too few items in this list"
REFERENCE = "a secret is a reference: {env: NAME}, {file: path} or {store: name, path: p, field: f}"
_WORDS = {
    "missing": "this is required",
    "string_type": _TEXT, "string_too_short": _EMPTY,
    "int_type": _NUMBER, "int_parsing": _NUMBER, "int_from_float": _NUMBER, "int_parsing_size": _NUMBER,
    "bool_type": _BOOL, "bool_parsing": _BOOL,
    "dict_type": _MAPPING, "mapping_type": _MAPPING, "model_type": _MAPPING, "model_attributes_type": _MAPPING,
    "list_type": _LIST, "tuple_type": _LIST, "set_type": _LIST, "frozen_set_type": _LIST, "too_short": _EMPTY,
    "union_tag_invalid": _SHAPES, "union_tag_not_found": _SHAPES,
    "secret_reference": REFERENCE,
}  # fmt: skip
_DURATION = re.compile(r"datetime\.timedelta\(([^()]*)\)")
_COUNTED = re.compile(r" after validation, not \w+")
_SECRETIVE = re.compile(r"passw|secret|token|api_?key|private|credential", re.IGNORECASE)
_SHORT, _LONG = 4, 12


def validated(
    model: type[M],
    data: Any,
    notes: Notes,
    where: Sequence[object],
    *,
    spec: str | None = None,
    root: str | None = None,
    also: Sequence[str] = (),
) -> M | None:
    """The model of `data`, which stands at `where`; None where something is wrong, and then it is noted.

    `also`: keys of the same mapping that someone else reads. `root`: what relative paths start from.
    """
    try:
        return model.model_validate(plain(data), context={"root": root})
    except ValidationError as error:
        for loc, text in dict.fromkeys(_said(error, model, also)):
            notes.add((*where, *loc), harmless(text, _at(data, loc)), spec)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's model may raise anything, or even end the process
        notes.add(where, told(error, data), spec)
    return None


def told(error: BaseException, data: Any) -> str:
    """What a plugin raised while it looked at its settings: our own errors in their words, of any other its type or what it misses."""
    if isinstance(error, RotatorError):
        return harmless(f"{error.what}. {error.fix}" if error.fix else error.what, data)
    return f"its plugin cannot take these settings ({why(error)})"


def _said(error: ValidationError, model: type[BaseModel], also: Sequence[str]) -> Iterator[tuple[Loc, str]]:
    """Where, and what. Several items that are missing in one list are one problem of the list."""
    for each in error.errors(include_input=False, include_url=False, include_context=False):
        loc = tuple(key for key in each["loc"] if key != "[key]")
        if each["type"] == "missing" and isinstance(loc[-1], int):
            loc = loc[:-1]
            yield loc, _items(model, loc) or _FEW
        else:
            yield loc, _words(each["type"], each["msg"], loc, model, also)


def _words(type: str, message: str, loc: Loc, model: type[BaseModel], also: Sequence[str]) -> str:
    if type == "extra_forbidden":
        return _unknown(loc, model, also)
    if type in _WORDS:
        return _WORDS[type]
    if type in ("value_error", "assertion_error"):
        return message.partition(", ")[2]
    return (_items(model, loc) if type == "too_long" else None) or _plainer(message)


def _plainer(message: str) -> str:
    """The library's words, less its names for things; a duration as YAML has it."""
    text = re.sub(r"^(Input|String|Value|List|Tuple|Dictionary) should", "should", message)
    return _DURATION.sub(lambda found: spoken(_seconds(found[1])), _COUNTED.sub("", text))


def _seconds(written: str) -> float:
    """Of the arguments in the representation of a `timedelta`."""
    return timedelta(**{name: int(count) for name, count in re.findall(r"(\w+)=(-?\d+)", written)}).total_seconds()


def _items(model: type[BaseModel], loc: Loc) -> str | None:
    """How many items belong into the list that stands here; None: it is not always so many."""
    for one in _models_at(model, loc[:-1]):
        for each in _parts(_field(one, loc[-1])):
            if get_origin(each) is tuple and Ellipsis not in get_args(each):
                return f"write exactly {len(get_args(each))} items here, `[a, b]`"
    return None


def _unknown(loc: Loc, model: type[BaseModel], also: Sequence[str]) -> str:
    """Nothing reads this key."""
    key = str(loc[-1])
    names = {*_names(model, loc[:-1]), *(also if len(loc) == 1 else ())}
    if key in names:
        return f"nothing reads `{shown(key)}` beside the other keys here"
    advice = nearest(key, {each for each in names if _SECRETIVE.search(each)} if _SECRETIVE.search(key) else names)
    if _SECRETIVE.search(key) and not advice.startswith("; did"):
        advice = "; a secret never stands here: a connection in rotator.yaml refers to it"
    return f"nothing reads `{shown(key)}`{advice}"


def _names(model: type[BaseModel], loc: Sequence[int | str]) -> set[str]:
    """The keys that are read at this place of a model."""
    return {field.alias or name for one in _models_at(model, loc) for name, field in one.model_fields.items()}


def _models_at(model: type[BaseModel], loc: Sequence[int | str]) -> set[type[BaseModel]]:
    """The models of what stands at this place."""
    models = {model}
    for key in loc:
        inner = {each for one in models for each in _models(_field(one, key))}
        models = inner or models
    return models


def _field(model: type[BaseModel], key: int | str) -> Any:
    return next((field.annotation for name, field in model.model_fields.items() if key in (name, field.alias)), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    return (each for each in _parts(annotation) if isinstance(each, type) and issubclass(each, BaseModel))


def _parts(annotation: Any) -> Iterator[Any]:
    """The annotation, and all that it is made of."""
    yield annotation
    for each in get_args(annotation):
        yield from _parts(each)


def _at(data: Any, loc: Sequence[int | str]) -> Any:
    """What stands at this place, as far as the path leads."""
    for key in loc:
        if isinstance(data, dict):
            data = data.get(key, data)
        elif isinstance(data, list) and isinstance(key, int):
            data = data[key : key + 1]
    return data


def harmless(text: str, data: Any) -> str:
    """The text, if no value of `data` stands in it: a plugin's author may have pasted one in."""
    if any(_repeats(text, value) for value in _scalars(data)):
        return "this is not accepted here: see the manual of its plugin"
    return text


def _repeats(text: str, value: str) -> bool:
    if len(value) >= _LONG:
        return value in text
    return len(value) >= _SHORT and re.search(rf"(?<![A-Za-z0-9_]){re.escape(value)}(?![A-Za-z0-9_])", text) is not None


def _scalars(data: Any) -> Iterator[str]:
    if isinstance(data, Block | dict):
        for each in data.values():
            yield from _scalars(each)
    elif isinstance(data, Items | list):
        for each in data:
            yield from _scalars(each)
    elif isinstance(data, str):
        yield data
