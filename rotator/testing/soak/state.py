"""What has been proven so far at one commit: kept between calls, so that a soak goes on where the last one ended."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class State:
    """Counts of one commit."""

    commit: str
    next_seed: int = 0
    histories: int = 0
    runs: int = 0
    faults: int = 0
    by_shape: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    kills: str = ""
    """The last line of `make kill`."""
    tests: str = ""
    """The last line of `pytest -m soak`."""

    @staticmethod
    def of(path: Path, commit: str) -> State:
        """The state of this commit: what the file says, or a new one where it speaks of another."""
        if path.exists():
            found = State(**json.loads(path.read_text()))
            if found.commit == commit:
                return found
        return State(commit)

    def keep(self, path: Path) -> None:
        """Write it, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temp = path.with_suffix(".new")
        temp.write_text(json.dumps(asdict(self), indent=1))
        temp.replace(path)


def commit_of(root: Path) -> str:
    """The commit of a checkout, with a mark where files differ from it; RELIABILITY.md itself does not count."""
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    status = ["git", "status", "--porcelain", "--", ".", ":!RELIABILITY.md"]
    changed = subprocess.run(status, cwd=root, capture_output=True, text=True, check=True).stdout
    return f"{commit}, with changes" if changed.strip() else commit
