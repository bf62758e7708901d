"""A drop-in plugin: a user whose password stands in a file, and whose `apply` misbehaves as its spec says."""

import json
import os
import sys
import time
from pathlib import Path

from rotator.target import Can, Credential, Rejected, SetTarget, Settings


class RogueConnection(Settings):
    folder: str


class RogueSettings(Settings):
    username: str
    does: str = "nothing"


class Rogue(SetTarget[RogueConnection, RogueSettings]):
    connection_type = "rogue"
    settings = RogueSettings
    fields = ("username", "password")

    @property
    def can(self):
        return Can()

    @property
    def endpoint(self):
        return "rogue:1"

    @property
    def principals(self):
        return (self.config.username,)

    @property
    def file(self):
        return Path(self.connection.folder) / self.config.username

    def check(self, known, accepted=()):
        return []

    def verify(self, credential: Credential):
        if json.loads(self.file.read_text()) != credential.secret.reveal():
            raise Rejected("wrong password")
        return credential.name

    def apply(self, credential, keep):
        self.file.with_suffix(".here").write_text(str(os.getpid()))
        getattr(self, self.config.does)(credential.secret.reveal())
        self.file.write_text(json.dumps(credential.secret.reveal()))

    def revoke(self, credential, keep):
        pass

    def nothing(self, secret):
        pass

    def sleeps(self, secret):
        time.sleep(3600)

    def is_slow(self, secret):
        time.sleep(1.0)

    def loops(self, secret):
        while True:
            pass

    def holds_the_interpreter(self, secret):
        sum(range(10**11))

    def swallows(self, secret):
        while True:
            try:
                time.sleep(3600)
            except BaseException:  # noqa: BLE001 - what a driver might do
                continue

    def exits(self, secret):
        os._exit(0)

    def calls_exit(self, secret):
        sys.exit(0)

    def raises(self, secret):
        self.kept = secret
        raise RuntimeError(f"the password {secret} is wrong") from KeyError(secret)

    def prints(self, secret):
        print("x" * (1 << 20))  # noqa: T201 - the misbehaviour
        os.write(1, b"{" * 1000)
