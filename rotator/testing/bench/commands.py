"""What the command line and an idle daemon cost."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from rotator.load import load
from rotator.wakes import INDEX, WakeIndex

ROTATOR = str(Path(sys.executable).parent / "rotator")
OWNER = """
version: 1
environment: bench
connections:
  pg: {type: postgres, host: 127.0.0.1, port: 1, admin: {username: rotator, password: {env: BENCH_ADMIN_PASSWORD}}, tls: off}
stores:
  local: {type: file, path: var/store, key: {file: var/store.key}}
audit: {ledger: "sqlite:///var/ledger.db", required: [ledger]}
"""


def _best(command: list[str], times: int) -> float:
    """Milliseconds: the best of so many."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - begun)
    return min(found) * 1000


def startup(times: int = 20) -> dict[str, Any]:
    """`--version` and `--help` over bare python, best of so many."""
    bare = _best([sys.executable, "-c", "pass"], times)
    over = {name: round(_best([ROTATOR, f"--{name}"], times) - bare, 1) for name in ("version", "help")}
    return {"name": "startup", "bare_python_ms": round(bare, 1), "version_over_ms": over["version"], "help_over_ms": over["help"]}


def big_site(folder: Path, specs: int, files: int) -> None:
    """So many specs in so many files."""
    (folder / "schedules").mkdir()
    (folder / "var").mkdir(mode=0o700)
    (folder / "rotator.yaml").write_text(OWNER)
    for number in range(files):
        items = "".join(
            f"  s{each:05d}:\n    target: {{type: postgres, connection: pg, dbname: app, username: u{each:05d}}}\n"
            f"    store: {{path: a/s{each:05d}}}\n    when: {{every: 30d}}\n"
            for each in range(number, specs, files)
        )
        text = f"version: 1\ndefaults: {{owner: bench, store: {{name: local}}}}\nrotations:\n{items}"
        (folder / f"schedules/{number:03d}.yaml").write_text(text)


def validate(specs: int = 10_000, files: int = 100) -> dict[str, Any]:
    """`validate` of so many specs: seconds, and the most memory."""
    folder = Path(tempfile.mkdtemp(prefix="rotator-bench-"))
    try:
        big_site(folder, specs, files)
        begun = time.perf_counter()
        process = subprocess.Popen([ROTATOR, "validate"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - begun
    finally:
        shutil.rmtree(folder)
    assert status == 0, status
    return {"name": "validate", "specs": specs, "files": files, "seconds": round(took, 2), "max_rss_mb": round(used.ru_maxrss / 1024)}


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_daemon(specs: int = 10_000, seconds: int = 120) -> dict[str, Any]:
    """A daemon with so many specs, none of which wakes meanwhile: part of a core, and PSS of all its processes."""
    folder = Path(tempfile.mkdtemp(prefix="rotator-bench-"))
    process = None
    try:
        big_site(folder, specs, 100)
        key = folder / "var/store.key"
        key.touch(mode=0o600)
        key.write_text("a" * 43 + "=")
        asleep(folder)
        environment = os.environ | {"BENCH_ADMIN_PASSWORD": "unused"}
        process = subprocess.Popen([ROTATOR, "--json", "daemon"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        while "daemon is ready" not in process.stderr.readline():
            assert process.poll() is None, "the daemon ended"
        time.sleep(3)
        family = _family(process.pid)
        before = sum(map(_cpu, family))
        time.sleep(seconds)
        family = _family(process.pid)
        used, pss = sum(map(_cpu, family)) - before, sum(map(_pss, family)) / 1024
    finally:
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait()
        shutil.rmtree(folder)
    percent = round(100 * used / seconds, 3)
    return {
        "name": "idle daemon",
        "specs": specs,
        "seconds": seconds,
        "percent_of_a_core": percent,
        "pss_mb": round(pss, 1),
        "processes": len(family),
    }


def asleep(folder: Path) -> None:
    """The wake index of a daemon that has looked at everything and found nothing due for a day."""
    loaded, now = load(folder / "rotator.yaml"), time.time()
    reloads = {name: each.settings for name, each in loaded.config.reloads.items()}
    with closing(WakeIndex(folder / "var" / INDEX)) as wakes:
        known = wakes.keep_only(loaded.specs, now, reloads)
        with wakes.transaction():
            for name, says in known.items():
                wakes.set(name, says, now + 86400, 0, now)


def peak_rss_mb() -> int:
    """The most memory of our children so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
