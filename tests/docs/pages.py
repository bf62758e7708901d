"""Our pages, taken apart: fenced blocks with the marker above them, tables, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
_BLOCK = re.compile(r"(?:^<!-- (?P<marker>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block. `marker`: the comment in the line above it."""

    page: Path
    language: str
    text: str
    marker: str


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: Path) -> list[Block]:
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(page, each["language"], each["text"], each["marker"] or "") for each in found]


def marked(page: Path, marker: str) -> list[Block]:
    """The blocks under this marker; there is at least one."""
    found = [each for each in blocks(page) if each.marker == marker]
    assert found, f"{name(page)} has no block marked {marker}"
    return found


def bare(text: str) -> str:
    """A page without its fenced blocks."""
    return _BLOCK.sub("", text)


def headings(text: str) -> list[str]:
    return re.findall(r"^#{1,6} (.+)$", bare(text), re.MULTILINE)


def anchor(heading: str) -> str:
    """As GitHub makes it: lower case, blanks to hyphens, no punctuation but hyphen and underscore."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def rows(text: str) -> Iterator[list[str]]:
    """The cells of all tables' rows, less heads and rulers."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("|") and not line.startswith("|---") and lines[number + 1 : number + 2] != [ruler(line)]:
            yield [each.strip() for each in line.strip("|").split(" | ")]


def ruler(head: str) -> str:
    return "|" + "---|" * (len(head.strip("|").split(" | ")))


def first_cells(text: str) -> list[str]:
    """The first column of all tables, without backticks."""
    return [each[0].strip("` ") for each in rows(text)]


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of its level or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}$\n(.*?)(?=^#{{1,6}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading!r}"
    return found[2]
