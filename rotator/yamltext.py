"""A YAML mapping in which some keys of its outermost level are set, and not one other character changes: comments, order, quotes, anchors.

YAML: 1.1 as PyYAML reads it. What is written is a double-quoted scalar, which readers of YAML 1.1 and 1.2 take for the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_TEXT, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"
_BLOCK = ("|", ">")
DEEPEST = 100
"""Levels of nesting."""
_READER = yaml.SafeLoader("")
_LINE_END = re.compile(r"\r?\n|$")


@dataclass(frozen=True)
class Entry:
    """One key of the outermost mapping and its value (`text[start:end]`). `value` is its text, None for null, else something else."""

    name: str
    value: Any
    start: int
    end: int


@dataclass(frozen=True)
class _Found:
    entries: list[Entry]
    flow: bool = False
    column: int = 0
    end: int = 0
    """Where the mapping ends; of one in braces, its brace."""


def entries(text: str) -> list[Entry]:
    """The keys of the mapping that this text is. Raises `ValueError` where it is none; its error may hold the text."""
    return _found(text).entries


def _found(text: str) -> _Found:
    try:
        events: list[Any] = list(_shallow(yaml.parse(text, Loader=yaml.SafeLoader)))
    except (yaml.YAMLError, RecursionError, IndexError):
        raise ValueError from None
    if len(events) == 2:  # noqa: PLR2004 - the stream's begin and end: nothing, or comments alone
        return _Found([], end=len(text))
    _, _, begin, *inside, end, document_end, _ = events
    documents = sum(isinstance(each, yaml.DocumentStartEvent) for each in events)
    mapping: bool = isinstance(begin, yaml.MappingStartEvent)
    if documents > 1 or not mapping or document_end.explicit:  # after `...` nothing could be added
        raise ValueError
    return _Found(list(_entries(inside)), begin.flow_style, begin.start_mark.column, end.start_mark.index)


def _shallow(events: Iterator[Any]) -> Iterator[Any]:
    """The events of a document that is no deeper than people write: PyYAML takes a minute for ten thousand brackets."""
    depth = 0
    for each in events:
        depth += _opens(each)
        if depth > DEEPEST:
            raise ValueError
        yield each


def _opens(event: Any) -> int:
    if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
        return 1
    return -1 if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent) else 0


def _entries(events: list[Any]) -> Iterator[Entry]:
    """Pairs of a key and a value; what is nested is passed over."""
    top, depth = [], 0
    for each in events:
        if depth == 0:
            top.append(each)
        depth += _opens(each)
    for key, value in zip(top[::2], top[1::2], strict=True):
        if isinstance(_value(key), str):
            yield Entry(key.value, _value(value), value.start_mark.index, value.end_mark.index)


def _value(event: Any) -> Any:
    """Its text; None for null; the event itself where it is neither, or where others hang on it: a tag, an anchor, a block of lines."""
    if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag or event.style in _BLOCK:
        return event
    tag = _tag(event.value, event.implicit)
    return event.value if tag == _TEXT else None if tag == _NULL else event


def spliced(text: str, values: Mapping[str, str]) -> str:
    """The text with these keys set: where they stand, or at its end. `ValueError` as for `entries`, or where another would change."""
    found = _found(text)
    names = {each.name for each in found.entries}
    new = _with(text, found, {name: value for name, value in values.items() if name not in names})
    for each in reversed(found.entries):
        if each.name in values:
            blank = " " if each.start == each.end else ""
            new = new[: each.start] + blank + as_yaml(values[each.name]) + new[each.end :]
    ours = {each.name: each.value for each in entries(new) if each.name in values}
    if ours != dict(values) or _others(new, values) != _others(text, values):
        raise ValueError
    return new


def _with(text: str, found: _Found, new: Mapping[str, str]) -> str:
    """The text with new keys at the end of the mapping."""
    written = [f"{_key(name)}: {as_yaml(value)}" for name, value in new.items()]
    if not new:
        return text
    if found.flow:
        before = text[: found.end].rstrip()
        comma = "" if before.endswith(("{", ",")) else ", "
        return before + comma + ", ".join(written) + text[len(before) :]
    match = _LINE_END.search(text)
    line_end = (match and match[0]) or "\n"
    gap = line_end if text and not text.endswith("\n") else ""
    return text + gap + "".join(f"{' ' * found.column}{each}{line_end}" for each in written)


def _others(text: str, ours: Mapping[str, str]) -> list[tuple[str, str]]:
    """Every entry but ours, each as it is written."""
    return [(each.name, text[each.start : each.end].rstrip()) for each in entries(text) if each.name not in ours]


def _key(name: str) -> str:
    """A name as a key: quoted where a reader would take it for a truth value or null."""
    return name if _tag(name, (True, False)) == _TEXT else as_yaml(name)


def _tag(value: str, implicit: tuple[bool, bool]) -> str:
    """What a reader takes a scalar for."""
    resolved: str = _READER.resolve(yaml.ScalarNode, value, implicit)  # type: ignore[no-untyped-call]  # PyYAML has no types for it
    return resolved


def as_yaml(text: str) -> str:
    """Text as a double-quoted scalar on one line."""
    written: str = yaml.dump(text, Dumper=yaml.SafeDumper, default_style='"', allow_unicode=True, width=float("inf"))
    return written.rstrip("\n")
