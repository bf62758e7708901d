"""Plugins by entry point: targets, connection types, stores, destinations and reloads. Only what is named is imported.

Drop-ins: a directory given with `--plugin-dir` holds what `pip install --target DIR` puts there, or modules beside a file
`entry_points.txt` of the same format (`[rotator.targets]`, then `redis = redis_user:RedisUser`). It joins the end of the module path,
so that it shadows nothing, and worker processes inherit it with that path.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from inspect import isabstract
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rotator.errors import BadInput
from rotator.extras import lacking
from rotator.files import refuse_writable

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from rotator.destination import Destination
    from rotator.reload import Reload
    from rotator.settings import Settings
    from rotator.store import Store
    from rotator.target import Target

TARGETS, CONNECTIONS = "rotator.targets", "rotator.connections"
STORES, DESTINATIONS, RELOADS = "rotator.stores", "rotator.destinations", "rotator.reloads"
LIBRARIES = "rotator.preload"
"""Entry points `TYPE = module [extra]`, or `TYPE.word`: what a type needs as it works, and which extra of its distribution brings it."""
OURS = "rotator"
_KINDS = {TARGETS: "target", CONNECTIONS: "connection", STORES: "store", DESTINATIONS: "destination", RELOADS: "reload"}
_GROUPS = (*_KINDS, LIBRARIES)
_REQUIRED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)[^;]*")
"""A requirement without a condition: one for an extra or for other machines need not be there."""
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_scanned: dict[str, tuple[Found, ...]] = {}


@dataclass(frozen=True)
class Found:
    """One entry point. `origin` is its distribution, or the drop-in file that names it."""

    group: str
    name: str
    value: str
    origin: str
    distribution: Distribution | None = field(default=None, compare=False, repr=False)

    @property
    def version(self) -> str | None:
        """The version of the distribution; a drop-in has none."""
        return self.distribution.version if self.distribution is not None else None

    def load(self) -> Any:
        """The object it names. Raises `BadInput`, with no more of a foreign exception than its type; also for a library that is missing."""
        lacks = self.lacks()
        if lacks is not None:
            raise lacks
        module, _, names = self.value.partition("[")[0].strip().partition(":")
        try:
            found: Any = importlib.import_module(module)
            for name in filter(None, names.split(".")):
                found = getattr(found, name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything, or even end the process
            raise BadInput(
                f"the plugin for {_KINDS[self.group]} type `{self.name}` ({self.origin}) cannot be imported: {why(error)}",
                fix=f"python -c 'import {module}' shows more; mend or uninstall it",
            ) from None
        return found

    def lacks(self) -> BadInput | None:
        """The first library that it says it needs and that is not installed. Imports nothing.

        A run would find that out in the middle of its work, from an exception that may mean anything.
        """
        if self.group == CONNECTIONS:  # settings alone
            return None
        who = f"the plugin for {_KINDS[self.group]} type `{self.name}` ({self.origin})"
        for each in found(LIBRARIES):
            if each.origin == self.origin and each.name.partition(".")[0] == self.name:
                module, _, extra = each.value.partition("[")
                if not _there(module.strip()):
                    return lacking(who, module.strip(), extra.strip(" ]") or None, self.origin)
        missing = next(_not_installed(self.distribution), None) if self.distribution and self.origin != OURS else None
        return lacking(who, missing, None) if missing else None


def _there(module: str) -> bool:
    """Whether it could be imported, as far as can be told without doing so."""
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except ValueError:  # it is imported already, by somebody who left its spec out
        return True


def _not_installed(distribution: Distribution) -> Iterator[str]:
    """What a distribution requires in any case and lacks: somebody installed it without."""
    from importlib.metadata import PackageNotFoundError, version

    required = (match[1] for each in distribution.requires or () if (match := _REQUIRED.fullmatch(each)))
    for each in required:
        try:
            version(each)
        except PackageNotFoundError:
            yield each


def why(error: BaseException) -> str:
    """A missing module by its name, anything else by its type."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    return (
        f"module `{name}` is not installed for {sys.executable}" if name and re.fullmatch(r"[A-Za-z0-9_.]+", name) else type(error).__name__
    )


def found(group: str) -> list[Found]:
    """All entry points of a group, by name; nothing is imported. Of a distribution that stands in two directories the first counts."""
    directories: dict[str, str] = {}
    every = [
        each
        for directory in dict.fromkeys(sys.path)
        for each in _scan(directory)
        if directories.setdefault(each.origin, directory) == directory and each.group == group
    ]
    return sorted(every, key=lambda each: each.name)


def _scan(directory: str) -> tuple[Found, ...]:
    """Our entry points in one directory of the module path: only of distributions whose file speaks of us."""
    if directory not in _scanned:
        _scanned[directory] = tuple(_entries(directory))
    return _scanned[directory]


def _entries(directory: str) -> Iterator[Found]:
    from importlib.metadata import distributions

    for distribution in distributions(path=[directory]):
        if "rotator." in (distribution.read_text("entry_points.txt") or ""):
            origin = distribution.name  # each look at it parses the whole METADATA, README and all
            for each in distribution.entry_points:
                if each.group in _GROUPS:
                    yield Found(each.group, each.name, each.value, origin, distribution)
    with suppress(BadInput):  # a file of that name that is none of ours; of a drop-in directory `use` has said so
        yield from _dropped(Path(directory or ".") / "entry_points.txt")


def _dropped(file: Path) -> list[Found]:
    """What a drop-in directory's own file names. Raises `BadInput` for one that cannot be read."""
    from configparser import Error as ConfigError
    from configparser import RawConfigParser

    parser = RawConfigParser(delimiters=("=",))
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise BadInput(f"{file} cannot be read ({type(error).__name__})", fix="write [rotator.targets], then name = module:Class") from None
    return [Found(group, name, value, str(file)) for group in _GROUPS if group in parser for name, value in parser[group].items()]


def use(directories: Iterable[str | os.PathLike[str]]) -> None:
    """Take drop-in directories into the module path. Raises `BadInput` for one that others could change. May be called twice."""
    for each in directories:
        path = Path(each).resolve()
        refuse_open(path)
        _dropped(path / "entry_points.txt")
        _scanned.pop(str(path), None)
        if str(path) not in sys.path:
            sys.path.append(str(path))


def forget() -> None:
    """Look anew at what is installed, and in which versions: somebody may have installed a plugin since. What is imported stays so."""
    _scanned.clear()
    plugin_version.cache_clear()
    importlib.invalidate_caches()


def refuse_open(directory: Path) -> None:
    """Raise `BadInput` where someone but root and us could change what is imported from here."""
    if not os.path.isdir(directory):  # noqa: PTH112 - it raises nothing where we may not look
        raise BadInput(f"the plugin directory {directory} is not there, or is no directory", fix="give another with --plugin-dir")
    refuse_writable(str(directory), "the plugin directory")
    for root, folders, files in os.walk(directory):
        for name in (*folders, *files):
            path = Path(root, name)
            if path.is_symlink():
                raise BadInput(f"{path} in the plugin directory is a symbolic link", fix="put the file itself there")
            refuse_writable(str(path), "in the plugin directory:")


def find(group: str, name: str, allow: Collection[str] | None = None) -> Found:
    """The entry point of this name. `allow`: types that may be loaded; None: any. Raises `BadInput`; imports nothing."""
    every = found(group)
    named = [each for each in every if each.name == name]
    if not named:
        raise BadInput(f"no plugin for this {_KINDS[group]} type is installed{_nearest(name, every)}")
    if len(named) > 1:
        origins = " and ".join(sorted(f"`{each.origin}`" for each in named))
        raise BadInput(f"{origins} each offer {_KINDS[group]} type `{name}`: leave one installed")
    if allow is not None and not _allowed(named[0], allow):
        raise BadInput(f"{_KINDS[group]} type `{name}` is not in `plugins.allow` of rotator.yaml: the machine's owner may add it")
    return named[0]


def _nearest(name: str, every: Iterable[Found]) -> str:
    from rotator.load.problems import nearest

    return nearest(name, (each.name for each in every))


def _allowed(each: Found, allow: Collection[str]) -> bool:
    """Targets by name; what else a distribution brings comes with an allowed target of it, or is our own."""
    if each.name in allow:
        return True
    if each.group == TARGETS:
        return False
    return each.origin == OURS or any(target.origin == each.origin and target.name in allow for target in found(TARGETS))


# ---- by kind


def target_class(name: str, allow: Collection[str] | None = None) -> type[Target[Any, Any]]:
    """The class of a target type. Raises `BadInput` where there is none, it may not be loaded, or it is not what it should be."""
    from rotator.target import Target

    entry = find(TARGETS, name, allow)
    cls: type[Target[Any, Any]] = _subclass(entry, Target)
    missing = [each for each in ("connection_type", "settings", "fields") if not hasattr(cls, each)]
    if missing:
        raise _wrong(entry, f"it lacks `{missing[0]}`")
    fields: Any = cls.fields
    named = isinstance(fields, tuple | list) and all(isinstance(each, str) and _FIELD.fullmatch(each) for each in fields)
    if not named or len(set(fields)) != 2:  # noqa: PLR2004 - a pair
        raise _wrong(entry, "its `fields` are not two different names")
    _settings(entry, cls.settings)
    return cls


def connection_model(name: str, allow: Collection[str] | None = None) -> type[Settings]:
    """The settings model of a connection type. Raises as `target_class`."""
    entry = find(CONNECTIONS, name, allow)
    return _settings(entry, entry.load())


def store_class(name: str, allow: Collection[str] | None = None) -> type[Store[Any]]:
    """The class of a store type. Raises as `target_class`."""
    from rotator.store import Store

    cls: type[Store[Any]] = _place(find(STORES, name, allow), Store)
    return cls


def destination_class(name: str, allow: Collection[str] | None = None) -> type[Destination[Any]]:
    """The class of a destination type. Raises as `target_class`."""
    from rotator.destination import Destination

    cls: type[Destination[Any]] = _place(find(DESTINATIONS, name, allow), Destination)
    return cls


def reload_class(name: str, allow: Collection[str] | None = None) -> type[Reload[Any]]:
    """The class of a reload type. Raises as `target_class`."""
    from rotator.model import Reached
    from rotator.reload import Reload

    entry = find(RELOADS, name, allow)
    cls: type[Reload[Any]] = _place(entry, Reload)
    if not isinstance(getattr(cls, "reaches", None), Reached):
        raise _wrong(entry, "its `reaches` is no level of rotator.model.Reached")
    return cls


@functools.cache
def plugin_version(name: str) -> str | None:
    """The version of the distribution that a target type comes from; None for a drop-in, or where there is no such type."""
    return next((each.version for each in found(TARGETS) if each.name == name), None)


def _place(entry: Found, base: Any) -> Any:
    cls = _subclass(entry, base)
    _settings(entry, getattr(cls, "settings", None))
    return cls


def _subclass(entry: Found, base: Any) -> Any:
    cls = entry.load()
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise _wrong(entry, f"it is no subclass of {base.__name__}")
    if isabstract(cls):
        raise _wrong(entry, f"its `{min(cast('Any', cls).__abstractmethods__)}` is missing")
    return cls


def _settings(entry: Found, model: Any) -> type[Settings]:
    from rotator.settings import Settings

    if not (isinstance(model, type) and issubclass(model, Settings)):
        raise _wrong(entry, "its settings are no subclass of rotator.settings.Settings")
    return model


def _wrong(entry: Found, why: str) -> BadInput:
    return BadInput(f"the plugin for {_KINDS[entry.group]} type `{entry.name}` ({entry.origin}) is not usable: {why}")
