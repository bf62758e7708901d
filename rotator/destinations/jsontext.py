"""The text of a JSON object: found and changed member by member, so that all that is not ours stays as it is, byte for byte (RFC 8259)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rotator.errors import Foreign

_SPACE = re.compile(r"[ \t\n\r]*")
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_EMPTY = "{}\n"


@dataclass(frozen=True)
class Member:
    """One member: its key, and where key and value stand in the text."""

    key: str
    start: int
    colon: int
    value: int
    end: int


class JsonText:
    """One file; an empty one is an empty object. `Foreign` where it is not one JSON object: then nobody can tell what is ours."""

    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text if text.strip() else _EMPTY, where
        members = self._all()
        if members is None:  # said out here: the parser's own error would carry the text along
            raise Foreign(f"{where} is not one JSON object", "mend the file, or name another")
        self._members = members

    def values(self, names: Iterable[str]) -> dict[str, str]:
        """Our keys that are set; null and an empty text are a blank to be filled in, and not set."""
        found = {each.key: json.loads(self._text[each.value : each.end]) for each in self._ours(set(names))}
        wrong = [key for key, value in found.items() if value is not None and not isinstance(value, str)]
        if wrong:
            raise Foreign(f"{wrong[0]!r} in {self._where} is no text", "remove it there, or name another key")
        return {key: value for key, value in found.items() if value}

    def replaced(self, values: Mapping[str, str]) -> str:
        """The text with these values: a member that is there is changed where it stands, the others come at the end."""
        self.values(values)  # refuses what is no text
        ours = {each.key: each for each in self._ours(set(values))}
        text = self._with({key: value for key, value in values.items() if key not in ours})
        for each in sorted(ours.values(), key=lambda member: -member.value):
            text = text[: each.value] + _json(values[each.key]) + text[each.end :]
        return text

    def _with(self, new: Mapping[str, str]) -> str:
        """The new members after the last one, set as that one is."""
        text = self._text
        if not new:
            return text
        if not self._members:
            at = text.index("{") + 1
            lines = ",\n".join(f"  {_json(key)}: {_json(value)}" for key, value in new.items())
            return f"{text[:at]}\n{lines}\n{text[at:].lstrip()}"
        last = self._members[-1]
        begin = text[: last.start]
        gap, colon = begin[len(begin.rstrip()) :], text[last.colon : last.value]
        if len(self._members) == 1 and not gap:
            gap = " " * colon.endswith(" ")
        added = "".join(f",{gap}{_json(key)}{colon}{_json(value)}" for key, value in new.items())
        return text[: last.end] + added + text[last.end :]

    def _ours(self, names: set[str]) -> list[Member]:
        ours = [each for each in self._members if each.key in names]
        if len({each.key for each in ours}) < len(ours):
            raise Foreign(f"a key of ours stands twice in {self._where}", "remove one of them: readers disagree about which one counts")
        return ours

    # ---- reading

    def _all(self) -> list[Member] | None:
        try:
            return list(self._read())
        except (ValueError, IndexError, RecursionError):
            return None

    def _read(self) -> Iterator[Member]:
        """The members. Raises `ValueError` or `IndexError` where it is no object."""
        at = self._past("{", 0)
        more = self._text[at] != "}"
        while more:
            key, colon = _DECODER.raw_decode(self._text, at)
            between = _COLON.match(self._text, colon)
            if not isinstance(key, str) or not between:
                raise ValueError
            _, end = _DECODER.raw_decode(self._text, between.end())
            yield Member(key, at, colon, between.end(), end)
            more = self._text[self._skip(end)] == ","
            at = self._past(",", end) if more else end
        if self._past("}", at) != len(self._text):
            raise ValueError

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        assert match is not None
        return match.end()

    def _past(self, sign: str, at: int) -> int:
        """Past this sign and the space after it."""
        at = self._skip(at)
        if self._text[at] != sign:
            raise ValueError
        return self._skip(at + 1)


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
