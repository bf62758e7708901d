"""What has been proven so far of one state of the code: kept between calls, so that a soak goes on where the last one ended."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BAD = "NOT GOOD: "
"""Before the line of a part that did not end well."""


@dataclass
class State:
    """Counts of one state of the code."""

    code: str
    """Of all that a history runs: see `code_of`."""
    commit: str = ""
    """The last one at which histories were told."""
    first_seed: int = 0
    next_seed: int = 0
    histories: int = 0
    runs: int = 0
    faults: int = 0
    by_shape: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    interpreters: dict[str, int] = field(default_factory=dict)
    """Histories by what has told them: the code is the same, the interpreter need not be."""
    violations: list[str] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    """The last line of each proof that is told as a whole, by its name: those that ended well are not told again on this code."""
    earlier: list[dict[str, Any]] = field(default_factory=list)
    """Of each state of the code before this one: `code`, `commit`, `histories`, `faults`, how many `violations`, and `parts`."""

    @staticmethod
    def of(path: Path, code: str) -> State:
        """What the file says of this code. Where it speaks of another: a new state, which begins with seeds that were not told there."""
        if path.exists():
            found: dict[str, Any] = json.loads(path.read_text())
            if found.get("code") == code:
                return State(**found)
            return State(code, first_seed=found["next_seed"], next_seed=found["next_seed"], earlier=_with(found))
        return State(code)

    def keep(self, path: Path) -> None:
        """Write it, whole or not at all, with what another call has told meanwhile: parts may be told beside histories."""
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            self._take(State.of(path, self.code))
            temp = path.with_suffix(".new")
            temp.write_text(json.dumps(asdict(self), indent=1) + "\n")
            temp.replace(path)
        finally:
            os.close(folder)

    def _take(self, beside: State) -> None:
        """What another call has told of the same code: more histories, and parts, of which one that ended well counts."""
        mine = {name for name, line in self.parts.items() if not line.startswith(BAD) or beside.parts.get(name, BAD).startswith(BAD)}
        parts = {**beside.parts, **{name: self.parts[name] for name in mine}}
        if beside.next_seed > self.next_seed:
            vars(self).update(vars(beside))
        self.parts = parts


def _with(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What was told of earlier states, and of this one, which is one now."""
    told = {name: found.get(name) for name in ("code", "commit", "histories", "faults", "parts")} | {"violations": len(found["violations"])}
    return [*found.get("earlier", ()), *([told] if found["histories"] else [])]


def interpreter() -> str:
    """What tells histories here, with its own version. The code is pure Python: PyPy, which compiles as it goes, tells the same days."""
    return f"{platform.python_implementation()} {'.'.join(str(each) for each in sys.implementation.version[:3])}"


def code_of() -> str:
    """A hash of every module of ours that is loaded: once a history can be told, all that it runs. A change elsewhere voids nothing."""
    whole = hashlib.sha256()
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] == "rotator" and not name.startswith("rotator.testing.soak"):
            whole.update(f"{name}\n".encode())
            whole.update(Path(str(module.__file__)).read_bytes())
    return whole.hexdigest()[:16]


def commit_of(root: Path) -> str:
    """The commit of a checkout, with a mark where files differ from it; what a soak itself writes does not count."""
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    status = ["git", "status", "--porcelain", "--", ".", ":!RELIABILITY.md", ":!docs/reliability.json"]
    changed = subprocess.run(status, cwd=root, capture_output=True, text=True, check=True).stdout
    return f"{commit}, with changes" if changed.strip() else commit
