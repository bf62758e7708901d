"""The destination `exec`: two programs of the machine's owner, one that writes a place and one that reads it as consumers do.

    destinations:
      legacy-app: {type: exec, write: [/opt/rotation/write-legacy], read: [/opt/rotation/read-legacy]}

and in a schedule `publish: [{destination: legacy-app, path: billing, keys: {db_password: password}}]`.

`write` gets a JSON object on stdin, name -> value, and must show consumers all of it or nothing; called twice with the same it changes
nothing. `read` prints a JSON object of what consumers see now, `{}` where that is nothing. Secrets travel by these pipes alone: never as
an argument, never in the environment. That holds `PATH`, `HOME`, `LANG`, and `ROTATOR_PLACE` (the `path` of the schedule); for `write`
also `ROTATOR_VERSION` and `ROTATOR_GENERATION`. stderr goes nowhere, for it might hold a secret.

Exit codes (of sysexits.h): 0 done; 65 refused, such as a generation lower than the one that is there; 77 a right is missing; 78 wrongly
configured. With 65, 77 and 78 it promises that nothing was changed. Any other, and a program that is killed because it does not end in
time, may have changed something: the next run looks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from shlex import quote
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from rotator.destination import Denied, Destination, Finding, Level, Place, PortError, Refused, Secret, Settings, Unreachable
from rotator.destinations.trusted import refuse_changeable
from rotator.errors import BadInput
from rotator.program import environment, run_program
from rotator.values import refuse_unfit

MOST = 1 << 20
"""Bytes that `read` may print."""
REFUSED, NO_RIGHT, CONFIGURATION = 65, 77, 78

Argv = Annotated[list[Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]], Field(min_length=1, max_length=64)]
"""A program by its whole path, and its arguments. No shell reads them, and nothing is filled in."""


class ExecSettings(Settings):
    """`type: exec` in rotator.yaml."""

    write: Argv
    read: Argv

    @model_validator(mode="after")
    def _whole_paths(self) -> Self:
        if not all(os.path.isabs(each[0]) for each in (self.write, self.read)):  # noqa: PTH117 - plain text
            raise ValueError("name each program by its whole path: /opt/...")
        return self


class Exec(Destination[ExecSettings]):
    """Whatever the two programs reach. What `path` means is theirs to say."""

    settings = ExecSettings
    by_path = True

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """Run `write`. Whether consumers see it, `published` tells."""
        refuse_unfit(values)
        text = json.dumps({key: each.reveal() for key, each in values.items()})
        self._run(self.config.write, place, text.encode(), ROTATOR_VERSION=version, ROTATOR_GENERATION=str(generation))

    def published(self, place: Place) -> Mapping[str, Secret]:
        """Run `read`; without `keys` all that it prints. Empty texts and null are blanks to fill in, and not set."""
        found = _members(self._run(self.config.read, place, None))
        name = self.config.read[0]
        if found is None:
            raise Unreachable(f"{name}: what it printed is not one JSON object", "let it print {} where nothing is there, and nothing else")
        ours = {key: value for key, value in found.items() if not place.keys or key in place.keys}
        wrong = [key for key, value in ours.items() if value is not None and not isinstance(value, str)]
        if wrong:
            raise Unreachable(f"{name}: {wrong[0]!r} in what it printed is no text", "let it print texts, as consumers get them")
        return {key: Secret(value) for key, value in ours.items() if value}

    def check(self) -> list[Finding]:
        """Whether both programs are there, and whether others could change them. Neither is run."""
        return list(_findings([self.config.write, self.config.read]))

    def _run(self, argv: list[str], place: Place, text: bytes | None, **more: str) -> bytes:
        name = argv[0]
        _refuse_loose(argv)
        env = environment(ROTATOR_PLACE=place.path, **more)
        code, told = run_program(argv, stdin=text, env=env, timeout=self.runtime.timeout * 0.9, limit=MOST)
        if code == 0:
            return told
        if code == REFUSED:
            raise Refused(
                f"{name}: it refused (exit {code})", "was a later version published, or is it a value that it cannot take?", str(code)
            )
        if code in (NO_RIGHT, CONFIGURATION):
            why = "a right is missing" if code == NO_RIGHT else "it is wrongly configured"
            raise Denied(f"{name}: {why} (exit {code})", "run it by hand, as the user that runs rotator: it says what", str(code))
        how = f"exit {code}" if code > 0 else f"signal {-code}"
        raise Unreachable(f"{name}: it failed ({how})", "run it by hand, as the user that runs rotator", str(code))


def _refuse_loose(argv: Sequence[str]) -> None:
    """Whoever can change the program, or a script among its arguments, gets every secret: refused before it is run."""
    try:
        refuse_changeable(argv[0], "the program")
        for each in argv[1:]:
            if os.path.isabs(each) and os.path.isfile(each):  # noqa: PTH113, PTH117 - plain text
                refuse_changeable(each, f"the argument of {argv[0]}, which may be a script,")
    except BadInput as error:
        found = Denied(error.what, error.fix)
    else:
        return
    raise found


def _findings(programs: Iterable[Sequence[str]]) -> Iterable[Finding]:
    for argv in dict.fromkeys(map(tuple, programs)):
        try:
            _refuse_loose(argv)
        except PortError as error:
            yield Finding(Level.FAIL, "place.missing", error.what, error.fix)
            continue
        if not os.access(argv[0], os.X_OK):
            yield Finding(Level.FAIL, "privilege.missing", f"{argv[0]} may not be run by this user", f"chmod +x {quote(argv[0])}")


def _members(text: bytes) -> dict[str, Any] | None:
    """The members of a JSON object; None where it is none, or one of them stands twice. Said out here: a parser's error holds the text."""
    try:
        found = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    pairs = found if isinstance(found, list) and all(isinstance(each, tuple) for each in found) else None
    if pairs is None or (not pairs and not text.lstrip().startswith(b"{")) or len(dict(pairs)) < len(pairs):
        return None
    return dict(pairs)
