"""`python -m rotator.testing.kill`: real SIGKILLs, at every boundary and at random moments, for five shapes; then losses. `make kill`.

Each shape is a process of its own, two at a time. Progress is on stderr; the last line on stdout is `kill: N kills, 0 violations`.
Exit code 1 where a law was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rotator.testing.kill.boundaries import every_kill
from rotator.testing.kill.lossy import lossy_rotations
from rotator.testing.kill.random_kills import random_kills
from rotator.testing.stands import STANDS

RANDOM_KILLS, LOSSY_ROTATIONS = 20, 10
QUICK = 2
"""With `--quick`: so many of each kind."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress of a command


def one_shape(shape: str, seed: int, *, quick: bool) -> dict[str, object]:
    """All kills of one shape."""
    begun, kills, violations, places = time.monotonic(), 0, list[str](), set[str]()
    with STANDS[shape]() as stand, tempfile.TemporaryDirectory(prefix="kill-") as name:
        folder = Path(name)
        for story, where, found in every_kill(stand, folder, most=QUICK if quick else None):
            kills, violations = kills + bool(where), violations + found
            places.add(f"{story}: {where}")
            if found or not where:
                _say(f"{shape}: {story}: {kills} kills, {time.monotonic() - begun:.0f} s {found or ''}")
        for about, found in random_kills(stand, folder, seed, QUICK if quick else RANDOM_KILLS):
            kills, violations = kills + about.startswith("random"), violations + found
            if found or not about.startswith("random"):
                _say(f"{shape}: {about}: {kills} kills, {time.monotonic() - begun:.0f} s {found or ''}")
        losses = lossy_rotations(stand, folder / "lossy", seed, QUICK if quick else LOSSY_ROTATIONS)
    lost = f"{losses.requests} requests and {losses.replies} replies of {losses.sent} lost"
    _say(f"{shape}: {losses.rotations} rotations in {losses.runs} runs, {lost}, {time.monotonic() - begun:.0f} s {losses.violations or ''}")
    return {"shape": shape, "kills": kills, "boundaries": len(places), "violations": violations + losses.violations}


def _apart(shape: str, given: argparse.Namespace) -> dict[str, object]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "rotator.testing.kill", "--apart", "--shapes", shape, "--seed", str(given.seed)]
    done = subprocess.run([*command, *(["--quick"] if given.quick else [])], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        return {"shape": shape, "kills": 0, "violations": [f"{shape}: the proof itself ended with exit code {done.returncode}"]}
    found: dict[str, object] = json.loads(done.stdout)
    return found


def main() -> int:
    """Parse, run, tell."""
    parser = argparse.ArgumentParser(description="Real SIGKILLs at every boundary and at random moments.")
    parser.add_argument("--shapes", nargs="+", choices=STANDS, default=list(STANDS), metavar="SHAPE", help=", ".join(STANDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="two kills of each kind")
    parser.add_argument("--apart", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.apart:
        print(json.dumps(one_shape(given.shapes[0], given.seed, quick=given.quick)))  # noqa: T201 - read by the process above
        return 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = list(pool.map(lambda shape: _apart(shape, given), given.shapes))
    violations = [str(each) for result in results for each in result["violations"]]  # type: ignore[attr-defined]  # a list of texts
    for each in violations:
        _say(each)
    kills = sum(int(str(result["kills"])) for result in results)
    print(f"kill: {kills} kills, {len(violations)} violations")  # noqa: T201 - the result
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
