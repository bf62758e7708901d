"""The text of an env file: found and changed line by line, so that all that is not ours stays as it is, byte for byte.

Readers disagree: bash and python-dotenv know quotes, escapes and comments, `docker run --env-file` and others take what follows `=`
literally. Values out of `[A-Za-z0-9_.~-]`, unquoted, are read alike by all of them, and are what `Quote.NONE` writes. Where two readers
could disagree about whether a line is ours at all (inside a quoted value that spans lines), nothing is touched: `Foreign`.

For docker and systemd a `#` behind a value is a part of it (docs.docker.com, docker container run, --env-file; systemd.exec(5),
EnvironmentFile=), and systemd before 254 joins a comment that ends in a backslash to the next line (its NEWS): neither with `Quote.NONE`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rotator.errors import Foreign, Refused

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE = re.compile(r"[A-Za-z0-9_.~-]+")
_TILDE = re.compile(r"~([+-]?[0-9]*|[a-z_][a-z0-9_.-]{0,30})")
"""What bash may replace by a directory: `~`, `~+`, `~2`, `~user` (Bash manual, Tilde Expansion)."""
_LINE = re.compile(
    r"(?P<before>\ufeff?[^\S\n]*(?P<export>export[^\S\n]+)?)(?P<q>'?)(?P<name>[^\s=#']+)(?P=q)(?P<after>[^\S\n]*=)?(?P<rest>.*)", re.DOTALL
)
_QUOTES = r"""'[^']*'|"(?:\\.|[^"\\])*"|\\."""
"""What a shell takes literally (POSIX, Shell Command Language, 2.2 Quoting)."""
_SHELL_LINE = re.compile(rf"""(?=(?P<line>(?:{_QUOTES}|[ \t;&|<>()]+\#[^\n]*|[^'"\\])*))(?P=line)""", re.DOTALL)
_NO_WORD = re.compile(rf"{_QUOTES}|[ \t;&|<>()]+\#.*", re.DOTALL)
_CLOSED = {"'": re.compile(r"'(?:\\.|[^'\\])*'", re.DOTALL), '"': re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)}
_QUOTED_BARE = re.compile(r"(['\"])(?P<value>[A-Za-z0-9_.~-]*)\1")
_DOTENV = re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL)


class Quote(StrEnum):
    """How values are written."""

    NONE = "none"
    """Unquoted, and only what every reader reads alike."""
    SHELL = "shell"
    """Single quotes as a POSIX shell reads them."""
    DOTENV = "dotenv"
    """Single quotes as python-dotenv reads them."""


_ENTRY = {
    Quote.NONE: re.compile(
        rf"""[ \t]*(?=(?P<value>(?:{_QUOTES}|(?!(?<=[ \t'"])\#|[;&|]+[A-Za-z_]\w*=)[^ \t])*))(?P=value)(?P<tail>[ \t]*)""", re.DOTALL
    ),
    Quote.SHELL: re.compile(rf"""(?=(?P<value>(?:{_QUOTES}|[^ \t'"\\;&|<>()])*))(?P=value)(?P<tail>[ \t]*(?:[ \t]\#.*)?)""", re.DOTALL),
    Quote.DOTENV: re.compile(
        r"""(?:\s*(?P<quoted>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")(?P<behind>\s*(?:\#.*)?)"""
        r"""|(?!\s*['"])\s*(?!(?<=\s)\#)(?P<value>.*?)(?P<tail>\s*(?:\s\#.*)?))""",
        re.DOTALL,
    ),
}
"""What may stand behind `=`: a lookahead and its group again never give back what they took, as `*+` would, which goes astray in the
Python 3.11.2 of Debian 12. One value, and a comment where its readers know them. All else is something that a write would take away."""


def quoted(name: str, value: str, style: Quote) -> str:
    """The value as it is written. Raises `Refused`, without the value, where its readers would not all read it as it is."""
    if style is Quote.SHELL:
        return "'" + value.replace("'", "'\\''") + "'"
    if style is Quote.DOTENV:
        if "${" in value or value.endswith("\\"):
            raise Refused(f"the value of {name} holds ${{ or ends in a backslash, which dotenv readers change", "use another alphabet")
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if not _BARE.fullmatch(value) or _TILDE.fullmatch(value):
        why = "begins like a home directory" if _BARE.fullmatch(value) else "holds characters outside [A-Za-z0-9_.~-]"
        raise Refused(f"the value of {name} {why}: not every reader of an env file reads it alike", "set quote: shell, or quote: dotenv")
    return value


def unfit(alphabet: str, style: Quote) -> str:
    """Those of these characters with which `quoted` may refuse a value; empty where it takes every value of them."""
    if style is Quote.NONE:
        return "".join(each for each in alphabet if not _BARE.fullmatch(each))
    risky = {"\\"} | ({"$", "{"} if {"$", "{"} <= set(alphabet) else set())
    return "".join(each for each in alphabet if each in risky) if style is Quote.DOTENV else ""


def unquoted(value: str, style: Quote) -> str:
    """What a reader gets of a value as it is written."""
    if value[:1] not in _CLOSED:
        return value
    if style is Quote.SHELL:
        words = _words(value)
        return words[0] if len(words) == 1 else value
    match = _DOTENV.fullmatch(value) if style is Quote.DOTENV else None
    if match:
        return re.sub(r"\\([\\'])", r"\1", match[1])
    bare = _QUOTED_BARE.fullmatch(value)
    return bare["value"] if bare else value


def _words(raw: str) -> list[str]:
    try:
        return shlex.split(raw)
    except ValueError:
        return []


@dataclass(frozen=True)
class _Found:
    """A line that sets one of our names."""

    index: int
    before: str
    value: str
    comment: str
    """With the white space before it."""


class EnvText:
    """The text of one env file, and the lines in it that are ours. Lines are counted from 1 in messages."""

    def __init__(self, text: str, names: Iterable[str], style: Quote, where: str) -> None:
        self._lines = re.findall(r"[^\n]*\n|[^\n]+", text)
        self._names, self._style, self._where = set(names), style, where
        self._joins = False
        """Whether the last line takes in one that is appended."""
        self._found = self._find()

    def values(self) -> dict[str, str]:
        """Our names that are set, and what a reader gets; a name with nothing after `=` is a blank to be filled in, and not set."""
        shown = {name: unquoted(each.value, self._style) for name, each in self._found.items()}
        return {name: value for name, value in shown.items() if value}

    def replaced(self, values: Mapping[str, str]) -> str:
        """The text with these values: a line that is there is changed where it stands, the others come at the end.

        Raises `Refused`, and `Foreign` where what was written would not be what is read.
        """
        lines = list(self._lines)
        end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += end
        for name, value in values.items():
            setting, found = f"{name}={quoted(name, value, self._style)}", self._found.get(name)
            if found is None:
                self._refuse_unread(name, end)
                lines.append(setting + end)
            else:
                lines[found.index] = found.before + setting + found.comment + _end(lines[found.index])
        new = "".join(lines)
        if EnvText(new, values, self._style, self._where).values() != dict(values):
            raise Foreign(f"{self._where}: what would be written would be read as something else", "edit the file by hand, then run again")
        return new

    def _find(self) -> dict[str, _Found]:
        """Our lines. Raises `Foreign` with the line where it cannot be told which they are."""
        found: dict[str, _Found] = {}
        quote, since = "", 0
        for index, line in enumerate(self._lines):
            match = _LINE.fullmatch(line.rstrip("\r\n"))
            ours = match if match and match["name"] in self._names and not (match["export"] and not match["after"]) else None
            if ours and quote:
                raise self._foreign(index, f"{ours['name']} stands inside a quoted value that begins in line {since}")
            if ours:
                self._refuse_unclear(index, ours, found)
                found[ours["name"]] = _Found(index, ours["before"], *self._entry(index, ours))
            elif match and match["after"] and not quote and self._style is not Quote.DOTENV:
                self._refuse_again(index, match, found)
            if "\r" in line.rstrip("\r\n"):
                raise self._foreign(index, "a carriage return stands in the middle: some readers take it for the end of the line")
            before, value = quote, match["rest"] if match and match["after"] else ""
            quote = _left_open(quote + line if quote else value, self._style)
            since = since if before else index + 1
            self._joins = _backslashes(line) % 2 == 1 and (self._style is Quote.NONE or not line.lstrip().startswith("#"))
        if quote:
            raise self._foreign(since - 1, "a quote is opened and never closed")
        return found

    def _refuse_unclear(self, index: int, ours: re.Match[str], found: Mapping[str, _Found]) -> None:
        name = ours["name"]
        if name in found:
            raise self._foreign(index, f"{name} is set here and in line {found[name].index + 1}: remove the one that is not meant")
        if not ours["after"]:
            raise self._foreign(index, f"{name} stands here without a value")
        if self._style is not Quote.DOTENV and "\ufeff" in ours["before"]:
            raise self._foreign(index, f"a byte order mark stands before {name}, which is a part of the name for a shell")
        if self._style is not Quote.DOTENV and "\r" in _end(self._lines[index]):
            raise self._foreign(index, f"{name} ends in a carriage return, which is a part of the value for a shell")
        if self._joins or _backslashes(ours["rest"]) % 2:
            raise self._foreign(index, f"a backslash at the end of a line joins {name} to another line for some readers")

    def _refuse_again(self, index: int, match: re.Match[str], found: Mapping[str, _Found]) -> None:
        """A line of others that sets one of ours, too, for a shell: `A=1 KEY=x`, or `KEY+=x`."""
        words = _NO_WORD.sub("", match["rest"])
        for name, each in found.items():
            if match["name"] == f"{name}+" or re.search(rf"[ \t;&|]{name}\+?=", words):
                raise self._foreign(index, f"{name} is set here and in line {each.index + 1}: remove the one that is not meant")

    def _entry(self, index: int, ours: re.Match[str]) -> tuple[str, str]:
        """Its value as it is written, and its comment."""
        if _left_open(ours["rest"], self._style):
            raise self._foreign(index, "a quote is opened and never closed in this line")
        entry = _ENTRY[self._style].fullmatch(ours["rest"])
        if not entry and self._style is Quote.NONE and re.search(r"[\s'\"]#", ours["rest"]):
            raise self._foreign(index, f"for docker and systemd the comment behind {ours['name']} is a part of it: give it its own line")
        if not entry:
            raise self._foreign(index, f"more than a value stands behind {ours['name']}, and would be lost: give it a line of its own")
        value, behind = (each for each in entry.groups() if each is not None)
        return value, behind if behind.strip() else ""

    def _refuse_unread(self, name: str, end: str) -> None:
        """Before a line is appended that would not be read as it is."""
        if self._style is not Quote.DOTENV and "\r" in end:
            raise self._foreign(0, f"lines end in a carriage return, which would be a part of {name} for a shell")
        if self._joins:
            raise self._foreign(len(self._lines) - 1, f"a backslash at the end of the file joins it to {name}, which is to come behind it")

    def _foreign(self, index: int, what: str) -> Foreign:
        return Foreign(f"{self._where}, line {index + 1}: {what}", "edit the file by hand, then run again")


def _left_open(value: str, style: Quote) -> str:
    """The quote that a value opens and does not close in its line, or an empty string."""
    end = _value_end(value, style)
    return value[end : end + 1] if value[end : end + 1] in _CLOSED else ""


def _value_end(value: str, style: Quote) -> int:
    """Where its quotes end; its beginning where it has none, or one is left open."""
    if style is Quote.SHELL:
        line = _SHELL_LINE.match(value)
        return line.end() if line else 0
    blanks = len(value) - len(value.lstrip())
    closed = _CLOSED[value[blanks]].match(value, blanks) if value[blanks : blanks + 1] in _CLOSED else None
    return closed.end() if closed else blanks


def _backslashes(line: str) -> int:
    """How many stand at its end."""
    bare = line.rstrip("\r\n")
    return len(bare) - len(bare.rstrip("\\"))


def _end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
