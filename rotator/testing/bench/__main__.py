"""`python -m rotator.testing.bench [NAME]...`: prints one JSON line for each benchmark."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from rotator.testing.bench import aws, commands, rotations, vault


def main() -> None:
    """Run the benchmarks, or those that are named."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="startup, validate, rotation, due, vault, aws, daemon")
    parser.add_argument("--rotations", type=int, default=100)
    parser.add_argument("--due", type=int, default=1000)
    parser.add_argument("--idle", type=int, default=120, help="seconds")
    given = parser.parse_args()
    every: dict[str, Callable[[], dict[str, Any]]] = {
        "startup": commands.startup,
        "validate": commands.validate,
        "rotation": lambda: rotations.one_by_one(given.rotations),
        "due": lambda: rotations.many_due(given.due),
        "vault": vault.store_calls,
        "aws": aws.store_calls,
        "daemon": lambda: commands.idle_daemon(seconds=given.idle),
    }
    names = given.names or list(every)
    for name in names:
        if len(names) == 1:
            load, begun = os.getloadavg()[0], time.monotonic()
            figures = every[name]() | {"load_before": round(load, 2), "took_s": round(time.monotonic() - begun, 1)}
            sys.stdout.write(json.dumps(figures) + "\n")
        else:  # each in a process of its own: the server that runs are forked from keeps the environment that it was started with
            sizes = ["--rotations", str(given.rotations), "--due", str(given.due), "--idle", str(given.idle)]
            subprocess.run([sys.executable, "-m", "rotator.testing.bench", name, *sizes], check=True)


if __name__ == "__main__":
    main()
