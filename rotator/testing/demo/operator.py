"""The operator's hands: the real command line in child processes, each a session of its own, watched while it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotator.testing.demo.report import Report
from rotator.testing.demo.traces import Watch, members

LONGEST = 120.0
"""Seconds that one command may take."""
TICK = 0.05


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its JSON."""
        try:
            return json.loads(self.out)
        except ValueError:
            return {}

    @property
    def results(self) -> dict[str, Any]:
        """Of `run` and its kin: the result of each spec."""
        return {each["spec"]: each for each in self.document.get("results", [])}

    @property
    def why(self) -> str:
        """The end of what it said, for a failed check."""
        said = [f"exit code {self.code}", *self.out.splitlines()[-12:], *self.err.splitlines()[-12:]]
        return "\n".join(each for each in said if each.strip())


class Operator:
    """Types commands. What they print goes to files in `outputs`, all of it, the log at DEBUG."""

    def __init__(self, folder: Path, report: Report, watch: Watch) -> None:
        self.folder, self.outputs = folder, folder / "outputs"
        self._report, self._watch, self._count = report, watch, 0
        for each in (self.outputs, folder / "tmp"):
            each.mkdir(mode=0o700)

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        script = Path(sysconfig.get_path("scripts"), "rotator")
        start = [str(script)] if script.exists() else [sys.executable, "-c", "from rotator.cli import main; raise SystemExit(main())"]
        return [*start, *arguments]

    def _start(self, arguments: tuple[str, ...], given: str | None, shown: bool) -> tuple[subprocess.Popen[bytes], Path, Path]:
        if shown:
            self._report.say(f"$ rotator {' '.join(arguments)}".replace("--json ", ""))
        self._count += 1
        out, err = (self.outputs / f"{self._count:02}.{each}" for each in ("out", "err"))
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.folder / "tmp"),
            "ROTATOR_LOG_LEVEL": "debug",
        }
        with out.open("wb") as to, err.open("wb") as errors:
            process = subprocess.Popen(
                self._command(arguments),
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
                stdout=to,
                stderr=errors,
                start_new_session=True,
            )
        if given is not None and process.stdin is not None:
            process.stdin.write(given.encode())
            process.stdin.close()
        return process, out, err

    def __call__(self, *arguments: str, given: str | None = None, shown: bool = True) -> Done:
        """Run a command to its end. `given`: its standard input."""
        process, out, err = self._start(arguments, given, shown)
        end = time.monotonic() + LONGEST
        try:
            while process.poll() is None and time.monotonic() < end:
                self._watch.look(process.pid)
                time.sleep(TICK)
        finally:
            self._kill(process)  # where it hangs, or somebody interrupts us
        return Done(process.returncode, out.read_text(), err.read_text())

    def read(self, *arguments: str) -> Done:
        """A command whose output is a secret: it is kept nowhere."""
        process, out, err = self._start(arguments, None, shown=True)
        process.wait(timeout=LONGEST)
        done = Done(process.returncode, out.read_text(), err.read_text())
        out.unlink()
        return done

    def killed(self, *arguments: str, when: Callable[[], object]) -> bool:
        """Begin a command, and SIGKILL all of its processes as soon as `when` says so. False: it ended by itself."""
        process, _, _ = self._start(arguments, None, shown=True)
        end = time.monotonic() + LONGEST
        try:
            while process.poll() is None and time.monotonic() < end and not when():
                time.sleep(TICK / 5)
            self._watch.look(process.pid)
            alive = process.poll() is None
        finally:
            self._kill(process)
        return alive

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """The whole group, and wait until nothing of it is left. One that has ended by itself is left alone."""
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            process.wait()
        end = time.monotonic() + 10
        while members(process.pid) and time.monotonic() < end:
            time.sleep(TICK / 5)
