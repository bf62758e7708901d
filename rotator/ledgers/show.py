"""Events in words and as lines: what `rotator audit show` and `export` print."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rotator.audit import Event, EventName, Phase, Row
from rotator.ledgers.nodes import document_of
from rotator.ledgers.report import printable

UNREADABLE = "unreadable"
"""The one key of an exported line that stands for a row that is no JSON object."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which events are meant; what is None does not matter."""

    spec: str | None = None
    rotation: str | None = None
    run: str | None = None
    since: datetime | None = None
    """From here on; with its time zone."""

    def matches(self, document: Mapping[str, Any]) -> bool:
        """Whether an event is meant. One whose time cannot be read is: nobody hides behind a broken line."""
        for name in ("spec", "rotation", "run"):
            wanted = getattr(self, name)
            if wanted is not None and document.get(name) != wanted:
                return False
        at = when(document)
        return self.since is None or at is None or at >= self.since


def when(document: Mapping[str, Any]) -> datetime | None:
    """The time of an event, UTC; None where it cannot be read."""
    try:
        at = datetime.fromisoformat(document["ts"])
        return at.astimezone(UTC) if at.tzinfo else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def select(rows: Iterable[Row], wanted: Filter) -> Iterator[tuple[Row, Mapping[str, Any] | None]]:
    """The rows that are meant, each with its event; None where the row is no JSON object: those are always shown."""
    for row in rows:
        document = document_of(row.line)
        if document is None or wanted.matches(document):
            yield row, document


def show(rows: Iterable[Row], wanted: Filter) -> Iterator[str]:
    """One line of words for each row that is meant, with its day."""
    for row, document in select(rows, wanted):
        yield words(document, dated=True) if document is not None else f"row {row.row} is no event: its line is no JSON object"


def export(rows: Iterable[Row], wanted: Filter) -> Iterator[str]:
    """JSON lines: each event exactly as it was written, so that the lines can be verified anew; `rows_of` reads them back."""
    for row, document in select(rows, wanted):
        yield row.line if document is not None and "\n" not in row.line else json.dumps({UNREADABLE: row.line})


def rows_of(lines: Iterable[str]) -> Iterator[Row]:
    """The rows of an export, or of a log file that took events as JSON lines; numbered anew. Log lines between them are left out."""
    number = 0
    for line in (each.rstrip("\r\n") for each in lines):
        document = document_of(line) or {}
        if line and not ("level" in document and "chain" not in document):
            number += 1
            chain = document.get("chain")
            yield Row(number, chain if isinstance(chain, str) else "", line)


def sentence(event: Event, *, dated: bool = False) -> str:
    """An event in words, one line: `12:03:11 orders-db APPLY intent orders_b on db1:5432`. Times are UTC.

    `dated`: with its day and who did it, for who reads it elsewhere or later.
    """
    return words(event.document(), dated=dated)


def words(document: Mapping[str, Any], *, dated: bool = False) -> str:
    """The same, of an event as it was read from a ledger: anything may stand in it."""
    at = when(document)
    stamp = at.strftime("%Y-%m-%d %H:%M:%SZ" if dated else "%H:%M:%S") if at else "(no time)"
    parts = [stamp, _text(document, "spec") or _text(document, "chain"), *_what(document), *_about(document)]
    parts += [_by_whom(document)] if dated else []
    return printable(" ".join(each for each in parts if each) + _because(document))


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return "" if value is None else str(value)


def _what(document: Mapping[str, Any]) -> Iterator[str]:
    """Step or event, and where it stands."""
    name, phase = _text(document, "event"), _text(document, "phase")
    yield _text(document, "step")
    if name != EventName.STEP:
        yield name
    yield _text(document, "outcome") if phase != Phase.INTENT else phase


def _about(document: Mapping[str, Any]) -> Iterator[str]:
    """Whom and where."""
    effect, endpoint = _text(document, "effect"), _text(document, "target").partition(" ")[2]
    yield f"({effect})" if effect else ""
    yield _text(document, "credential") or _text(document, "principal")
    yield f"on {endpoint}" if endpoint else ""
    yield f"in {_text(document, 'place')}" if document.get("place") else ""
    yield f"after {_text(document, 'duration_ms')} ms" if document.get("duration_ms") is not None else ""


def _by_whom(document: Mapping[str, Any]) -> str:
    """`by root@db1 (manual)`."""
    actor, trigger = _text(document, "actor"), _text(document, "trigger")
    return f"by {actor}{f' ({trigger})' if trigger else ''}" if actor else ""


def _because(document: Mapping[str, Any]) -> str:
    """Why, and what went wrong."""
    kind, message, code = (_text(document, name) for name in ("error_type", "error_message", "error_code"))
    reason = _text(document, "reason")
    trouble = ": ".join(each for each in (f"{kind}{f' ({code})' if code else ''}", message) if each)
    return "".join(f": {each}" for each in (reason, trouble) if each)
