"""What is wrong in a file: where it stands, and what to write instead. No value that was written is ever repeated."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rotator.errors import BadInput
from rotator.load.yaml import Block, Items

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_TAGS = frozenset(("env", "file", "store"))


@dataclass(frozen=True)
class Problem:
    """One thing to mend. `path` is dotted; `spec` is the spec that it is about, where it is about one alone."""

    file: str
    line: int
    path: str
    text: str
    spec: str | None = None

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}: {place}{self.text}"


class Invalid(BadInput):
    """The configuration is wrong; `problems` are all that is, in the order of files and lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda each: (each.file, each.line, each.path))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass
class Notes:
    """Collects what is wrong in one file. `where` are keys from its root."""

    file: str
    root: Block | None = None
    problems: list[Problem] = field(default_factory=list)

    def add(self, where: Sequence[object], text: str, spec: str | None = None, line: int | None = None) -> None:
        """Note one problem at the last of these keys that is there."""
        found, path = locate(self.root, where)
        self.problems.append(Problem(self.file, line or found, path, text, spec))

    def line(self, *where: object) -> int:
        """The line of the last of these keys that is there."""
        return locate(self.root, where)[0]


def locate(root: Block | None, where: Sequence[object]) -> tuple[int, str]:
    """The line of the last of these keys that is there, and their dotted path: names of choices, which no file holds, left out."""
    node: Any = root
    line, words = 1, []
    for index, key in enumerate(where):
        last = index == len(where) - 1
        if isinstance(node, Block):
            if key in node and not _is_tag(node, key, where[index + 1 :]):
                line, node = node.lines[str(key)], node[str(key)]
            elif not last:
                continue
            else:
                node = None
            words.append(shown(key))
        elif isinstance(node, Items) and isinstance(key, int) and key < len(node):
            line, node = node.lines[key], node[key]
            words.append(str(key))
    return line, ".".join(words)


def _is_tag(node: Block, key: object, rest: Sequence[object]) -> bool:
    """Whether this word of a path is the name of a choice that happens to be a key as well."""
    return key in _TAGS and bool(rest) and not isinstance(node[str(key)], Block | Items)


def shown(key: object) -> str:
    """A key as it may be repeated: one that looks like a name."""
    return str(key) if _PLAIN.fullmatch(str(key)) else "(a key that is no plain name)"


def absent(section: str, name: str, entries: Iterable[str]) -> str:
    """rotator.yaml does not have what a schedule names."""
    return f"rotator.yaml has nothing of this name under `{section}`{nearest(name, entries)}"


def nearest(word: str, names: Iterable[str]) -> str:
    """`; did you mean ...?`, or the names there are, or nothing."""
    known = sorted(names)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    few = 12
    return f"; there is {', '.join(f'`{each}`' for each in known)}" if 0 < len(known) <= few else ""
