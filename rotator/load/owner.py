"""Reads `rotator.yaml`, which belongs to the owner of the machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from rotator.errors import BadInput
from rotator.generate import check_policy
from rotator.load import plugins, shapes
from rotator.load.check import validated
from rotator.load.config import Allow, Config, Connection, Policy
from rotator.load.fit import openness
from rotator.load.problems import Notes, nearest
from rotator.load.secrets import located, references
from rotator.load.sites import site
from rotator.load.yaml import Block, parse
from rotator.settings import EnvRef, FileRef, Settings, StoreRef
from rotator.spec import DEFAULT_ALPHABET, PasswordPolicy

ModelOf = Callable[[str, "tuple[str, ...] | None"], type[Settings]]
"""Finds the settings model of a type, among those that may be loaded."""
ENTRIES = ("connections", "stores", "destinations", "reloads", "policies")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_LEDGER = re.compile(r"sqlite:///([^?#\x00-\x20\x7f]+)")


@dataclass
class Owned:
    """What was read. `broken` are entries with problems of their own, by section; `fatal`: nothing can go on."""

    notes: Notes
    warnings: Notes
    config: Config | None = None
    broken: dict[str, set[str]] = field(default_factory=lambda: {each: set() for each in ENTRIES})
    fatal: bool = False


def read_owner(file: str, data: bytes, state: Path | None) -> Owned:
    """Read it; every problem is noted, none raised."""
    parsed = parse(data)
    owned = Owned(Notes(file, parsed.root), Notes(file, parsed.root))
    for flaw in parsed.flaws:
        owned.notes.add(flaw.where, flaw.text, line=flaw.line)
        _note_broken(owned, flaw.where)
    if parsed.root is None:
        owned.fatal = True
        return owned
    _Reader(owned, parsed.root, Path(file).absolute().parent, state).read()
    return owned


def _note_broken(owned: Owned, where: tuple[object, ...]) -> None:
    """A problem inside one entry is that entry's; any other is everybody's."""
    if len(where) > 1 and where[0] in ENTRIES:
        owned.broken[str(where[0])].add(str(where[1]))
    else:
        owned.fatal = True


class _Reader:
    def __init__(self, owned: Owned, root: Block, folder: Path, state: Path | None) -> None:
        self.owned, self.root, self.folder = owned, root, folder
        self.state = (state or folder / "var").absolute()
        self.allow: tuple[str, ...] | None = None

    def note(self, where: tuple[object, ...], text: str) -> None:
        self.owned.notes.add(where, text)
        _note_broken(self.owned, where)

    def read(self) -> None:
        top = self._top()
        self.allow = top.plugins.allow if top else None
        connections = self._entries("connections", plugins.connection_model, shapes.ConnectionAllow)
        stores = self._entries("stores", _settings_of(plugins.store_class), shapes.PlaceAllow)
        destinations = self._entries("destinations", _settings_of(plugins.destination_class), shapes.PlaceAllow)
        reloads = self._entries("reloads", _settings_of(plugins.reload_class), shapes.PlaceAllow)
        policies = self._policies()
        self._collisions(stores, destinations)
        self._references({"connections": connections, "stores": stores, "destinations": destinations, "reloads": reloads})
        for section, entries in (("connections", connections), ("destinations", destinations), ("reloads", reloads)):
            self._unlimited(section, entries)
        self._opened(destinations)
        ledger = self._ledger(top.audit.ledger if top else None)
        if top:
            self.owned.config = Config(
                file=self.owned.notes.file,
                root=self.folder,
                environment=top.environment,
                connections=self._whole("connections", connections),
                stores=self._whole("stores", stores),
                destinations=self._whole("destinations", destinations),
                reloads=self._whole("reloads", reloads),
                policies=policies,
                ledger_url=ledger,
                plugins_allow=self.allow,
                runs=top.limits.runs,
                per_connection=top.limits.per_connection,
                call_timeout=top.limits.call_timeout.total_seconds(),
                state=self.state,
            )

    def _whole(self, section: str, entries: Mapping[str, Connection]) -> dict[str, Connection]:
        """Those without a problem."""
        return {name: entry for name, entry in entries.items() if name not in self.owned.broken[section]}

    def _top(self) -> shapes.OwnerFile | None:
        """Everything but what stands inside an entry. With a problem in it, we read on, so as to say all at once."""
        outside = Notes(self.owned.notes.file, self.root)
        top = validated(shapes.OwnerFile, self._skeleton(), outside, ())
        self.owned.fatal |= bool(outside.problems)
        self.owned.notes.problems += outside.problems
        for section in ENTRIES:
            for name, entry in self._section(section).items():
                if not shapes.NAME.fullmatch(name):
                    self.note((section, name), shapes.NAME_WORDS)
                elif not isinstance(entry, Block):
                    self.note((section, name), "write a mapping here, `key: value`")
        return top

    def _skeleton(self) -> dict[str, Any]:
        return {key: {} if key in ENTRIES and isinstance(value, Block) else value for key, value in self.root.items()}

    def _section(self, section: str) -> Block:
        found = self.root.get(section)
        return found if isinstance(found, Block) else Block(0)

    # ---- entries

    def _entries(self, section: str, model_of: ModelOf, allow: type[Settings]) -> dict[str, Connection]:
        read = {
            name: self._entry(section, name, entry, model_of, allow)
            for name, entry in self._section(section).items()
            if isinstance(entry, Block)
        }
        return {name: entry for name, entry in read.items() if entry is not None}

    def _entry(
        self,
        section: str,
        name: str,
        entry: Block,
        model_of: ModelOf,
        allow: type[Settings],
    ) -> Connection | None:
        before = len(self.owned.notes.problems)
        limits = validated(allow, entry["allow"], self.owned.notes, (section, name, "allow")) if "allow" in entry else None
        model, settings = self._model(section, name, entry, model_of), None
        if model is not None:
            rest = {key: value for key, value in entry.items() if key not in ("type", "allow")}
            settings = validated(model, rest, self.owned.notes, (section, name), root=str(self.folder), also=("type", "allow"))
        if len(self.owned.notes.problems) > before:
            self.owned.broken[section].add(name)
        if settings is None:
            return None
        line = self._section(section).lines[name]
        return Connection(name, entry["type"], settings, Allow(**limits.model_dump()) if limits else None, line)

    def _model(self, section: str, name: str, entry: Block, model_of: ModelOf) -> type[Settings] | None:
        type = entry.get("type")
        if not isinstance(type, str):
            self.note((section, name, "type"), "this is required" if type is None else "write one plain text here")
            return None
        try:
            return model_of(type, self.allow)
        except BadInput as error:
            self.note((section, name, "type"), error.what if error.fix is None else f"{error.what}. {error.fix}")
            return None

    def _unlimited(self, section: str, entries: Mapping[str, Connection]) -> None:
        for name, entry in entries.items():
            if entry.allow in (None, Allow()):
                self.owned.warnings.add(
                    (section, name), "there is no `allow`: every schedule may use it; write `allow: {schedules: [...]}`"
                )

    def _opened(self, destinations: Mapping[str, Connection]) -> None:
        for name, entry in destinations.items():
            wrong = openness(entry)
            if wrong:
                self.owned.warnings.add(("destinations", name, "mode"), wrong)

    # ---- between entries

    def _collisions(self, stores: Mapping[str, Connection], destinations: Mapping[str, Connection]) -> None:
        for name in self._section("destinations"):
            if name in self._section("stores"):
                self.note(("destinations", name), "a store has this name: places are told apart by name, choose another")
        for name in self._section("reloads"):
            if name in self._section("stores") or name in self._section("destinations"):
                self.note(("reloads", name), "a store or destination has this name: they are told apart by name, choose another")
        for section, entries in (("stores", stores), ("destinations", destinations)):
            for one, other in combinations(entries.values(), 2):
                same_file = site(one)[0] == "a file" and site(one) == site(other)
                if same_file or (one.type == other.type and one.settings == other.settings):
                    self.note((section, other.name), f"this is the same place as `{one.name}`: write one of them")

    def _references(self, sections: Mapping[str, Mapping[str, Connection]]) -> None:
        for section, entries in sections.items():
            for name, entry in entries.items():
                for where, ref in located(entry.settings):
                    wrong = self._wrong_reference(ref)
                    if wrong:
                        self.note((section, name, *where), wrong)
        self._cycles(sections["stores"])

    def _wrong_reference(self, ref: EnvRef | FileRef | StoreRef) -> str | None:
        if isinstance(ref, EnvRef):
            return None if _VARIABLE.fullmatch(ref.env) else "a secret reference's `env` is the name of a variable, not a value"
        if isinstance(ref, FileRef):
            return None if ref.file and "\0" not in ref.file else "a secret reference's `file` is the path of a file"
        if ref.store not in self._section("stores"):
            return f"a secret reference names a store that is not there{nearest(ref.store, self._section('stores'))}"
        ok = shapes.STORE_PATH.fullmatch(ref.path) and {".", ".."}.isdisjoint(ref.path.split("/"))
        return None if ok else "a secret reference's `path` is no path in a store"

    def _cycles(self, stores: Mapping[str, Connection]) -> None:
        needs = {name: {ref.store for ref in references(entry.settings) if isinstance(ref, StoreRef)} for name, entry in stores.items()}
        for name in stores:
            reached, new = set[str](), needs[name]
            while new:
                reached |= new
                new = {each for one in new for each in needs.get(one, ())} - reached
            if name in reached:
                self.note(("stores", name), "opening this store needs a secret that stands in itself")

    # ---- policies and the ledger

    def _policies(self) -> dict[str, Policy]:
        policies = {}
        for name, entry in self._section("policies").items():
            if isinstance(entry, Block):
                shape = validated(shapes.Policy, entry, self.owned.notes, ("policies", name))
                if shape is None:
                    self.owned.broken["policies"].add(name)
                else:
                    policies[name] = self._policy(name, shape)
        return policies

    def _policy(self, name: str, shape: shapes.Policy) -> Policy:
        seconds = {
            key: value.total_seconds()
            for key in ("max_age", "max_grace", "every", "grace", "soak")
            if (value := getattr(shape, key)) is not None
        }
        password = password_of(shape.password)
        wrong = check_policy(password) if password else None
        if wrong:
            self.note(("policies", name, "password"), wrong)
        if "max_grace" in seconds and seconds.get("grace", 0) > seconds["max_grace"]:
            self.note(("policies", name, "grace"), "this is longer than the policy's own `max_grace`")
        return Policy(name, password=password, **seconds)

    def _ledger(self, written: str | None) -> str:
        if written is None:
            return f"sqlite:///{self.state / 'ledger.db'}"
        match = _LEDGER.fullmatch(written)
        if match is None or match[1].strip("/") in ("", ":memory:"):
            self.note(("audit", "ledger"), "write sqlite:///PATH, a file beside rotator.yaml, or sqlite:////PATH")
            return ""
        return f"sqlite:///{self.folder / match[1]}"


def password_of(shape: shapes.Password | None) -> PasswordPolicy | None:
    """A password policy as it is written, with defaults for what is not."""
    if shape is None:
        return None
    return PasswordPolicy(32 if shape.length is None else shape.length, DEFAULT_ALPHABET if shape.alphabet is None else shape.alphabet)


def _settings_of(class_of: Callable[..., Any]) -> ModelOf:
    def model(name: str, allow: tuple[str, ...] | None) -> type[Settings]:
        found: type[Settings] = class_of(name, allow).settings
        return found

    return model
