"""`make teeth`: plant every mistake, one in each copy of the tree, and see that the test named for it fails.

The last line on stdout is `teeth: N killed, 0 survived`, exit 0; else what is amiss, exit 1. Progress is on stderr.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TextIO

from tests.teeth.jaws import REPORT, ROOT, Bite, Tooth, Verdict, bite, copy_tree, failures, last_words, pytest_in, teeth

PATIENCE = 180.0
"""Seconds for the tests of one mutant."""
PATIENCE_CLEAN = 900.0
"""Seconds for all of them on the unchanged tree."""


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make teeth", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="mutants at once")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORDS", help="those whose name or file holds one of these")
    parser.add_argument("--list", action="store_true", help="name them, and plant nothing")
    return parser.parse_args()


def say(words: str, to: TextIO = sys.stderr) -> None:
    """One line: progress, or the answer."""
    print(words, file=to, flush=True)


def sound(clean: Path, chosen: Sequence[Tooth], jobs: int) -> bool:
    """The same tests pass on the unchanged tree; without that a failure would say nothing."""
    tests = list(dict.fromkeys(each for tooth in chosen for each in tooth.tests))
    say(f"{len(tests)} tests on the unchanged tree")
    code = pytest_in(clean, tests, PATIENCE_CLEAN, "-n", str(jobs), "--dist", "loadgroup")
    if code == 1:
        for test, message in failures(clean / REPORT):
            say(f"  {test}: {message.splitlines()[0]}")
    elif code:
        say(f"  pytest could not run them (exit {code}): {last_words(clean)}")
    return code == 0


def told(one: Bite, number: int, of: int) -> str:
    """A mutant in one line."""
    tooth = one.tooth
    return f"[{number}/{of}] {one.verdict}: {tooth.name} [{tooth.law}] {one.why} {one.seconds:.1f} s"


def bitten(chosen: Sequence[Tooth], folder: Path, jobs: int) -> Counter[Verdict]:
    """Plant them, so many at once."""
    count: Counter[Verdict] = Counter()
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(bite, each, folder / "clean", folder / str(n), PATIENCE) for n, each in enumerate(chosen)]
        for number, done in enumerate(as_completed(waiting), 1):
            one = done.result()
            count[one.verdict] += 1
            say(told(one, number, len(chosen)))
    return count


def main() -> int:
    """Run, and say how it ended."""
    given = asked()
    chosen = [each for each in teeth() if not given.only or any(words in f"{each.name} {each.file}" for words in given.only)]
    if given.list:
        say("\n".join(f"{each.file}: {each.name} [{each.law}]" for each in chosen), sys.stdout)
        return 0
    with tempfile.TemporaryDirectory(prefix="teeth-", ignore_cleanup_errors=True) as folder:
        clean = Path(folder) / "clean"
        copy_tree(ROOT, clean)
        if not sound(clean, chosen, given.jobs):
            say("teeth: the tests do not pass on the unchanged tree; nothing was planted", sys.stdout)
            return 1
        count = bitten(chosen, Path(folder), given.jobs)
    killed, survived, broken = (count[each] for each in Verdict)
    say(f"teeth: {killed} killed, {survived} survived{f', {broken} broken' if broken else ''}", sys.stdout)
    return 0 if killed and not survived and not broken else 1


if __name__ == "__main__":
    sys.exit(main())
