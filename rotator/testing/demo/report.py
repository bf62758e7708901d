"""What the onlooker reads: acts, commands, and a tick or a cross for each check."""

from __future__ import annotations

from contextlib import suppress
from typing import TextIO


class Report:
    """Counts checks and prints as it goes; all that was printed stays in `text`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._acts = stream, 0
        self.passed = self.failed = 0
        self.text = ""

    def _line(self, line: str) -> None:
        self.text += f"{line}\n"
        encoding = self._stream.encoding or "ascii"
        with suppress(BrokenPipeError):  # the onlooker went away: what was begun is still cleaned up
            self._stream.write(f"{line}\n".encode(encoding, "replace").decode(encoding))
            self._stream.flush()

    def act(self, title: str) -> None:
        """A new chapter."""
        self._acts += 1
        self._line(f"\n{self._acts}. {title}")

    def say(self, text: str) -> None:
        """One line: what is done, or what came out."""
        self._line(f"   {text}")

    def check(self, fine: object, text: str, why: str = "") -> bool:
        """Count and show whether `text` is true; `why` explains a failure."""
        if fine:
            self.passed += 1
            self._line(f"   ✓ {text}")
        else:
            self.failed += 1
            self._line(f"   ✗ {text}")
            for line in why.splitlines():
                self._line(f"       {line}")
        return bool(fine)

    def end(self) -> int:
        """The last line; returns the exit code."""
        self._line(f"\ndemo: {self.passed} checks passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0
