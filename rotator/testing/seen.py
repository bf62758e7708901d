"""What was seen where a law broke, in words: pytest's own explanations are for who has the law's code beside them."""

from __future__ import annotations

import ast
import re
from contextlib import suppress

import pytest

_NONE_CAME = "DID NOT RAISE"
_CLASS = re.compile(r"(?:\w+\.)*([A-Z]\w*)")
_FOUND = re.compile(r"\bisinstance\((?:\w+\.)*(\w+)")
_PLAIN = re.compile(r"[\w\s(),]*")
"""A value that is shown, such as (True, False): of others, which pytest cuts short, only what was compared is told."""


def seen(error: BaseException, statement: str, told: str) -> str:
    """The words for an `error` that broke a law at this `statement`; `told`: what pytest says of it."""
    if isinstance(error, pytest.fail.Exception) and str(error).startswith(_NONE_CAME):
        return f"nothing was raised where {' or '.join(_CLASS.findall(str(error).removeprefix(_NONE_CAME)))} was to be"
    if isinstance(error, AssertionError):
        return _assertion(statement, told.removeprefix("AssertionError").removeprefix(": "))
    name = type(error).__name__
    text = " ".join(re.sub(rf"^(?:\w+\.)*{name}(?:: |$)", "", told).splitlines()[:3])
    if not isinstance(error, Exception):  # it was not raised by what was called: `pytest.fail`, or our own watch
        return text or name
    return f"{name} was raised: {text}" if text else f"{name} was raised"


def _assertion(statement: str, told: str) -> str:
    first = told.partition("\n")[0]
    node = _parsed(statement)
    if not isinstance(node, ast.Assert) or node.msg is not None:
        return first or "an assertion failed"
    test = node.test
    if isinstance(test, ast.Call) and _is_of_what_was_raised(test):
        return _raised(told, ast.unparse(test.args[1]).replace(" | ", " or "))
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq):
        return _unequal(test, first)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return f"`{ast.unparse(test.operand)}` was true"
    return f"`{ast.unparse(test)}` was not true"


def _parsed(statement: str) -> ast.stmt | None:
    with suppress(SyntaxError):
        return next(iter(ast.parse(statement.strip()).body), None)
    return None


def _is_of_what_was_raised(call: ast.Call) -> bool:
    what = ast.unparse(call)
    return what.startswith(("isinstance(raised(", "isinstance(error,"))


def _raised(told: str, asked: str) -> str:
    found = _FOUND.search(told)
    if found is None or found[1] == "None":
        return f"nothing was raised where {asked} was to be"
    return f"{found[1]} was raised where {asked} was to be"


def _unequal(test: ast.Compare, first: str) -> str:
    """By the values, where they are plain."""
    left, right = (ast.unparse(each) for each in (test.left, test.comparators[0]))
    shown = _parsed(first)
    if isinstance(shown, ast.Assert) and isinstance(shown.test, ast.Compare):
        values = [ast.unparse(each) for each in (shown.test.left, shown.test.comparators[0])]
        if all(map(_PLAIN.fullmatch, values)):
            return f"`{left}` was {values[0]}, not {values[1]}"
    return f"`{left}` was not equal to `{right}`"
