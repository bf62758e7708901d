"""What docs/getting-started.md shows works as it was copied, from an empty folder."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pages import DOCS, blocks, marked

PAGE = DOCS / "getting-started.md"
BIN = Path(sys.executable).parent
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith("ROTATOR_")}
ENVIRONMENT = CLEAN | {"PATH": f"{BIN}:{os.environ['PATH']}", "PG_ADMIN_PASSWORD": "nobody-is-asked-for-it"}


@pytest.fixture
def shell(tmp_path):
    """Types into a shell where the page's files are."""
    for each in blocks(PAGE):
        if each.marker.startswith("yaml: "):
            file = tmp_path / each.marker.removeprefix("yaml: ")
            file.parent.mkdir(exist_ok=True)
            file.write_text(each.text)

    def types(text):
        command = ["bash", "-euo", "pipefail", "-c", text]
        return subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)

    return types


def test_the_files_and_commands_of_the_page_make_a_store_that_takes_a_record(shell, tmp_path):
    made = shell(marked(PAGE, "getting-started: sh")[0].text)
    assert (made.returncode, made.stderr) == (0, "")
    asked = shell("rotator --json status")
    assert [each["state"] for each in json.loads(asked.stdout)["specs"]] == ["adopt"], asked.stderr
    private = [tmp_path / "var", *(tmp_path / "var").rglob("*")]
    assert len(private) == 5
    assert {stat.S_IMODE(each.stat().st_mode) & 0o077 for each in private} == {0}
