"""`rotator`, with runs that are killed at one of their effects: the same main, another worker. For proofs only.

    python -m rotator.testing.kill.main --kill-at 7 --when after -- --config rotator.yaml run orders-db
    python -m rotator.testing.kill.main --effect "set secret" -- run orders-db

The run ends by SIGKILL before or after its N-th effect (`--kill-at`, from 1), or the N-th whose name begins as `--effect` says
("set secret", "mint", "publish", "write record PROMOTE", "disable", "revoke" …). A run that has no such effect ends as always.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any

from rotator import runner
from rotator.cli import main as rotator
from rotator.testing.kill.worker import Kill, killed


class KillingRunner(runner.Runner):
    """The runner of the command line, with another worker."""

    kill: Kill

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, worker=partial(killed, kill=self.kill))


def main() -> int:
    """Parse what is ours, and hand the rest to the command line."""
    parser = argparse.ArgumentParser(description="rotator, with runs that are killed at one of their effects")
    parser.add_argument("--kill-at", type=int, default=1, metavar="N")
    parser.add_argument("--when", choices=("before", "after"), default="after")
    parser.add_argument("--effect", default="", metavar="NAME")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    KillingRunner.kill = Kill(given.kill_at, given.when, given.effect)
    runner.Runner = KillingRunner  # type: ignore[misc]  # the command line finds it here
    return rotator(given.command)


if __name__ == "__main__":
    sys.exit(main())
