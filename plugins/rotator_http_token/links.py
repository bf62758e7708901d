"""The `Link` header: where the next page is (RFC 8288, section 3)."""

from __future__ import annotations

import re

_TARGET = re.compile(r"<([^>]*)>")
_PARAMETER = re.compile(r'\s*;\s*([^\s=;,"<]*)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^;,]*)))?')


def next_target(header: str) -> str | None:
    """The first target whose relations hold `next`; None where there is none.

    Names of relations and of parameters have no case, one `rel` may name several relations, and a second `rel` of one link counts for
    nothing (sections 3.3 and 2.1.1; the way through is that of appendix B.2). Single quotes are none there, but are sent and meant so.
    """
    at = 0
    while link := _TARGET.search(header, at):
        relations, at = _relations(header, link.end())
        if "next" in relations:
            return link[1].strip()
    return None


def _relations(header: str, at: int) -> tuple[list[str], int]:
    """The relations of the link whose parameters begin there, and where they end."""
    told: str | None = None
    while parameter := _PARAMETER.match(header, at):
        at = parameter.end()
        if told is None and parameter[1].lower() == "rel":
            told = parameter[2] if parameter[2] is not None else parameter[3] or ""
    return re.sub(r"\\(.)", r"\1", told or "").strip().strip("'").lower().split(), at
