"""`python -m rotator.testing.soak`: hundreds of thousands of random histories, every kill, and the slow tests. `make soak`.

It may be interrupted, and goes on where it ended, as long as nothing that a history runs has changed: the count stands in
docs/reliability.json. A call takes an hour and a half at most: what does not fit in is left for the next one. Parts that wait for servers
may be told beside histories, by a second call. Progress is on stderr; it writes RELIABILITY.md. Exit code 1 where a law was broken.
"""

from __future__ import annotations

import argparse
import gc
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from rotator.rotate import door
from rotator.testing import memory_ledger
from rotator.testing.histories import draw, less, tell
from rotator.testing.lab import as_objects
from rotator.testing.memory_ledger import numbering
from rotator.testing.shrink import shorter
from rotator.testing.soak.cores import stay
from rotator.testing.soak.report import report
from rotator.testing.soak.state import BAD, State, code_of, commit_of, interpreter

ROOT = Path.cwd()
KEPT = ROOT / "docs" / "reliability.json"
CHUNK, ROUND = 20, 25
"""Histories of one piece of work, and how many of those a process gets in one round. At the end of a round all wait for the last piece:
small ones idle less."""
KILL, CORE = ["-m", "rotator.testing.kill"], ["--shapes", "postgres in place", "postgres alternating", "aws_iam_key", "http_token"]
PARTS = {
    "kills": KILL,
    "kills, records in OpenBao": [*KILL, "--store", "vault", *CORE],
    "kills, records in Secrets Manager": [*KILL, "--store", "aws_secrets_manager", *CORE],
    "histories astray": ["-m", "rotator.testing.astray"],
    "tests": ["-m", "pytest", "-m", "soak", "-q"],
}
"""The proofs that are told as a whole, by their names. With records at a server: the shapes of the core."""
LONGEST = 25 * 60.0
"""Seconds of the longest part: none begins with less than this left."""
TAIL = 60
"""Lines that are shown of a part that ended badly."""
GARBAGE = 100_000
"""Objects made between two looks for garbage: a twentieth of the time is saved."""


def prepare(begun: Synchronized[int]) -> None:
    """Make this process one for many histories, the next of those that have begun."""
    with begun.get_lock():
        begun.value, mine = begun.value + 1, begun.value
    stay(mine)
    if hasattr(gc, "set_threshold"):  # PyPy looks for garbage in its own way
        gc.set_threshold(GARBAGE)
    numbered = numbering()
    for module in (door, memory_ledger):
        vars(module)["link"] = numbered
    vars(door)["_ts"] = str  # a sixth of the time of PyPy, whose calendar is pure Python


def workers(processes: int) -> ProcessPoolExecutor:
    """So many processes for many histories, one core for each; to be used as a context."""
    return ProcessPoolExecutor(processes, initializer=prepare, initargs=(multiprocessing.Value("i", 0),))


def chunk(first: int, number: int) -> State:
    """Tell so many histories; what was found."""
    found, shapes, ends = State(""), Counter[str](), Counter[str]()
    for seed in range(first, first + number):
        history = draw(random.Random(seed))  # the same seed is the same history
        told = tell(history, as_objects())
        shapes[history.shape] += 1
        ends.update(told.ends)
        found.runs, found.faults = found.runs + told.runs, found.faults + told.faults
        if told.violations:
            least = shorter(history, lambda each: bool(tell(each, as_objects()).violations), less)
            found.violations.append(f"seed {seed}: {told.violations[0]}: {least.line()}")
    found.by_shape, found.ends = dict(shapes), dict(ends)
    return found


def add(state: State, found: State, count: int) -> None:
    """Count a piece of work."""
    state.histories, state.runs, state.faults = state.histories + count, state.runs + found.runs, state.faults + found.faults
    state.by_shape = dict(Counter(state.by_shape) + Counter(found.by_shape))
    state.ends = dict(Counter(state.ends) + Counter(found.ends))
    state.interpreters = dict(Counter(state.interpreters) + Counter({interpreter(): count}))
    state.violations += found.violations


def histories(state: State, count: int, until: float, processes: int) -> None:
    """Tell so many more, by so many processes, until then at most. What is counted is kept after each round of some ten seconds."""
    begun, last = time.monotonic(), state.next_seed + count
    with workers(processes) as pool:
        while state.next_seed < last and time.monotonic() < until:
            round_end = min(last, state.next_seed + ROUND * CHUNK * processes)
            firsts = range(state.next_seed, round_end, CHUNK)
            counts = [min(CHUNK, round_end - each) for each in firsts]
            for number, found in zip(counts, pool.map(chunk, firsts, counts), strict=True):
                add(state, found, number)
            state.next_seed = round_end
            state.keep(KEPT)
            took = time.monotonic() - begun
            _say(f"{state.histories:,} histories, {state.faults:,} faults, {len(state.violations)} violations, {took:.0f} s")


def _last_line(command: list[str]) -> tuple[str, int]:
    """The last line of what a command prints, and its exit code; its progress is ours. Where it failed the end of it is shown."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as part:
        try:
            told, _ = part.communicate()
        except BaseException:
            part.terminate()  # it stops its servers first
            raise
    if part.returncode:
        _say("\n".join(told.splitlines()[-TAIL:]))
    lines = [each.strip("= \n") for each in told.splitlines() if each.strip()]
    return lines[-1] if lines else "nothing was printed", part.returncode


def tell_parts(state: State, names: Iterable[str], until: float = math.inf) -> int:
    """Tell these parts, but for those that ended well on this code, while there is time; each is kept as it ends. How many ended badly."""
    bad = 0
    for name in names:
        if name in state.parts and not state.parts[name].startswith(BAD):
            continue
        if time.monotonic() > until - LONGEST:
            _say(f"{name}: left for the next call")
            continue
        line, code = _last_line(PARTS[name])
        bad += code != 0
        state.parts[name] = f"{BAD if code else ''}{line} (at commit {state.commit})"
        state.keep(KEPT)
        _say(f"{name}: {state.parts[name]}")
    return bad


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress of a command


def main() -> int:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, default=85.0, help="at most for this call")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="that tell histories; as many as there are cores")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="what else is told, if it was not on this code")
    parser.add_argument("--seed", type=int, help="tell the history of this seed alone, and print it")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if given.seed is not None:
        told = chunk(given.seed, 1)
        _say(draw(random.Random(given.seed)).line())
        print(f"{told.runs} runs, {told.faults} faults, violations: {told.violations or 'none'}")  # noqa: T201 - the result
        return 1 if told.violations else 0
    until = time.monotonic() + given.minutes * 60
    state = State.of(KEPT, code_of())
    state.commit = commit_of(ROOT)
    bad = tell_parts(state, given.parts, until)
    histories(state, given.histories, until, given.processes)
    (ROOT / "RELIABILITY.md").write_text(report(state, PARTS))
    parts = "; ".join(f"{name}: {line}" for name, line in state.parts.items())
    print(f"soak: {state.histories} histories, {len(state.violations)} violations; {parts}")  # noqa: T201 - the result
    return 1 if bad or state.violations else 0


if __name__ == "__main__":
    sys.exit(main())
