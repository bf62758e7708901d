"""The target of docs/writing-a-target.md as a drop-in beside a running Porter, and the commands that rotate it."""

import importlib.util
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from pages import DOCS, marked

TARGET = DOCS / "writing-a-target.md"
ROTATOR = str(Path(sys.executable).with_name("rotator"))
FIRST = {"username": "app", "password": "the-first-password-of-app"}
OTHER = {"other": "somebody-else-s-password"}
ADMIN = "the-token-of-porters-admin"


def plugins(folder, modules, pages):
    """A directory of plugins with these files, and the entry points as these pages write them."""
    for name, text in modules.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "entry_points.txt").write_text("".join(marked(page, "example: entry_points.txt")[0].text for page in pages))
    return folder


@contextmanager
def porter(folder):
    """The page's Porter, running."""
    file = folder / "porter.py"
    file.write_text(marked(TARGET, "write: tests/porter.py")[0].text)
    spec = importlib.util.spec_from_file_location("porter_of_the_page", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.Porter({"app": FIRST["password"], **OTHER}, {ADMIN: {"write"}}) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def rotator(folder, drop_in, *words, given=None, ends=0):
    """What a command prints, with `--json`, after it ended as it should."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ROTATOR_")} | {"PORTER_ADMIN_TOKEN": ADMIN}
    command = [ROTATOR, "--plugin-dir", str(drop_in), "--json", *words]
    done = subprocess.run(command, cwd=folder, env=clean, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ends, done.stdout + done.stderr
    return done.stdout
