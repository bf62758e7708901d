"""A throwaway verdaccio, the real one: a private npm registry whose users mint tokens. npm installs it by `requirements/npm`'s lock."""

from __future__ import annotations

import base64
import fcntl
import json
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rotator.testing.servers.base import BARE, Server, free_ports

ROOT = Path(__file__).parents[4]
LOCK, FOLDER = ROOT / "requirements/npm", ROOT / "build/npm"
NODE = 20
"""The oldest Node.js that it runs on."""
PATIENCE = 60.0
"""Seconds for its start, and 240 for its installation: others may be using this machine."""

_CONFIG = {
    "storage": "./storage",
    "auth": {"htpasswd": {"file": "./htpasswd", "algorithm": "bcrypt", "rounds": 1}},
    "uplinks": {},
    "packages": {"**": {"access": "$authenticated", "publish": "$authenticated"}},
    "security": {"api": {"legacy": False, "jwt": {"sign": {"expiresIn": "30d"}}}},
    "userRateLimit": {"windowMs": 1000, "max": 100000},
    "log": {"type": "stdout", "format": "json", "level": "trace"},
    "web": {"enable": False},
}


def missing() -> str | None:
    """What it needs and this machine lacks; None: nothing."""
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            return f"verdaccio needs {command}, which is not installed"
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return (
        None if int(told.strip().lstrip("v").partition(".")[0]) >= NODE else f"verdaccio needs Node.js {NODE}, and this is {told.strip()}"
    )


def installed() -> Path:
    """Install what the lock names into `build/npm`, unless it is there. No script of a package is run. May be called twice."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".one-at-a-time").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, whole = (LOCK / "package-lock.json").read_bytes(), FOLDER / "node_modules/.package-lock.json"
        here = FOLDER / "package-lock.json"
        if not (whole.exists() and here.exists() and here.read_bytes() == wanted):
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(LOCK / name, FOLDER / name)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run(command, cwd=FOLDER, check=True, stdin=subprocess.DEVNULL, timeout=240)
    return FOLDER / "node_modules/verdaccio/bin/verdaccio"


class VerdaccioServer(Server):
    """verdaccio on a free port of 127.0.0.1, in a folder of its own. `passwords`: of each user."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}
        self.folder = Path()
        self.port = 0

    @property
    def url(self) -> str:
        """The `base_url` of a connection."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def written(self) -> str:
        """All that it wrote so far: its log at the level `trace`, and its files."""
        return "\n".join(each.read_text(errors="replace") for each in self.folder.rglob("*") if each.is_file())

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = installed()
        self.folder = Path(tempfile.mkdtemp(prefix="verdaccio-"))
        (self.port,) = free_ports(1)
        (self.folder / "config.yaml").write_text(json.dumps(_CONFIG))
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["node", str(program), "--config", "config.yaml", "--listen", f"127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**BARE, "PATH": f"{Path(shutil.which('node') or '').parent}:{BARE['PATH']}", "HOME": str(self.folder)},
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.call("GET", "/-/ping")
            except (URLError, ConnectionError):
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"verdaccio did not start:\n{(self.folder / 'log').read_text()[-2000:]}")

    def call(self, method: str, path: str, body: Any = None, *, login: str | None = None) -> Any:
        """One call of the API; the JSON of the answer. Raises `urllib.error.HTTPError`."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": login} if login else {})
        with urlopen(Request(self.url + path, method=method, data=data, headers=headers), timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def _as(self, user: str) -> str:
        return f"Basic {base64.b64encode(f'{user}:{self.passwords[user]}'.encode()).decode()}"

    def create_user(self, name: str) -> None:
        """A user with a password, and without a token that is listed."""
        self.passwords[name] = secrets.token_hex(16)
        self.call("PUT", f"/-/user/org.couchdb.user:{name}", {"name": name, "password": self.passwords[name]})

    def create_token(self, user: str) -> tuple[str, str]:
        """A token of that user: id and secret."""
        body = {"password": self.passwords[user], "readonly": False, "cidr_whitelist": []}
        made = self.call("POST", "/-/npm/v1/tokens", body, login=self._as(user))
        return made["key"], made["token"]

    def ids(self, user: str) -> list[str]:
        """Of all tokens that are listed."""
        return [each["key"] for each in self.call("GET", "/-/npm/v1/tokens", login=self._as(user))["objects"]]

    def works(self, user: str, token: str) -> bool:
        """Whether it is let in with this token as this user."""
        try:
            return bool(self.call("GET", "/-/whoami", login=f"Bearer {token}") == {"username": user})
        except HTTPError:
            return False

    def stop(self) -> None:
        """End it and remove its folder. May be called twice."""
        super().stop()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()
