"""What must not be left behind: secrets where they do not belong, processes, users of the operating system, files."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from pathlib import Path

from rotator.model import Secret
from rotator.testing.canary import Canary, Hit
from rotator.testing.demo.stage import Stage
from rotator.testing.sweep import scan

SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER (prctl(2)): orphans become our children, so that none can hide."""
PROC = Path("/proc")
BELONGS = ("*/app/*", "*/admin/*", "*/var/store.key")
"""Where secrets stand by design: the application's file, the operator's own."""

REPLIES = {
    "access_key_id": rb"<AccessKeyId>([^<]+)",
    "secret_access_key": rb"<SecretAccessKey>([^<]+)",
    "secret": rb'"token": *"([^"]+)"',
}
"""What stands in the answer to a mint."""


def members(session: int) -> list[int]:
    """Living processes of a session; orphans of it that ended and became ours are reaped on the way, its leader is not."""
    found = []
    for each in PROC.glob("[0-9]*"):
        try:
            state, _, _, of = (each / "stat").read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(of) == session:
            pid = int(each.name)
            found += [] if state == "Z" and (pid == session or _ended(pid)) else [pid]
    return found


class Watch:
    """Arguments and environments of the commands' processes, as other users of this machine could see them (Linux)."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    def look(self, session: int) -> None:
        """Remember what is there now."""
        for pid in members(session):
            for name in ("cmdline", "environ"):
                try:
                    self.seen.add((PROC / str(pid) / name).read_bytes())
                except OSError:  # it ended; or it is one of ours that hold secrets, which nobody may look into
                    continue


class Before:
    """How the machine was. Made at the very beginning."""

    def __init__(self) -> None:
        self._users = _users()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)

    def left(self, *folders: Path) -> list[str]:
        """What is there now and was not: processes of ours, users, these folders. Empty: nothing."""
        processes = [f"process {pid} (killed now)" for pid in _children()]
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        users = [f"user {each}" for each in sorted(_users() - self._users)]
        return [*processes, *users, *(str(each) for each in folders if each.exists())]


def _users() -> set[str]:
    return set(Path("/etc/passwd").read_text().splitlines())


def _children() -> list[int]:
    """Our children that still run; those that ended are reaped."""
    found: list[int] = []
    for each in PROC.glob("self/task/*/children"):
        found += [int(pid) for pid in each.read_text().split()]
    return [pid for pid in found if not _ended(pid)]


def _ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def lost(canary: Canary, reply: bytes) -> dict[str, str]:
    """The new secret in a provider's reply that reached nobody, as a human would write it for `rotator adopt`; empty: there is none."""
    found = {name: re.search(pattern, reply) for name, pattern in REPLIES.items()}
    values = {name: match[1].decode() for name, match in found.items() if match}
    for name in values.keys() & {"secret", "secret_access_key"}:
        canary.register(Secret(values[name]))
    return values


def leaks(stage: Stage, printed: str, watch: Watch) -> list[Hit]:
    """Every secret of the demo that stands where it does not belong."""
    hits = scan(stage.canary, stage.folder, stage.postgres.log_file, but=BELONGS)
    hits += stage.canary.search(stage.hub.log, "the hub's log")
    hits += stage.canary.search(printed, "the demo's own output")
    return hits + [hit for each in sorted(watch.seen) for hit in stage.canary.search(each, "arguments and environment of processes")]
