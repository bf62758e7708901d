"""From YAML to a checked configuration and its specs: every error as `file:line`, all of them at once."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rotator.errors import BadInput
from rotator.files import refuse_writable
from rotator.load import plugins
from rotator.load.config import Config, Connection, Loaded
from rotator.load.owner import read_owner
from rotator.load.problems import Invalid, Problem
from rotator.load.secrets import Revealer, references
from rotator.load.teams import Reader
from rotator.load.yaml import MOST_BYTES
from rotator.settings import FileRef
from rotator.spec import RotationSpec

__all__ = ["Config", "Invalid", "Loaded", "Problem", "load", "load_lenient", "refuse_unready"]

SUFFIXES = (".yaml", ".yml")
StrPath = str | os.PathLike[str]


def load(
    config_file: StrPath,
    schedules: StrPath | None = None,
    state: StrPath | None = None,
    plugin_dirs: Sequence[StrPath] = (),
    *,
    strict: bool = False,
) -> Loaded:
    """Read `rotator.yaml` and every schedule. Raises `Invalid` with all that is wrong. Needs neither network nor secrets.

    `schedules`: left out, `schedules/` beside `rotator.yaml`; `state`: `var/` beside it. `strict`: warnings count as errors.
    """
    loaded = load_lenient(config_file, schedules, state, plugin_dirs)
    problems = [*loaded.problems, *(loaded.warnings if strict else ())]
    if problems:
        raise Invalid(problems)
    return loaded


def load_lenient(
    config_file: StrPath, schedules: StrPath | None = None, state: StrPath | None = None, plugin_dirs: Sequence[StrPath] = ()
) -> Loaded:
    """The same, but what is right is given back, with what is wrong in `problems`: one bad spec never stops the others.

    Raises `Invalid` where `rotator.yaml` itself cannot be used.
    """
    plugins.use(plugin_dirs)
    file = os.fspath(config_file)
    data = _read(file)
    if isinstance(data, Problem):
        raise Invalid([data])
    owned = read_owner(file, data, Path(state) if state is not None else None)
    folder = os.fspath(schedules) if schedules is not None else str(Path(file).parent / "schedules")
    files, problems, warnings = _files(folder)
    digest = hashlib.sha256()
    _digest(digest, file, data)
    if owned.config is None:
        raise Invalid(owned.notes.problems)
    reader = Reader(owned)
    read = [file]
    for each in files:
        text = _read(each)
        if isinstance(text, Problem):
            problems.append(text)
            continue
        read.append(each)
        _digest(digest, each, text)
        reader.read(each, Path(each).name, text)
    problems += [*owned.notes.problems, *(each for notes in reader.notes for each in notes.problems)]
    if owned.fatal:
        raise Invalid(problems)
    warnings += [*owned.warnings.problems, *(each for notes in reader.warnings for each in notes.problems)]
    config = replace(owned.config, sha256=digest.hexdigest())
    warnings += [_at_file(each, str(error)) for each, error in _loose([folder, *read])]
    warnings += _loose_secrets(config)
    return Loaded(config, reader.specs, tuple(warnings), tuple(problems), reader.left_out, (folder, *read))


def refuse_loose(loaded: Loaded) -> None:
    """Raises `Invalid` where others can change the files of the configuration."""
    if problems := [_at_file(each, str(error)) for each, error in _loose(loaded.files)]:
        raise Invalid(dict.fromkeys(problems))


def refuse_unready(loaded: Loaded, specs: Iterable[RotationSpec] | None = None) -> None:
    """What every command that acts looks at first: that others cannot change the files, and that each reference can be read.

    Raises `Invalid` with all that is wrong for these specs (None: for all). Keeps no secret.
    """
    problems = [_at_file(each, str(error)) for each, error in _loose(loaded.files)]
    config, revealer = loaded.config, Revealer(loaded.config)
    for section, entry in _used(config, loaded.specs if specs is None else specs):
        for ref in references(entry.settings):
            try:
                revealer.check(ref)
            except BadInput as error:
                problems.append(Problem(config.file, entry.line, f"{section}.{entry.name}", str(error)))
    if problems:
        raise Invalid(dict.fromkeys(problems))


def _used(config: Config, specs: Iterable[RotationSpec]) -> list[tuple[str, Connection]]:
    """The entries of the owner's that these specs need."""
    used = {}
    for spec in specs:
        used["connections", spec.connection.name] = config.connections[spec.connection.name]
        used["stores", spec.store.name] = config.stores[spec.store.name]
        for each in spec.places[1:]:
            used["destinations", each.by.name] = config.destinations[each.by.name]
        used |= {("reloads", each.name): config.reloads[each.name] for each in spec.reloads}
    return [(section, entry) for (section, _), entry in used.items()]


# ---- files


def _files(folder: str) -> tuple[list[str], list[Problem], list[Problem]]:
    """The schedule files of a directory by name; hidden ones are left alone, as editors and mounts make them."""
    try:
        names = sorted(each.name for each in Path(folder).iterdir() if not each.name.startswith("."))
    except OSError as error:
        return [], [_at_file(folder, f"the schedules cannot be read ({error.strerror}): give their directory with --schedules")], []
    odd = [_at_file(folder, "a file's name in here has unusual characters: rename it") for name in names if not name.isprintable()]
    folders = [name for name in names if _is(Path.is_dir, Path(folder, name))]
    warnings = [_at_file(str(Path(folder, name)), "directories in here are not read: move the files up") for name in folders]
    files = [str(Path(folder, name)) for name in names if name.endswith(SUFFIXES) and name not in folders and name.isprintable()]
    if not files:
        warnings.append(_at_file(folder, "there is no schedule in here: files are named *.yaml"))
    return files, odd, warnings


def _is(asked: Callable[[Path], bool], path: Path) -> bool:
    """The answer, or no where it cannot be had: a folder on the way that we may not enter (Python 3.11 raises there)."""
    try:
        return asked(path)
    except OSError:
        return False


def _read(path: str) -> bytes | Problem:
    """The content of a file, or why there is none. Never waits, as for a pipe."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - a descriptor, no path
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return _at_file(path, "this is no regular file")
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        advice = ": give another with --config, or make one with `rotator init`" if isinstance(error, FileNotFoundError) else ""
        return _at_file(path, f"this cannot be read ({error.strerror}){advice}")


def _digest(digest: hashlib._Hash, file: str, data: bytes) -> None:
    name = Path(file).name.encode("utf-8", "surrogateescape")
    digest.update(b"%d:%s%d:" % (len(name), name, len(data)))
    digest.update(data)


def _at_file(file: str, text: str) -> Problem:
    return Problem(file, 1, "", text)


def _loose(paths: Iterable[str]) -> list[tuple[str, BadInput]]:
    """Those that others could change."""
    found = []
    for path in paths:
        try:
            refuse_writable(path, "the configuration")
        except BadInput as error:
            found.append((path, error))
    return found


def _loose_secrets(config: Config) -> list[Problem]:
    """Secret files that are there, and that others could read."""
    revealer, found = Revealer(config), {}
    for entries in (config.connections, config.stores, config.destinations, config.reloads):
        for entry in entries.values():
            for ref in references(entry.settings):
                if isinstance(ref, FileRef) and _is(Path.exists, config.root / ref.file):
                    try:
                        revealer.check(ref)
                    except BadInput as error:
                        found[ref.file] = Problem(config.file, entry.line, entry.name, str(error))
    return list(found.values())
