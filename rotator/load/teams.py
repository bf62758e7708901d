"""Reads schedule files, which belong to the teams, and makes specs of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from rotator.errors import BadInput
from rotator.load import shapes
from rotator.load.check import validated
from rotator.load.config import Connection
from rotator.load.owner import Owned
from rotator.load.plugins import why
from rotator.load.problems import Notes, absent
from rotator.load.specs import SpecReader
from rotator.load.yaml import Block, parse
from rotator.schedule import Cron, Every, cron
from rotator.spec import RotationSpec
from rotator.target import Runtime, Target


class Reader:
    """Reads all schedule files of one configuration. `specs` are those in which nothing is wrong."""

    def __init__(self, owned: Owned) -> None:
        assert owned.config is not None
        self.owned, self.config = owned, owned.config
        self.notes: list[Notes] = []
        self.warnings: list[Notes] = []
        self._made: dict[str, RotationSpec] = {}
        self._bad: set[str] = set()
        self._names: dict[str, str] = {}
        self._taken: dict[tuple[Any, ...], tuple[str, str]] = {}
        self._classes: dict[tuple[str, str], Any] = {}
        self._whens: dict[tuple[Any, ...], Every | Cron | str] = {}
        self._runtime = Runtime(reveal=_no_secret, now=lambda: datetime.now(UTC))

    @property
    def specs(self) -> tuple[RotationSpec, ...]:
        """In the order of files and lines."""
        return tuple(each for name, each in self._made.items() if name not in self._bad)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Names of specs that cannot be used."""
        return tuple(name for name in self._names if name in self._bad)

    def read(self, file: str, short: str, data: bytes) -> None:
        """Read one file. `short`: its name in the directory."""
        parsed = parse(data)
        notes, warnings = Notes(file, parsed.root), Notes(file, parsed.root)
        self.notes.append(notes)
        self.warnings.append(warnings)
        for flaw in parsed.flaws:
            spec = flaw.where[1] if flaw.where[:1] == ("rotations",) and len(flaw.where) > 1 else None
            notes.add(flaw.where, flaw.text, spec, line=flaw.line)
            self._bad |= {spec} if spec else set()
        if parsed.root is not None:
            File(self, notes, warnings, short, parsed.root).read()

    # ---- what is shared by all files

    def bad(self, name: str) -> None:
        """Say that a spec cannot be used."""
        self._bad.add(name)

    def add(self, spec: RotationSpec) -> None:
        """Keep a spec, if no later one stands in its way."""
        self._made[spec.name] = spec

    def named(self, name: str, source: str) -> str | None:
        """Where another spec of this name stands; its own place is kept."""
        before = self._names.setdefault(name, source)
        return None if before == source else before

    def taken(self, key: tuple[Any, ...], name: str, source: str) -> str | None:
        """Where the spec stands that has this already; neither can be used then."""
        other, before = self._taken.setdefault(key, (name, source))
        if other == name:
            return None
        self._bad |= {other}
        return f"`{other}` ({before})"

    def cached(self, kind: str, type: str, find: Callable[[str, Any], Any]) -> Any:
        """A plugin's class, or the `BadInput` that finding it raised: asked once."""
        key = (kind, type)
        if key not in self._classes:
            try:
                self._classes[key] = find(type, self.config.plugins_allow)
            except BadInput as error:
                self._classes[key] = error
        return self._classes[key]

    def when(self, shape: shapes.When) -> Every | Cron | str:
        """When it is due, or what is wrong with that."""
        key = (shape.every, shape.cron, shape.timezone)
        if key not in self._whens:
            self._whens[key] = _when(shape)
        return self._whens[key]

    def target(self, cls: type[Target[Any, Any]], connection: Connection, settings: Any) -> Target[Any, Any]:
        """An instance that is only asked for its properties."""
        return cls(connection.settings, settings, self._runtime)


def _no_secret(_ref: Any) -> NoReturn:
    raise BadInput("a plugin asked for a secret while files are only being read")


def _when(shape: shapes.When) -> Every | Cron | str:
    if shape.every is not None:
        return Every(shape.every.total_seconds())
    try:
        return cron(shape.cron or "", shape.timezone or "UTC")
    except ValueError as error:
        return str(error)


class File:
    """One schedule file."""

    def __init__(self, reader: Reader, notes: Notes, warnings: Notes, short: str, root: Block) -> None:
        self.reader, self.notes, self.warnings, self.short, self.root = reader, notes, warnings, short, root
        self.config = reader.config
        self.defaults = shapes.Defaults()
        self.said = False
        """Whether the file's own head is wrong: what its specs then lack is not their fault."""

    def read(self) -> None:
        """Read every spec of the file."""
        rotations = self.root.get("rotations")
        self.said = self._head() is None
        for name, block in rotations.items() if isinstance(rotations, Block) else ():
            where = ("rotations", name)
            before = len(self.notes.problems)
            spec = self._spec(name, block, where)
            if spec is not None and not self.said and len(self.notes.problems) == before:
                self.reader.add(spec)
            else:
                self.reader.bad(name)

    def _head(self) -> shapes.TeamFile | None:
        """The file but its rotations. With a problem in here none of its specs is used."""
        skeleton = {key: {} if key in ("rotations", "defaults") and isinstance(value, Block) else value for key, value in self.root.items()}
        head = validated(shapes.TeamFile, skeleton, self.notes, ())
        if isinstance(self.root.get("defaults"), Block):
            defaults = validated(shapes.Defaults, self.root["defaults"], self.notes, ("defaults",))
            self.defaults = defaults or self.defaults
            head = head if defaults and self._offered(defaults) else None
        return head

    def _offered(self, defaults: shapes.Defaults) -> bool:
        """Whether rotator.yaml has what the defaults name; said once, not for each spec."""
        before = len(self.notes.problems)
        for section, name, where in (
            ("policies", defaults.policy, ("defaults", "policy")),
            ("stores", defaults.store.name if defaults.store else None, ("defaults", "store", "name")),
        ):
            entries = getattr(self.config, section)
            if name is not None and name not in entries and name not in self.reader.owned.broken[section]:
                self.notes.add(where, absent(section, name, entries))
        return len(self.notes.problems) == before

    def _spec(self, name: str, block: Any, where: tuple[str, ...]) -> RotationSpec | None:
        source = f"{self.notes.file}:{self.notes.line(*where)}"
        before = self.reader.named(name, source)
        if before is not None:
            self.notes.add(where, f"another spec has this name ({before})", name)
        if not shapes.NAME.fullmatch(name):
            self.notes.add(where, shapes.NAME_WORDS, name)
        if not isinstance(block, Block):
            self.notes.add(where, "write a mapping here, `key: value`", name)
            return None
        try:
            return SpecReader(self, name, source, block).read()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - what a plugin declares may be anything: it costs its own spec only
            self.notes.add(where, f"one of its plugins declares what cannot be used ({why(error)})", name)
            return None
