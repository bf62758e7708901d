"""The heads of the chains: as the stores hold them, and as a file that goes with a copy of the ledger.

The file is one JSON object: `{"format": 1, "heads": {"store:path": {"seq": 12, "hash": "64 hex digits"}, "store:other": null}}`; null is
a record that has no event yet. It holds no secret. Who can write it can hide what he did, so keep it where the ledger's owner cannot.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from rotator.audit import LEDGER_CHAIN, Ledger
from rotator.errors import BadInput, RotatorError
from rotator.files import replace_atomically
from rotator.ledgers.nodes import document_of
from rotator.ledgers.trouble import of_heads
from rotator.record import Head, Record

FORMAT = 1
_HASH = re.compile(r"[0-9a-f]{64}")
_FIX = "use the file that `rotator audit export --heads` wrote"


class Records(Protocol):
    """What is needed of a store."""

    def paths(self) -> Sequence[str]:
        """The paths of all records."""

    def read(self, path: str) -> Record:
        """The record at a path."""


def heads_of(stores: Mapping[str, Records]) -> tuple[dict[str, Head | None], list[RotatorError]]:
    """The heads of all records in these stores, by chain, and what could not be read: those chains are then not compared.

    Read them before the ledger: then what a head names is in it. A record of a newer format tells no head and is an error, too.
    """
    heads: dict[str, Head | None] = {}
    troubles: list[RotatorError] = []
    for name, store in stores.items():
        try:
            paths = store.paths()
        except RotatorError as error:
            troubles.append(error)
            continue
        for path in paths:
            try:
                record = store.read(path)
                heads[f"{name}:{path}"] = _known(record, f"{name}:{path}")
            except RotatorError as error:
                troubles.append(error)
    return heads, troubles


def _known(record: Record, chain: str) -> Head | None:
    if record.format > Record().format:
        raise BadInput(f"its record has format {record.format}, which this rotator does not read", where=chain, fix="use a newer rotator")
    return record.audit_head


def own_head(ledger: Ledger) -> Head | None:
    """The last event of the ledger's own chain: no store keeps it, so a heads file is the only witness there is. `LedgerFailed`."""
    last = None
    for row in ledger.rows(LEDGER_CHAIN):
        last = row
    document = document_of(last.line) if last else None
    return _head(document.get("seq"), document.get("hash")) if document else None


def write_heads(path: Path, heads: Mapping[str, Head | None]) -> None:
    """Write a heads file, whole or not at all; a heads file that stands there is replaced. Raises `BadInput`, `LedgerFailed`."""
    _refuse_another(path)
    plain = {chain: None if head is None else {"seq": head.seq, "hash": head.hash} for chain, head in heads.items()}
    text = json.dumps({"format": FORMAT, "heads": plain}, indent=1, sort_keys=True)
    try:
        replace_atomically(str(path), f"{text}\n".encode())
    except OSError as error:
        raise of_heads(error, path) from None


def _refuse_another(path: Path) -> None:
    """What stands there may be a device, the configuration or a ledger: to replace it by a mistyped option would be the end of it."""
    with suppress(OSError):  # where it is not there, or cannot be told, the write says so
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            fix = "name a file; `cat` shows what is in it"
            raise BadInput("no regular file is there, so the heads were not written", where=str(path), fix=fix)
        if found.st_size:
            read_heads(path)


def read_heads(path: Path) -> dict[str, Head | None]:
    """Read a heads file. `BadInput` for anything but what `write_heads` writes; no content of the file stands in the message."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise BadInput(f"the heads file cannot be read: {reason}", where=str(path), fix=_FIX) from None
    try:
        document = json.loads(text, object_pairs_hook=_unique)
        heads = _heads(document)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, _NonsenseError) else "it is no JSON"
        raise BadInput(f"this is no heads file: {what}", where=str(path), fix=_FIX) from None
    return heads


class _NonsenseError(ValueError):
    """What is wrong, in our words."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise _NonsenseError("a name stands there twice")
    return out


def _heads(document: Any) -> dict[str, Head | None]:
    if not isinstance(document, dict) or document.keys() != {"format", "heads"}:
        raise _NonsenseError("it is not an object with format and heads")
    if type(document["format"]) is not int or document["format"] != FORMAT:
        raise _NonsenseError(f"its format is not {FORMAT}")
    if not isinstance(document["heads"], dict):
        raise _NonsenseError("its heads are not an object")
    return {chain: None if each is None else _checked(each) for chain, each in document["heads"].items()}


def _checked(value: Any) -> Head:
    head = _head(value["seq"], value["hash"]) if isinstance(value, dict) and value.keys() == {"seq", "hash"} else None
    if head is None:
        raise _NonsenseError("a head is a seq (1 or more) and a hash (64 lower-case hex digits)")
    return head


def _head(seq: Any, hash: Any) -> Head | None:
    """A head, where these two make one."""
    if type(seq) is int and seq >= 1 and isinstance(hash, str) and _HASH.fullmatch(hash):
        return Head(seq, hash)
    return None
