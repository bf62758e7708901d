"""The command as it is installed, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROTATOR = str(Path(sys.executable).with_name("rotator"))


def run(*args, cwd=None, **env):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ROTATOR_", "COVERAGE"))}
    return subprocess.run([ROTATOR, *map(str, args)], cwd=cwd, env=clean | env, capture_output=True, text=True, timeout=30, check=False)
