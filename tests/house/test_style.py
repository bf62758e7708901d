"""The house numbers, and that every suppression says what and why."""

import ast
import re
import statistics
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = [path for folder in ("rotator", "plugins") for path in sorted((ROOT / folder).rglob("*.py"))]
EVERY = SHIPPED + [path for folder in ("tests", "scripts", "deploy") for path in sorted((ROOT / folder).rglob("*.py"))]
NOQA = re.compile(r"noqa: [A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)* - \S")
IGNORE = re.compile(r"type: ignore\[[a-z-]+(?:, ?[a-z-]+)*\]\s+# \S")


def lines_of(path):
    return len(path.read_text().splitlines())


@cache
def functions():
    return [
        (f"{path.relative_to(ROOT)}:{node.name}", node.end_lineno - node.lineno + 1)
        for path in SHIPPED
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@cache
def comments(path):
    with path.open("rb") as file:
        return [(each.start[0], each.string) for each in tokenize.tokenize(file.readline) if each.type == tokenize.COMMENT]


def test_no_file_is_longer_than_400_lines():
    assert [str(path.relative_to(ROOT)) for path in SHIPPED if lines_of(path) > 400] == []


def test_half_the_files_have_at_most_150_lines():
    assert statistics.median(lines_of(path) for path in SHIPPED) <= 150


def test_no_function_is_longer_than_50_lines():
    assert [(name, lines) for name, lines in functions() if lines > 50] == []


def test_half_the_functions_have_at_most_8_lines():
    assert statistics.median(lines for _, lines in functions()) <= 8


@pytest.mark.parametrize(("word", "whole"), [("noqa", NOQA), ("type: ignore", IGNORE)])
def test_a_suppression_says_what_and_why(word, whole):
    bare = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in EVERY
        for line, text in comments(path)
        if word in text and not whole.search(text)
    ]
    assert bare == []
