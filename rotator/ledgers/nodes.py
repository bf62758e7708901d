"""One row of a ledger, read and judged by itself. Nothing in it is believed: it may have been written by anybody."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rotator.audit import Row, canonical, digest


@dataclass(frozen=True, slots=True)
class Node:
    """What a row says. `digest` is computed from its content, so whoever names it by its digest means this content."""

    row: int
    seq: int
    """0 where it cannot be read."""
    prev: str
    digest: str
    fault: str
    """What is wrong with the row by itself; empty: nothing."""


def document_of(line: str) -> dict[str, Any] | None:
    """The JSON object of a line; None where it is none."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def node_of(row: Row) -> Node:
    """Read a row. Never raises, whatever stands in it."""
    document = document_of(row.line)
    if document is None:
        return Node(row.row, 0, "", "", "its line is no JSON object")
    try:
        computed = digest(document)
        plain = canonical(document)
    except (ValueError, RecursionError):
        return Node(row.row, 0, "", "", "its line holds what no event holds")
    seq, prev = document.get("seq"), document.get("prev", "")
    if type(seq) is not int or seq < 1 or not isinstance(prev, str):
        return Node(row.row, 0, "", computed, "it has no usable seq and prev")
    return Node(row.row, seq, prev, computed, _fault(row, document, computed, plain))


def _fault(row: Row, document: dict[str, Any], computed: str, plain: str) -> str:
    if document.get("hash") != computed:
        return "its hash does not fit its content"
    if plain != row.line:
        return "its line is not the canonical form that was written"
    if document.get("chain") != row.chain:
        return "its line belongs to another chain"
    wrong = [name for name, value in row.columns.items() if value != document.get(name)]
    return f"its line and its columns differ ({', '.join(wrong)})" if wrong else ""
