"""A plugin that leaks on purpose, each of ten secrets into one sink and in one encoding: the canary must find each where it is."""

import base64
import gzip
import json
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

import psycopg

from rotator.target import Finding, Level
from rotator_postgres import PostgresUser

LINGER = [sys.executable, "-c", "import time; time.sleep(0.5)"]


class Leaky(PostgresUser):
    """Roles of PostgreSQL."""

    def check(self, known, accepted=()):
        """What is found goes to the terminal of whoever asked: standard output, plain."""
        leaks = [Finding(Level.OK, "ok", f"the password is {each}") for sink, each in self.secrets.items() if sink == "stdout"]
        return [*super().check(known, accepted), *leaks]

    def apply(self, credential, keep):
        """Leak, and then do what is asked."""
        for sink, secret in self.secrets.items():
            if sink != "stdout":
                getattr(self, sink)(secret)
        super().apply(credential, keep)

    @property
    def secrets(self):
        """By the name of their sink; none before the test has made them."""
        file = os.environ.get("LEAKY_SECRETS")
        return json.loads(Path(file).read_text()) if file else {}

    def stderr(self, secret):
        """Backwards."""
        sys.stderr.write(f"{secret[::-1]}\n")

    def debug_log(self, secret):
        """Under our own logger's name."""
        logging.getLogger("rotator.leaky").debug("answer: %s", base64.b64encode(f"user:{secret}".encode()).decode())

    def ledger(self, secret):
        """A row that no command of ours writes; it stays in the write-ahead log."""
        with closing(sqlite3.connect("var/ledger.db", timeout=10)) as database, database:
            row = "INSERT INTO event (chain, seq, hash, ts, event, line) VALUES ('x', 1, 'x', 'x', 'x', ?)"
            database.execute(row, (json.dumps({"statement": secret}),))

    def state(self, secret):
        """Beside the locks."""
        Path("var/leaky.bak").write_bytes(secret.encode("utf-16-le"))

    def arguments(self, secret):
        """Of a child."""
        subprocess.run([*LINGER, f"--password={secret}"], check=True)

    def environ(self, secret):
        """Of a child."""
        subprocess.run(LINGER, check=True, env={"URL": f"postgresql://x:{urllib.parse.quote(secret, safe='')}@db/x"})

    def server_log(self, secret):
        """A statement as PostgreSQL logs it."""
        where = self.connection
        admin = self.runtime.reveal(where.admin.password).reveal()
        with psycopg.connect(host=where.host, port=where.port, user=where.admin.username, password=admin, dbname="postgres") as database:
            database.execute(f"SELECT '\\x{secret.encode().hex()}'::bytea")

    def access_log(self, secret):
        """A path, as web servers log it."""
        url = f"{os.environ['LEAKY_URL']}/moto-api/by-token/{base64.urlsafe_b64encode(secret.encode()).decode()}"
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(url, timeout=5).close()

    def temporary_file(self, secret):
        """Packed, and left behind."""
        file, _ = tempfile.mkstemp()
        os.write(file, gzip.compress(secret.encode()))
        os.close(file)
