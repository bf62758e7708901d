"""An application: it reads its env file and logs in at all three systems, again and again, and counts."""

from __future__ import annotations

import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError

from rotator.model import Secret
from rotator.testing.demo.stage import Stage

PAUSE = 0.4
"""Seconds between two rounds."""
SECRETS = ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "API_TOKEN")
DEAD_KEY = "InvalidClientTokenId"


class Logins:
    """Fresh logins with none of the runner's code. True: let in; False: refused; anything else is raised."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._sts: dict[str, Any] = {}

    def database(self, user: str, password: str) -> bool:
        """At PostgreSQL."""
        return self._stage.postgres.logs_in(user, Secret(password), "orders")

    def key(self, id: str, secret: str) -> bool:
        """At AWS: who am I?"""
        from botocore.exceptions import ClientError

        if id not in self._sts:
            self._sts[id] = self._stage.aws.client("sts", (id, secret))
        try:
            self._sts[id].get_caller_identity()
        except ClientError as error:
            if error.response["Error"]["Code"] != DEAD_KEY:
                raise
            return False
        return True

    def token(self, token: str) -> bool:
        """At the token API: who am I?"""
        try:
            self._stage.hub.call("GET", "/user", token=token)
        except HTTPError as error:
            if error.code != 403:
                raise
            return False
        return True


class Consumer(threading.Thread):
    """Runs from `start` until `end`."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(name="consumer", daemon=True)
        self._stage, self._logins = stage, Logins(stage)
        self._over, self._wake = threading.Event(), threading.Event()
        self._known = {value for each in stage.first.values() for value in each.values()}
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    def settings(self) -> dict[str, str]:
        """What the env file says now. Each secret that turns up is remembered, for the search at the end."""
        text = self._stage.env_file.read_text()
        found = dict(each.split("=", 1) for each in shlex.split(text, comments=True))
        with self._lock:
            for name in SECRETS:
                if found[name] not in self._known:
                    self._known.add(found[name])
                    self._stage.canary.register(Secret(found[name]), f"{name} number {len(self._known)}")
        return found

    def run(self) -> None:
        """Until `end`."""
        while not self._over.is_set():
            self._once(self.settings())
            self._wake.wait(PAUSE)
            self._wake.clear()

    def _once(self, now: dict[str, str]) -> None:
        self._try("database", lambda: self._logins.database(now["PGUSER"], now["PGPASSWORD"]))
        self._try("key", lambda: self._logins.key(now["AWS_ACCESS_KEY_ID"], now["AWS_SECRET_ACCESS_KEY"]))
        self._try("token", lambda: self._logins.token(now["API_TOKEN"]))

    def _try(self, what: str, login: Callable[[], bool]) -> None:
        try:
            refused = None if login() else "refused"
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, this application could not work
            refused = type(error).__name__
        self.counts[what] += 1
        if refused:
            self.failures.append(f"{time.strftime('%H:%M:%S')} {what}: {refused}")

    def round(self) -> None:
        """Wait until it has logged in everywhere once more from now on."""
        wanted = self.counts["token"] + 2  # the round under way may have read its file before
        end = time.monotonic() + 30
        while self.counts["token"] < wanted and time.monotonic() < end and self.is_alive():
            self._wake.set()
            time.sleep(0.02)

    def end(self) -> None:
        """Stop; may be called twice."""
        self._over.set()
        self._wake.set()
        if self.is_alive():
            self.join(timeout=30)
