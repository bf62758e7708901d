"""JMESPath: compiled, and which field an expression reads."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field


def compiled(expression: str) -> Any:
    """The JMESPath expression, compiled (and cached by jmespath itself). `ValueError` without the expression's text."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.compile(expression)
    except JMESPathError:
        problem = ValueError("this is no JMESPath expression")
    raise problem


def _jmespath(expression: str) -> str:
    compiled(expression)
    return expression


Jmes = Annotated[str, Field(min_length=1), AfterValidator(_jmespath)]
"""A JMESPath expression. In JMESPath `{}`, `[]`, `""` and `false` are all false: write "body != `null`", never "&& body"."""


def same_field(one: str, other: str) -> bool:
    """Whether both read the same field of one body, however they spell it."""
    return _steps(compiled(one).parsed) == _steps(compiled(other).parsed)


def ends_in(whole: str, part: str) -> bool:
    """Whether the field that `whole` reads is, within something, the one that `part` reads: `data.token` ends in `token`."""
    steps, last = _steps(compiled(whole).parsed), _steps(compiled(part).parsed)
    return bool(last) and steps[-len(last) :] == last


def _steps(tree: Any) -> list[Any]:
    """The path of an expression, field by field."""
    if tree["type"] == "subexpression":
        return [step for each in tree["children"] for step in _steps(each)]
    return [] if tree["type"] == "current" else [tree]
