#!/usr/bin/env python3
"""Try the built image against a real PostgreSQL: adopt, run, daemon, reload, stop, audit. As root: `.venv/bin/python deploy/try_image.py`.

The server is started here, on loopback with TLS. The image runs by buildah with chroot isolation, as its own user, with its own command;
it sees this machine's network. Everything lies in a temporary directory and is removed. Exit code 0: all that is said here was seen.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rotator.model import Secret
from rotator.testing.servers.postgres import PostgresServer

IMAGE = "localhost/rotator:latest"
UID = 10001
ENVIRONMENT = {**os.environ, "STORAGE_DRIVER": os.environ.get("STORAGE_DRIVER", "vfs"), "BUILDAH_ISOLATION": "chroot"}
PATIENCE = 60.0
"""Seconds for anything that happens by the clock."""
OWNER = """\
version: 1
environment: trial
connections:
  pg:
    type: postgres
    host: localhost
    port: {port}
    admin: {{username: postgres, password: {{file: admin}}}}
    tls: {{ca: /etc/rotator/ca.pem}}
    allow: {{schedules: [orders.yaml], principals: ["orders_*"], stores: ["local:orders/**"]}}
stores:
  local: {{type: file, path: /var/lib/rotator/store, key: {{file: store.key}}}}
policies:
  quick: {{max_age: 1h, max_grace: 10m, every: 15s, grace: 3s, soak: 0s, password: {{length: 32}}}}
audit: {{ledger: "sqlite:////var/lib/rotator/ledger.db", required: [ledger]}}
"""
TEAM = """\
version: 1
defaults: {owner: team-orders, policy: quick, store: {name: local}}
rotations:
  orders-db:
    target: {type: postgres, connection: pg, dbname: postgres, usernames: [orders_a, orders_b]}
    store: {path: orders/db}
"""


def buildah(*arguments: str) -> str:
    """One buildah command; what it printed."""
    return subprocess.run(["buildah", *arguments], env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603, S607 - a tool of the host, with words of our own


class Container:
    """The image, with a configuration and a state directory of this machine."""

    def __init__(self, config: Path, state: Path) -> None:
        self.name = buildah("from", "--pull-never", IMAGE)
        buildah("config", "--volume", "/var/lib/rotator-", self.name)  # else buildah now and then mounts its own volume over ours
        self.mounts = [f"--volume={config}:/etc/rotator:ro", f"--volume={state}:/var/lib/rotator"]

    def command(self, *arguments: str) -> list[str]:
        """How to run something in it."""
        return ["buildah", "run", *self.mounts, self.name, "--", *arguments]

    def rotator(self, *arguments: str, code: int = 0) -> str:
        """Run `rotator` with these arguments; stdout. Fails where the exit code is another."""
        done = subprocess.run(self.command("rotator", *arguments), env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603 - as above
        if done.returncode != code:
            raise SystemExit(f"rotator {' '.join(arguments)}: exit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def shown(self) -> dict[str, str]:
        """What consumers read."""
        values: dict[str, str] = json.loads(self.rotator("get", "orders-db"))
        return values


def secret_file(path: Path, text: str) -> None:
    """A file that the image's user alone may read."""
    path.write_text(text)
    path.chmod(0o600)
    os.chown(path, UID, UID)


def lay_out(place: Path, server: PostgresServer) -> tuple[Path, Path]:
    """Configuration and state directory."""
    config, state = place / "config", place / "state"
    (config / "schedules").mkdir(parents=True)
    state.mkdir(mode=0o700)
    os.chown(state, UID, UID)
    place.chmod(0o755)
    (config / "rotator.yaml").write_text(OWNER.format(port=server.port))
    (config / "schedules" / "orders.yaml").write_text(TEAM)
    shutil.copy(server.ca_file, config / "ca.pem")
    (config / "ca.pem").chmod(0o644)
    secret_file(config / "admin", server.password.reveal() + "\n")
    secret_file(config / "store.key", base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
    return config, state


def until(what: str, seen: object) -> None:
    """Wait until `seen()` is true; fails after `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    while not seen():  # type: ignore[operator]  # a callable
        if time.monotonic() > end:
            raise SystemExit(f"not seen within {PATIENCE:.0f} s: {what}")
        time.sleep(0.5)
    say(what)


def say(text: str) -> None:
    """Progress."""
    sys.stdout.write(f"seen: {text}\n")
    sys.stdout.flush()


def inner(pid: int) -> int:
    """The pid of the daemon itself, below the processes of buildah."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            found = int(child) if b"python" in words[0] and words[2:3] == [b"daemon"] else inner(int(child))
            if found:
                return found
    return 0


@contextmanager
def daemon(container: Container, log: Path) -> Iterator[int]:
    """The image's own command, in the background; its pid on this machine."""
    with log.open("wb") as out:
        process = subprocess.Popen(container.command("rotator", "daemon"), env=ENVIRONMENT, stdout=out, stderr=out)  # noqa: S603 - as above
        try:
            until("the health check passes", lambda: container_healthy(container))
            yield inner(process.pid)
            if process.wait(PATIENCE):
                raise SystemExit(f"the daemon ended with {process.returncode}\n{log.read_text()}")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE)


def container_healthy(container: Container) -> bool:
    """What HEALTHCHECK asks."""
    command = container.command("rotator", "daemon", "--healthy")
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False).returncode == 0  # noqa: S603 - as above


def one_shot(container: Container, server: PostgresServer) -> dict[str, str]:
    """Validate, adopt and run, each in a container process of its own."""
    container.rotator("validate", "--strict")
    store = "/var/lib/rotator/store"
    making = container.command("mkdir", "-p", "-m", "700", store, f"{store}/records", f"{store}/values")
    subprocess.run(making, env=ENVIRONMENT, check=True)  # noqa: S603 - as above
    container.rotator("adopt", "--new", "orders-db")
    first = container.shown()
    if not server.logs_in(first["username"], Secret(first["password"])):
        raise SystemExit("what consumers read does not log in")
    say(f"adopted: {first['username']} logs in with what `rotator get` shows")
    container.rotator("run", "--force", "--wait", "20s", "orders-db")
    second = container.shown()
    if second["username"] == first["username"] or not server.logs_in(second["username"], Secret(second["password"])):
        raise SystemExit("the run did not rotate")
    if server.logs_in(first["username"], Secret(first["password"])):
        raise SystemExit("the old credential lives")
    say(f"rotated: {second['username']} logs in, {first['username']} no longer does")
    return second


def by_the_clock(container: Container, config: Path, log: Path, before: dict[str, str]) -> None:
    """The daemon: rotates by itself, reloads, stops."""
    with daemon(container, log) as pid:
        until("the daemon rotated by the clock", lambda: container.shown()["password"] != before["password"])
        (config / "schedules" / "orders.yaml").write_text(TEAM + "  wrong: {}\n")
        os.kill(pid, signal.SIGHUP)
        until("SIGHUP: a wrong configuration was refused, the old one stays", lambda: "the old one stays" in log.read_text())
        (config / "schedules" / "orders.yaml").write_text(TEAM)
        os.kill(pid, signal.SIGHUP)
        until("SIGHUP: a valid one was taken", lambda: "configuration loaded" in log.read_text())
        os.kill(pid, signal.SIGTERM)
    say("SIGTERM: the daemon ended with exit code 0")


def main() -> int:
    """Everything, in order."""
    place = Path(tempfile.mkdtemp(prefix="rotator-image-"))
    container = None
    try:
        with PostgresServer(tls=True) as server:
            server.create_user("orders_a", None, "NOLOGIN")
            server.create_user("orders_b", None, "NOLOGIN")
            config, state = lay_out(place, server)
            container = Container(config, state)
            last = one_shot(container, server)
            by_the_clock(container, config, place / "daemon.log", last)
            container.rotator("audit", "verify")
            say("the audit chain is whole")
            if last["password"] in (place / "daemon.log").read_text():
                raise SystemExit("a password stands in the daemon's log")
    finally:
        if container is not None:
            buildah("rm", container.name)
        shutil.rmtree(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
