"""`type: command`: a program of this machine, such as `systemctl reload billing`. Exit code 0 in time is `accepted`.

It is started without a shell and never sees a secret: its environment is PATH, HOME and LANG, and the ids ROTATOR_NAME and
ROTATOR_VERSION. What it prints goes nowhere. It has a session of its own, and what is left of its process group is killed when it ends,
or when its time is over; so it cannot start a daemon itself, but can ask the service manager to.
"""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from rotator.errors import BadInput
from rotator.files import refuse_writable
from rotator.program import environment, run_program
from rotator.reload import Denied, Finding, Level, Reached, Refused, Reload, Settings
from rotator.settings import Duration

NOT_EXECUTABLE = "give it a first line such as #!/bin/sh, and chmod +x"


def _argv(value: tuple[str, ...]) -> tuple[str, ...]:
    if any("\0" in each for each in value):
        raise ValueError("an argument holds no NUL")
    if not value[0] or ("/" in value[0] and not value[0].startswith("/")):
        raise ValueError("the program is an absolute path, or a name that is looked up in PATH")
    return value


class CommandSettings(Settings):
    """The program with its arguments, exactly as they are written: no shell reads them, and nothing is put into them."""

    argv: Annotated[tuple[str, ...], Field(min_length=1, max_length=64), AfterValidator(_argv)]
    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(seconds=60))] | None = None
    """Left out: `limits.call_timeout`."""


class Command(Reload[CommandSettings]):
    """Starts the program, and waits for its end."""

    settings = CommandSettings
    reaches = Reached.accepted

    @property
    def timeout(self) -> float:
        """Its own, or that of every call."""
        return self.config.timeout.total_seconds() if self.config.timeout else self.runtime.timeout

    def tell(self, name: str, version: str) -> Reached:
        """Run it once. Another exit code is `Refused`; one that does not end in time is killed, and `Unreachable`."""
        env = environment(ROTATOR_NAME=name, ROTATOR_VERSION=version)
        code, _ = run_program((self._program(), *self.config.argv[1:]), env=env, timeout=self.timeout * 0.95)
        return self._judged(code)

    def _judged(self, code: int) -> Reached:
        program = self.config.argv[0]
        if code < 0:
            raise Refused(f"{program} was ended by signal {-code}", "run it by hand, as the user that runs rotator", str(code))
        if code:
            raise Refused(f"{program} ended with exit code {code}", "run it by hand, as the user that runs rotator", str(code))
        return Reached.accepted

    def _program(self) -> str:
        program = self.config.argv[0]
        found = shutil.which(program, path=os.environ.get("PATH", os.defpath))
        if found is None:
            there = program.startswith("/") and os.path.exists(program)  # noqa: PTH110 - plain text, as YAML has it
            what = "is not executable for us" if there else "is not there" if "/" in program else "is not in PATH"
            raise Denied(f"the program {program} {what}", NOT_EXECUTABLE if there else "install it, or correct `argv` in rotator.yaml")
        return found

    def check(self) -> list[Finding]:
        """Whether it is there and executable, and who else could change it."""
        try:
            refuse_writable(os.path.realpath(self._program()), "the program of a reload")
        except Denied as error:
            return [Finding(Level.FAIL, "reload", error.what, error.fix)]
        except BadInput as error:
            return [Finding(Level.WARN, "reload", error.what, error.fix)]
        return []
