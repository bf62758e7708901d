"""A throwaway Redis: Debian's, on a free port of 127.0.0.1 and a socket, gone with its data when the `with` ends.

Started by root it runs as `redis` or `nobody`; no operating system user is made. Passwords are hashed here, so that no command of ours
but AUTH holds one. Every command is in its slow log.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rotator.model import Secret
from rotator.testing.servers.base import BARE, DatabaseServer, free_ports

ROOT = "root"
LEAST_RIGHTS = ("+acl|getuser", "+acl|setuser", "+acl|save", "+info")


def binary() -> Path | None:
    """The server's program."""
    found = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
    return Path(found) if found and shutil.which("redis-cli", path=BARE["PATH"]) else None


def sha256(password: Secret) -> str:
    """What an ACL keeps."""
    return hashlib.sha256(password.reveal().encode()).hexdigest()


class RedisServer(DatabaseServer):
    """A context manager. `settings` are lines of its configuration (`{"maxclients": "10"}`).

    `tls`: another port, `tls_port`, with a certificate for `localhost` and 127.0.0.1, by a CA of its own in `ca_file`. `acl_file`: users
    live there, and in the configuration else.
    """

    account, prefix = "redis", "rotator-redis-"

    def __init__(self, *, tls: bool = False, acl_file: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self._tls, self._acl_file, self._settings = tls, acl_file, dict(settings or {})
        self._root = Secret(secrets.token_hex(20))
        self.host, self.port, self.tls_port = "127.0.0.1", 0, 0

    # ---- life

    @property
    def socket_file(self) -> str:
        """Connects without TCP."""
        return str(self.base / "socket")

    @property
    def acl_file(self) -> Path:
        """Users, as they were saved."""
        return self.base / "users.acl"

    @property
    def config_file(self) -> Path:
        """What it starts with."""
        return self.base / "redis.conf"

    @property
    def log_file(self) -> Path:
        """What it says."""
        return self.base / "server.log"

    def _make(self) -> None:
        if binary() is None:
            raise RuntimeError("no Redis; install the package redis-server")
        self.port, self.tls_port = free_ports(2)
        users = [f"user {ROOT} on #{sha256(self._root)} ~* &* +@all", "user default off"]
        lines = {
            "port": str(self.port), "bind": "127.0.0.1", "unixsocket": self.socket_file, "dir": str(self.base), "save": '""',
            "logfile": str(self.log_file), "loglevel": "verbose", "slowlog-log-slower-than": "0", "slowlog-max-len": "100000",
            "enable-debug-command": "yes", **(self._tls_settings() if self._tls else {}), **self._settings,
        }  # fmt: skip
        if self._acl_file:
            self.acl_file.write_text("".join(f"{each}\n" for each in users))
            self._give(self.acl_file)
            lines["aclfile"] = str(self.acl_file)
        words = [f"{name} {value}" for name, value in lines.items()] + ([] if self._acl_file else users)
        self.config_file.write_text("".join(f"{each}\n" for each in words))
        self._give(self.config_file)

    def _tls_settings(self) -> dict[str, str]:
        key, certificate = self._certificates()
        files = {"tls-cert-file": str(certificate), "tls-key-file": str(key), "tls-ca-cert-file": str(self.ca_file)}
        return {"tls-port": str(self.tls_port), "tls-auth-clients": "no", **files}

    def start(self) -> None:
        """Start it on its port and wait until it answers; also after `stop`, with what was saved."""
        with (self.base / "output.log").open("ab") as log:
            self._process = subprocess.Popen([str(binary()), str(self.config_file)], stdout=log, stderr=log, **self._child())
        end = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                said = (self.log_file if self.log_file.exists() else self.base / "output.log").read_text()
                raise RuntimeError(f"Redis did not start: {said[-500:]}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            return self.logs_in(ROOT, self._root)
        except OSError:
            return False

    # ---- use

    def query(self, *words: str) -> Any:
        """Run a command as root, by the server's own client; what it answers. Raises `RuntimeError` with an error of the server's."""
        return self.queries(words)[0]

    def queries(self, *commands: tuple[str, ...]) -> list[Any]:
        """Several, by one client."""
        lines = [inline("AUTH", ROOT, self._root.reveal()), *(inline(*each) for each in commands)]
        done = subprocess.run(
            ["/usr/bin/redis-cli", "-s", self.socket_file, "--json"],
            input="".join(lines), capture_output=True, text=True, check=False, env=BARE, timeout=20,
        )  # fmt: skip
        answers = [each for each in done.stdout.splitlines() if each][1:]
        wrong = [each for each in answers if each.startswith("error:")]
        if wrong or len(answers) != len(commands):
            raise RuntimeError(f"Redis: {wrong or done.stderr}")
        return [json.loads(each) for each in answers]

    def create_user(self, name: str, password: Secret | None, *rules: str) -> None:
        """A user, saved; without a password nobody gets in."""
        hashes = [f"#{sha256(password)}"] if password else []
        self._change(("ACL", "SETUSER", name, "reset", "on", *hashes, *rules))

    def create_admin(self, name: str, password: Secret, *rules: str) -> None:
        """A user with the least rights to rotate others."""
        self.create_user(name, password, *LEAST_RIGHTS, *rules)

    def set_password(self, name: str, password: Secret) -> None:
        """As a human would do it, past us: the user has this password and no other."""
        self._change(("ACL", "SETUSER", name, "resetpass", f"#{sha256(password)}"))

    def add_password(self, name: str, password: Secret) -> None:
        """As a human would do it, past us: this password too."""
        self._change(("ACL", "SETUSER", name, f"#{sha256(password)}"))

    def alter(self, name: str, *rules: str) -> None:
        """Further rules for a user."""
        self._change(("ACL", "SETUSER", name, *rules))

    def drop(self, *names: str) -> None:
        """Users are gone."""
        self._change(("ACL", "DELUSER", *names))

    def _change(self, command: tuple[str, ...]) -> None:
        self.queries(command, *([("ACL", "SAVE")] if self._acl_file else []))

    def hashes(self, name: str) -> list[str]:
        """All that the server keeps as passwords of a user."""
        found = self.query("ACL", "GETUSER", name) or []
        passwords: list[str] = dict(zip(found[::2], found[1::2], strict=True)).get("passwords", [])
        return passwords

    def users(self) -> list[str]:
        """Every user, as the server has it now; the order of passwords means nothing."""
        return sorted(" ".join(sorted(each.split())) for each in self.query("ACL", "LIST"))

    def connect(self, name: str, password: Secret, *, ca: Path | None = None) -> tuple[socket.socket, str]:
        """An open connection, and what AUTH was answered. Raises `OSError` where nobody answers."""
        plain = socket.create_connection((self.host, self.tls_port if ca else self.port), timeout=10)
        opened = ssl.create_default_context(cafile=str(ca)).wrap_socket(plain, server_hostname=self.host) if ca else plain
        opened.sendall(inline("AUTH", name, password.reveal()).encode())
        said = opened.recv(4096).decode()
        if not said:
            opened.close()
            raise ConnectionResetError("the server hung up")
        return opened, said

    def logs_in(self, name: str, password: Secret) -> bool:
        """Whether this login works, asked without any of our own code. Raises `OSError` where the server does not answer."""
        opened, said = self.connect(name, password)
        opened.close()
        if not said.startswith(("+OK", "-WRONGPASS")):
            raise ConnectionError(f"neither yes nor no: {said.partition(' ')[0]}")
        return said.startswith("+OK")


def inline(*words: str) -> str:
    """A command as a line of text, every byte of it escaped: https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands"""
    return " ".join('"' + "".join(f"\\x{each:02x}" for each in word.encode()) + '"' for word in words) + "\r\n"
