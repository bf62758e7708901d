"""Strict YAML: what was written is what is meant.

Every scalar stays the text that was written (`off`, `NO`, `22:30`, `012`); whoever reads a field says what it must be. No anchors,
aliases, tags, merge keys, duplicate keys, or second documents, and nothing that an editor does not show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MOST_BYTES = 1 << 20
MOST_DEPTH = 32
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff0-\uffff]")
_WORDS = {
    "could not find expected ':'": "a `:` is missing after this key, or its value is not indented",
    "did not find expected key": "a key is expected here: look at the indentation, and at quotes and brackets above",
    "did not find expected node content": "a value is expected here: look for a bracket or quote that is not closed",
    "did not find expected '-' indicator": "a `-` is expected here: look at the indentation",
    "did not find expected ',' or '}'": "a `,` or `}` is missing",
    "did not find expected ',' or ']'": "a `,` or `]` is missing",
    "found character that cannot start any token": "a tab, `@`, `%` or backquote begins nothing: indent with blanks, quote the value",
    "found unexpected end of stream": "a quote that was opened is not closed",
    "mapping values are not allowed in this context": "a `:` too many, or wrong indentation: quote a value that holds `: `",
}


class Block(dict[str, Any]):
    """A mapping as it was written, with the line of each key."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Items(list[Any]):
    """A list as it was written, with the line of each item."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


@dataclass(frozen=True)
class Flaw:
    """Something that strict YAML does not allow, at the path of keys where it stands."""

    line: int
    where: tuple[str, ...]
    text: str


@dataclass
class Parsed:
    """A file's content (None where it cannot be used at all), and its flaws."""

    root: Block | None = None
    flaws: list[Flaw] = field(default_factory=list)


class _Stop(Exception):
    """Reading on would make no sense."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line, self.text = line, text


def plain(value: Any) -> Any:
    """The same as ordinary dicts and lists."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def parse(data: bytes) -> Parsed:
    """Read one file. Raises nothing: whatever is wrong is a flaw."""
    reader = _Reader()
    try:
        reader.read(_text(data))
    except _Stop as stop:
        return Parsed(None, [*reader.flaws, Flaw(stop.line, (), stop.text)])
    return Parsed(reader.root, reader.flaws)


def _text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise _Stop(1, f"a file has at most {MOST_BYTES} bytes: split it")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _Stop(1, "this is UTF-16: save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Stop(data.count(b"\n", 0, error.start) + 1, "this is not UTF-8: save it as UTF-8") from None
    unseen = _UNSEEN.search(text)
    if unseen:
        line = len(re.findall("\r\n|\r|\n", text[: unseen.start()])) + 1
        raise _Stop(line, f"an invisible character (U+{ord(unseen[0]):04X}) stands here: take it out")
    return text


class _Reader:
    """Builds the tree from the parser's events."""

    def __init__(self) -> None:
        self.flaws: list[Flaw] = []
        self.root: Block | None = None
        self._open: list[Block | Items] = []
        self._keys: list[str | None] = []
        self._skipped = 0
        self._documents = 0

    def read(self, text: str) -> None:
        for event in self._events(text):
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._begin(event, Block if kind is yaml.MappingStartEvent else Items)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._end()
            elif kind is yaml.AliasEvent:
                self._flaw(event, "an alias (`*`) is not read here: write the value out, or quote it")
                self._drop()
            elif kind is yaml.DocumentStartEvent:
                self._document(event)
        if self.root is None:
            raise _Stop(1, "this file is empty: it begins with `version: 1`")

    def _events(self, text: str) -> Iterator[Any]:
        try:
            yield from yaml.parse(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            words = _WORDS.get(str(error.problem), "this is not valid YAML: look at quotes, brackets and indentation here and above")
            raise _Stop(mark.line + 1 if mark else 1, words) from None
        except yaml.YAMLError:
            raise _Stop(1, "this is not valid YAML") from None

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _Stop(event.start_mark.line + 1, "a second document begins here: one file holds one")

    # ---- values

    def _scalar(self, event: Any) -> None:
        if self._skipped:
            return
        self._check_bare(event)
        value: str = event.value
        line: int = event.start_mark.line + 1
        if self._expects_key():
            self._key(value, line, plain=not event.style)
            return
        if event.style == '"' and _UNSEEN.search(value):
            self._flaw(event, "a value holds no control or invisible characters")
        if not value and not event.style:
            self._flaw(event, "there is no value here: write one, or leave the key out")
            self._drop()
            return
        self._put(value, line)

    def _begin(self, event: Any, kind: type[Block | Items]) -> None:
        if len(self._open) + self._skipped >= MOST_DEPTH:
            raise _Stop(event.start_mark.line + 1, f"this is nested more than {MOST_DEPTH} deep")
        if self._skipped:
            self._skipped += 1
            return
        self._check_bare(event)
        line: int = event.start_mark.line + 1
        if self._expects_key():
            self._flaw(event, "a key is a plain word, not a list or a mapping")
            self._keys[-1] = ""
            self._skipped = 1
            return
        node = kind(line)
        self._put(node, line)
        self._open.append(node)
        self._keys.append(None)

    def _end(self) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        self._open.pop()
        self._keys.pop()
        if self._open and isinstance(self._open[-1], Block):
            self._keys[-1] = None

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1], Block) and self._keys[-1] is None

    def _key(self, key: str, line: int, *, plain: bool) -> None:
        block = self._open[-1]
        assert isinstance(block, Block)
        self._keys[-1] = key
        if plain and key == "<<":
            self._note(line, "a merge key (`<<`) is not read here: write the keys out")
            self._keys[-1] = ""
        elif key in block.lines:
            self._note(line, f"this key stands here twice (first in line {block.lines[key]})")
            self._keys[-1] = ""
        elif not key:
            self._note(line, "there is no key here")
        else:
            block.lines[key] = line

    def _put(self, value: Any, line: int) -> None:
        if not self._open:
            if not isinstance(value, Block):
                raise _Stop(line, "this file is a mapping: it begins with `version: 1`")
            self.root = value
            return
        holder, key = self._open[-1], self._keys[-1]
        if isinstance(holder, Items):
            holder.append(value)
            holder.lines.append(line)
            return
        if key:
            holder[key] = value
        if not isinstance(value, Block | Items):
            self._keys[-1] = None

    def _drop(self) -> None:
        """A key or value that cannot be used: the other half of the pair goes with it."""
        if self._open and isinstance(self._open[-1], Block):
            self._keys[-1] = "" if self._keys[-1] is None else None

    # ---- flaws

    def _check_bare(self, event: Any) -> None:
        if event.anchor is not None:
            self._flaw(event, "an anchor (`&`) is not read here: write the value where it is needed, or quote it")
        if event.tag is not None:
            self._flaw(event, "a tag (`!`) is not read here: leave it out, or quote the value")

    def _flaw(self, event: Any, text: str) -> None:
        self._note(event.start_mark.line + 1, text)

    def _note(self, line: int, text: str) -> None:
        self.flaws.append(Flaw(line, tuple(key for key in self._keys if key), text))
