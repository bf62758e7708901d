"""`python -m rotator.testing.kill`: real SIGKILLs, at every boundary and at random moments, for seven shapes; then losses. `make kill`.

The work is cut into parts, each a process of its own with a server of its own. As many stories go on at once as there are processors;
the random kills and the losses, which wait more than they work, go on beside them. Progress is on stderr; the last line on stdout is
`kill: N kills, 0 violations`. Exit code 1 where a law was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rotator.testing.kill.boundaries import every_kill, stories_of
from rotator.testing.kill.lossy import lossy_rotations
from rotator.testing.kill.random_kills import random_kills
from rotator.testing.kill.stories import STORIES
from rotator.testing.processes import cpu_seconds, descendants
from rotator.testing.stands import STANDS, STORES, Stand

RANDOM_KILLS, LOSSY_ROTATIONS = 20, 10
QUICK = 2
"""With `--quick`: so many of each kind."""
RANDOM, LOSSY = "random", "lossy"
"""Parts that are no story."""
BESIDE = 2
"""Random kills and losses at once: they wait for graces and slots."""
AT_ONCE = 4
"""Stories of one part: the server is started once for them."""
SLOWEST = ("aws_iam_key", "http_token", "postgres alternating")
"""They begin first."""
MEMORY = Path("/dev/shm")
ROOM = 1 << 30
"""Bytes that must be free there. What a dead process has written is whole in memory as on a disk, and nothing is slower than a sync."""

GOING: list[subprocess.Popen[str]] = []
"""The processes of parts that have not ended."""
Part = tuple[str, list[str]]
"""A shape, and what is told of it."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress of a command


def parts_of(shapes: list[str], wanted: list[str] | None = None, *, long: bool = True) -> list[Part]:
    """What is to be done, the slowest first. `long`: also the random kills and the losses, for which one world lives through many runs."""
    parts: list[Part] = []
    for shape in sorted(shapes, key=lambda each: SLOWEST.index(each) if each in SLOWEST else len(SLOWEST)):
        told = [each for each in stories_of(STANDS[shape]) if not wanted or each in wanted]
        parts += [(shape, told[at : at + AT_ONCE]) for at in range(0, len(told), AT_ONCE)]
        parts += [(shape, [each]) for each in (RANDOM, LOSSY) if long and (not wanted or each in wanted)]
    return parts


class Teller:
    """Tells parts of one shape at its server."""

    def __init__(self, stand: Stand, folder: Path, given: argparse.Namespace) -> None:
        self.stand, self.folder, self.given = stand, folder, given
        self.lines: list[dict[str, Any]] = []

    def tell(self, what: str) -> None:
        """One story, or the random kills, or the losses; a line says what came of it."""
        begun, used = time.monotonic(), used_so_far()
        try:
            line = {RANDOM: self._random, LOSSY: self._lossy}.get(what, self._story)(what)
        except Exception as error:  # noqa: BLE001 - the other stories are told all the same
            traceback.print_exc()
            line = {"kills": 0, "about": "not told", "violations": [f"{self.stand.shape}: {what}: the proof itself failed: {error!r}"]}
        line |= {"shape": self.stand.shape, "what": what, "wall": time.monotonic() - begun, "cpu": used_so_far() - used}
        self.lines.append(line)
        _say(f"{line['shape']}: {what}: {line['about']}, {line['wall']:.0f} s, {line['cpu']:.0f} s of CPU {line['violations'] or ''}")

    def _story(self, name: str) -> dict[str, Any]:
        most = QUICK if self.given.quick else None
        told = every_kill(self.stand, self.folder / name, STORIES[name], most=most, all_moments=self.given.all)
        violations = [f"{name}: {each}" for each in told.violations]
        return {"kills": told.kills, "about": f"{told.kills} kills at {told.moments} moments", "violations": violations}

    def _random(self, name: str) -> dict[str, Any]:
        count = QUICK if self.given.quick else RANDOM_KILLS
        found = list(random_kills(self.stand, self.folder / name, self.given.seed, count))
        about = f"{count} kills, {found[-1][0]}"
        return {"kills": len(found) - 1, "about": about, "violations": [each for _, violations in found for each in violations]}

    def _lossy(self, name: str) -> dict[str, Any]:
        done = lossy_rotations(self.stand, self.folder / name, self.given.seed, QUICK if self.given.quick else LOSSY_ROTATIONS)
        lost = f"{done.requests} requests and {done.replies} replies of {done.sent} lost"
        return {"kills": 0, "about": f"{done.rotations} rotations in {done.runs} runs, {lost}", "violations": done.violations}


def used_so_far() -> float:
    """CPU seconds of this process and all below it."""
    ours = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in ours) + sum(cpu_seconds(each) for each in descendants(os.getpid()))


def _here(given: argparse.Namespace) -> int:
    """One part, in this process."""
    shape, *told = given.part
    with STANDS[shape]() as stand, STORES[given.store]() as stand.store, tempfile.TemporaryDirectory() as name:
        teller = Teller(stand, Path(name), given)
        for each in told:
            teller.tell(each)
    print(json.dumps(teller.lines))  # noqa: T201 - read by the process that started this one
    return 0


def _apart(part: Part, given: argparse.Namespace) -> list[dict[str, Any]]:
    """One part, in a process of its own."""
    shape, told = part
    flags = [f"--{each}" for each in ("quick", "all") if getattr(given, each)]
    same = ["--seed", str(given.seed), "--store", given.store, *flags]
    command = [sys.executable, "-m", "rotator.testing.kill", *same, "--part", shape, *told]
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM and os.access(MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(prefix="kill-", dir=MEMORY if roomy else None, ignore_cleanup_errors=True) as folder:
        environment = os.environ | {"TMPDIR": folder}  # what killed processes leave behind goes with it
        done = _answer(command, environment)
    if done.returncode != 0:
        trouble = f"{shape}: {', '.join(told)}: the proof itself ended with exit code {done.returncode}"
        return [{"shape": shape, "what": "", "kills": 0, "wall": 0.0, "cpu": 0.0, "violations": [trouble]}]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _answer(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What a part prints, and its exit code; an interrupt finds it among those that are going on."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as part:
        GOING.append(part)
        told, _ = part.communicate()
        GOING.remove(part)
    return subprocess.CompletedProcess(command, part.returncode, told)


def _tell_all(parts: list[Part], given: argparse.Namespace) -> list[dict[str, Any]]:
    """What came of all parts."""
    waiting = [each for each in parts if each[1][0] in (RANDOM, LOSSY)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as working, ThreadPoolExecutor(BESIDE) as beside:
        going = [beside.submit(_apart, each, given) for each in waiting]
        going += [working.submit(_apart, each, given) for each in parts if each not in waiting]
        try:
            return [line for each in going for line in each.result()]
        except BaseException:
            for each in going:
                each.cancel()
            for part in GOING:
                part.terminate()  # it stops its servers first
            raise


def _sum_up(lines: list[dict[str, Any]], wall: float) -> int:
    for shape in dict.fromkeys(each["shape"] for each in lines):
        own = [each for each in lines if each["shape"] == shape]
        _say(f"{shape}: {sum(each['kills'] for each in own)} kills, {sum(each['cpu'] for each in own):.0f} s of CPU")
    violations = [violation for each in lines for violation in each["violations"]]
    for each in violations:
        _say(each)
    _say(f"{wall:.0f} s, {sum(each['cpu'] for each in lines):.0f} s of CPU")
    print(f"kill: {sum(each['kills'] for each in lines)} kills, {len(violations)} violations")  # noqa: T201 - the result
    return 1 if violations else 0


def shapes_here(shapes: list[str] | None) -> list[str]:
    """The shapes that are asked for; without any, all whose server this machine has. Exits where one that is asked for is missing."""
    missing = {shape: why for shape in shapes or STANDS if (why := STANDS[shape].missing())}
    for shape, why in missing.items():
        _say(f"{shape}: left out; it needs {why}")
    if shapes and missing:
        sys.exit(2)
    return [each for each in shapes or STANDS if each not in missing]


def main() -> int:
    """Parse, run, tell."""
    parser = argparse.ArgumentParser(description="Real SIGKILLs at every boundary and at random moments.")
    parser.add_argument("--shapes", nargs="+", choices=STANDS, metavar="SHAPE", help=", ".join(STANDS))
    parser.add_argument(
        "--stories", nargs="+", choices=[*STORIES, RANDOM, LOSSY], metavar="STORY", help=", ".join([*STORIES, RANDOM, LOSSY])
    )
    parser.add_argument(
        "--store", choices=STORES, default="file", help="where records are kept: file, vault (OpenBao), aws_secrets_manager (moto)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="two kills of each kind")
    parser.add_argument("--all", action="store_true", help="also at moments that leave the same world behind as the one before")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if given.part:
        return _here(given)
    begun = time.monotonic()
    parts = parts_of(shapes_here(given.shapes), given.stories, long=not STORES[given.store].counted)
    lines = _tell_all(parts, given)
    return _sum_up(lines, time.monotonic() - begun)


if __name__ == "__main__":
    sys.exit(main())
