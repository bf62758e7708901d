"""A server process around in-memory twins: an overlapping target that outlives the runs. It ends when its stdin is closed.

`POST /USER/METHOD` with JSON; each user is a system of its own. Beside the contract's methods: `begin` and `add` for
humans, `living` for oracles.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rotator.errors import RotatorError
from rotator.model import Credential, Secret
from rotator.target import Runtime
from rotator.testing.twins import TwinConnection, TwinSet, TwinSetSettings, TwinSystem, TwinUser


def _credential(plain: list[str | None]) -> Credential:
    name, secret = plain
    return Credential(name=str(name), secret=None if secret is None else Secret(secret))


class Systems:
    """A system per user; one call at a time."""

    def __init__(self) -> None:
        self.systems: dict[str, TwinSystem] = {}
        self.lock = threading.Lock()

    def answer(self, user: str, method: str, given: dict[str, Any]) -> Any:
        """What one call gives back; raises what the contract says."""
        with self.lock:
            if method == "begin":
                self.systems[user] = TwinSystem(time.time, {user: TwinUser([given["secret"]])})
                return None
            if method == "living" and user not in self.systems:
                return []
            system = self.systems[user]
            if method == "add":
                system.users[user].secrets.append(given["secret"])
                return None
            if method == "living":
                return sorted(system.living())
            return self._call(system, user, method, given)

    @staticmethod
    def _call(system: TwinSystem, user: str, method: str, given: dict[str, Any]) -> Any:
        runtime = Runtime(reveal=lambda _ref: Secret("none"), now=lambda: datetime.now(UTC), fence=given["fence"])
        twin = TwinSet(TwinConnection(), TwinSetSettings(usernames=(user,), overlapping=True), runtime, system)
        if method == "check":
            found = twin.check([_credential(each) for each in given["known"]])
            return [{"level": each.level, "code": each.code, "text": each.text, "fix": each.fix} for each in found]
        if method == "verify":
            return twin.verify(_credential(given["credential"]))
        change = {"apply": twin.apply, "revoke": twin.revoke}[method]
        return change(_credential(given["credential"]), [_credential(each) for each in given["keep"]])


class Handler(BaseHTTPRequestHandler):
    """JSON in, JSON out."""

    systems = Systems()

    def do_POST(self) -> None:
        _, user, method = self.path.split("/")
        try:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        except ValueError:  # the client was cut off
            self.close_connection = True
            return
        try:
            answer: dict[str, Any] = {"result": self.systems.answer(user, method, given)}
        except RotatorError as error:
            answer = {"error": type(error).__name__, "what": error.what, "fix": error.fix, "code": getattr(error, "code", None)}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until stdin ends; the first line on stdout is the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)  # noqa: T201 - the parent waits for this line
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
