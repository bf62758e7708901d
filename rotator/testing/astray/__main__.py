"""`python -m rotator.testing.astray`: as many as are asked for, on every core."""

from __future__ import annotations

import argparse
import os
import sys

from rotator.testing.astray.teller import broken
from rotator.testing.soak.__main__ import workers


def main() -> int:
    """Parse, tell, say."""
    parser = argparse.ArgumentParser(prog="astray", description=__doc__)
    parser.add_argument("--histories", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    with workers(os.cpu_count() or 1) as pool:
        seeds = range(given.first, given.first + given.histories)
        found = [each for each in pool.map(broken, seeds, chunksize=20) if each]
    for each in found:
        print(each, file=sys.stderr)  # noqa: T201 - progress of a command
    print(f"astray: {given.histories} histories, {len(found)} violations")  # noqa: T201 - the result
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
