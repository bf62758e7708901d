"""A throwaway MariaDB: Debian's, on a free port of 127.0.0.1 and a socket, gone with its data when the `with` ends.

Started by root it runs as `mysql` or `nobody`; no operating system user is made. Passwords are hashed here, so that its general log,
which is on, never sees one from us.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rotator.model import Secret
from rotator.testing.servers.base import BARE, DatabaseServer, free_ports

ROOT = "root"


def binary() -> Path | None:
    """The server's program."""
    found = shutil.which("mariadbd", path="/usr/sbin:/usr/libexec:/usr/bin")
    return Path(found) if found else None


def native(password: Secret) -> str:
    """What `mysql_native_password` stores: SHA-1 of SHA-1."""
    return "*" + hashlib.sha1(hashlib.sha1(password.reveal().encode()).digest()).hexdigest().upper()


class MariaDbServer(DatabaseServer):
    """A context manager. `settings` are server settings (`{"max_connections": "10"}`).

    `tls`: a certificate for `localhost` and 127.0.0.1, by a CA of its own in `ca_file`; plain connections still work.
    """

    account, prefix = "mysql", "rotator-maria-"

    def __init__(self, *, tls: bool = False, settings: Mapping[str, str] | None = None) -> None:
        self._tls, self._settings = tls, dict(settings or {})
        self._root: Any = None
        self.host, self.port = "127.0.0.1", 0

    # ---- life

    @property
    def socket(self) -> str:
        """Connects without TCP."""
        return str(self.base / "socket")

    @property
    def log_file(self) -> Path:
        """Every statement, as the server logs it."""
        return self.base / "general.log"

    def _make(self) -> None:
        program = binary()
        if program is None:
            raise RuntimeError("no MariaDB; install the package mariadb-server")
        if self._tls:
            key, certificate = self._certificates()
            self._settings |= {"ssl-cert": str(certificate), "ssl-key": str(key)}
        arguments = ["--no-defaults", f"--datadir={self.base / 'data'}", "--auth-root-authentication-method=normal", "--skip-test-db"]
        done = subprocess.run(["/usr/bin/mariadb-install-db", *arguments], capture_output=True, check=False, **self._child())
        if done.returncode:
            told = b"\n".join((done.stdout[-500:], done.stderr[-500:])).decode(errors="replace")
            raise RuntimeError(f"mariadb-install-db ended with {done.returncode}: {told}")

    def start(self) -> None:
        """Start it on its port and wait until it answers; also after `stop`."""
        self.port = self.port or free_ports(1)[0]
        settings = {
            "datadir": str(self.base / "data"), "port": str(self.port), "bind-address": "127.0.0.1", "socket": self.socket,
            "pid-file": str(self.base / "pid"), "general-log": "1", "general-log-file": str(self.log_file), "skip-name-resolve": "1",
            "plugin-load-add": "auth_ed25519", "innodb-flush-log-at-trx-commit": "0", "innodb-buffer-pool-size": "8M",
            "innodb-log-file-size": "4M", "performance-schema": "0", **self._settings,
        }  # fmt: skip
        with (self.base / "server.log").open("ab") as log:
            command = [str(binary()), "--no-defaults", *(f"--{name}={value}" for name, value in settings.items())]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._child())
        self._wait()

    def _wait(self) -> None:
        import pymysql

        assert self._process is not None
        end = time.monotonic() + 30
        while True:
            try:
                self._root = pymysql.connect(unix_socket=self.socket, user=ROOT, autocommit=True)
            except pymysql.Error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"MariaDB did not start: {(self.base / 'server.log').read_text()[-500:]}") from None
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Shut it down, and wait. May be called twice; `start` brings it back with its data."""
        root, self._root = self._root, None
        if root is not None:
            with suppress(Exception):
                root.close()
        super().stop()

    # ---- use

    def connect(self, user: str, password: Secret, **more: Any) -> Any:
        """A PyMySQL connection over TCP, without TLS unless told so; autocommit."""
        import pymysql

        where = {"host": self.host, "port": self.port, "ssl_disabled": "ssl_ca" not in more, "connect_timeout": 10, "read_timeout": 10}
        return pymysql.connect(user=user, password=password.reveal().encode(), autocommit=True, **{**where, **more})

    def query(self, statement: str, parameters: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """Run it as root; the rows, or an empty list."""
        with self._root.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())

    def create_user(self, name: str, password: Secret | None, host: str = "%") -> None:
        """An account; without a password nobody gets in."""
        self.query(f"CREATE USER {quoted(name, host)} IDENTIFIED VIA {self._way(password)}")

    def set_password(self, name: str, password: Secret, host: str = "%") -> None:
        """As a human would do it, past us: the account has this password and no other."""
        self.query(f"ALTER USER {quoted(name, host)} IDENTIFIED VIA {self._way(password)}")

    def add_password(self, name: str, password: Secret, host: str = "%") -> None:
        """As a human would do it, past us: this password too."""
        shown = self.query(f"SHOW CREATE USER {quoted(name, host)}")[0][0]
        ways = shown.partition(" IDENTIFIED ")[2].removeprefix("VIA ").replace("BY PASSWORD ", "mysql_native_password USING ")
        self.query(f"ALTER USER {quoted(name, host)} IDENTIFIED VIA {self._way(password)} OR {ways.partition(' REQUIRE ')[0]}")

    def create_admin(self, name: str, password: Secret) -> None:
        """An account with the least rights to rotate others."""
        self.create_user(name, password)
        self.query(f"GRANT CREATE USER ON *.* TO {quoted(name)}")
        self.query(f"GRANT SELECT ON mysql.global_priv TO {quoted(name)}")

    def passwords(self, name: str, host: str = "%") -> list[str]:
        """The hashes that let somebody in, as the server has them."""
        found = self.query("SELECT Priv FROM mysql.global_priv WHERE User = %s AND Host = %s", (name, host))
        priv = json.loads(found[0][0]) if found else {}
        ways = [(each or priv).get("authentication_string", "") for each in priv.get("auth_or", [{}] if priv else [])]
        return [each for each in ways if re.fullmatch(r"\*[0-9A-F]{40}|.{43}|", each)]

    @staticmethod
    def _way(password: Secret | None) -> str:
        return f"mysql_native_password USING '{native(password) if password else 'invalid'}'"

    def logs_in(self, name: str, password: Secret, **more: Any) -> bool:
        """Whether this login works, asked without any of our own code. Raises where the server does not answer."""
        import pymysql

        try:
            self.connect(name, password, **more).close()
        except RuntimeError:  # PyMySQL knows no ed25519 without another package
            return self.client_logs_in(name, password)
        except pymysql.OperationalError as error:
            if error.args[0] in (2003, 2013):
                raise
            return False
        return True

    def client_logs_in(self, name: str, password: Secret) -> bool:
        """The same, asked by the server's own client."""
        escaped = password.reveal().replace("\\", "\\\\").replace('"', '\\"')
        options = f'[client]\nhost={self.host}\nport={self.port}\nuser={name}\npassword="{escaped}"\nskip-ssl\n'
        command = ["/usr/bin/mariadb", "--defaults-file=/dev/stdin", "--execute=SELECT 1"]
        return subprocess.run(command, input=options, capture_output=True, text=True, check=False, env=BARE).returncode == 0


def quoted(name: str, host: str = "%") -> str:
    """An account, for a statement that takes no parameters."""
    return "@".join("`" + each.replace("`", "``") + "`" for each in (name, host))
