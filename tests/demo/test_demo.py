"""The demo, as `make demo` runs it: in a process of its own, to its last line."""

import subprocess
import sys

import pytest

LONGEST = 300
"""Seconds; on two idle cores it takes one minute."""


@pytest.mark.soak  # `.ci/run` runs `make demo` itself
@pytest.mark.skipif(sys.platform != "linux", reason="it looks for what is left behind in /proc")
def test_the_demo_passes_every_check_and_leaves_nothing_behind(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "rotator.testing.demo"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        encoding="utf-8",
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8", "TMPDIR": str(tmp_path)},
        timeout=LONGEST,
    )
    *told, last = done.stdout.splitlines()
    failed = [line for line in told if "✗" in line]
    assert (done.returncode, failed) == (0, []), done.stdout + done.stderr
    passed = sum(line.startswith("   ✓ ") for line in told)
    assert last == f"demo: {passed} checks passed, 0 failed"
    assert passed > 80
    assert list(tmp_path.iterdir()) == []


def test_an_option_that_nobody_knows_is_refused_before_anything_starts(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "rotator.testing.demo", "--hurry"], capture_output=True, check=False, cwd=tmp_path, encoding="utf-8"
    )
    assert done.returncode == 2
    assert "--keep" in done.stderr
