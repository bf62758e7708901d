"""A drop-in plugin over a small real system, and every way in which it can be bad: `does` of its spec names one, `nothing` is a good one.

The system is a folder: `<user>.json` holds the password of a user, `<owner>.keys.json` the keys of an owner; whoever holds the lock of
`<name>.lock` keeps all others waiting.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from rotator.target import (
    Can,
    Credential,
    Finding,
    IssueTarget,
    Level,
    Live,
    Refused,
    Rejected,
    Secret,
    SetTarget,
    Settings,
    Unreachable,
)

GIGABYTE = 1 << 30
CHILDREN = 20


class BadConnection(Settings):
    folder: str


class BadSettings(Settings):
    username: str
    does: str = "nothing"


class Files:
    """What both types share: the system, and how it is reached."""

    connection_type = "bad"
    settings = BadSettings

    @property
    def endpoint(self):
        return "bad.internal:1"

    @property
    def principals(self):
        return 7 if self.does("has_a_number_for_its_principals") else (self.config.username,)

    def does(self, *ways):
        return self.config.does in ways

    def path(self, name):
        return Path(self.connection.folder) / name

    @contextmanager
    def system(self, name):
        """The lock of a user, waited for as long as a call may take; the slow one waits longer."""
        most = self.runtime.timeout + (0.8 if self.does("is_too_slow") else 0.0)
        with self.path(f"{self.config.username}.lock").open("w") as lock:
            self.wait(lock, time.monotonic() + most)
            yield self.path(name)

    def wait(self, lock, end):
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() >= end:
                    raise Unreachable("the system does not answer") from None
                time.sleep(0.01)

    def misbehave(self, secret):
        """In the middle of a change, with the new secret at hand."""
        action = getattr(self, f"_{self.config.does}", None)
        if action:
            action(secret)

    def _aborts(self, secret):
        os.abort()

    def _prints_a_gigabyte(self, secret):
        half = f"{secret} " * ((1 << 20) // (len(secret) + 1))
        for _ in range(GIGABYTE // len(half) // 2 + 1):
            sys.stdout.write(half)
            os.write(1, half.encode())

    def _leaves_children(self, secret):
        """Programs that stay, half of them in sessions of their own."""
        started = [subprocess.Popen(["sleep", "600"], start_new_session=number % 2 == 0) for number in range(CHILDREN)]
        self.path(f"{self.config.username}.children").write_text(json.dumps([each.pid for each in started]))

    def _leaves_forks(self, secret):
        """Copies of itself that stay: they hold all files open that the run holds, and its memory."""
        pids = []
        for _ in range(CHILDREN):
            pid = os.fork()
            if not pid:
                os.setsid()
                time.sleep(600)
                os._exit(0)
            pids.append(pid)
        self.path(f"{self.config.username}.children").write_text(json.dumps(pids))

    def _is_slow(self, secret):
        time.sleep(1.0)

    def _raises_an_error_of_its_own(self, secret):
        raise OwnError(secret, 1, 2)


class OwnError(Refused):
    """Made in another way than ours, with the secret in it."""

    def __init__(self, secret, one, two):
        super().__init__(f"{secret} is too weak")
        self.secret, self.numbers = secret, (one, two)


class BadUser(Files, SetTarget[BadConnection, BadSettings]):
    """Users, in place."""

    fields = ("username", "password")

    @property
    def can(self):
        if self.does("has_a_word_for_what_it_can"):
            return "everything"
        return Can(
            fences=self.does("declares_fences"),
            tells_use=self.does("declares_last_use"),
            max_live=2 if self.does("declares_two_secrets") else 1,
        )

    def mine(self, name):
        if name != self.config.username and not self.does("takes_any_user"):
            raise Refused(f"{name} is none of ours")
        return f"{name}.json"

    def check(self, known, accepted=()):
        with self.system(f"{self.config.username}.json") as user:
            if self.does("mutates_in_check"):
                user.write_text(json.dumps("Reset-by-check-0123456789"))
            if not user.exists():
                return [Finding(Level.FAIL, "principal.missing", "there is no such user", "make it")]
        return {"finds_a_number": 7, "finds_words": ["all is well"]}.get(self.config.does, [])

    def verify(self, credential: Credential):
        with self.system(f"{credential.name}.json") as user:
            right = user.exists() and json.loads(user.read_text()) == credential.secret.reveal()
        if not right and self.does("raises_the_secret"):
            raise Rejected(f"{credential.secret.reveal()} is wrong")
        if not right and self.does("takes_a_no_for_no_answer"):
            raise Unreachable("could not log in")
        if not right and not self.does("lies"):
            raise Rejected("wrong password")
        return object() if self.does("answers_an_object") else credential.name

    def confirm_dead(self, credential):
        return "dead" if self.does("finds_all_dead") else super().confirm_dead(credential)

    def apply(self, credential, keep):
        with self.system(self.mine(credential.name)) as user:
            if not user.exists():
                if self.does("takes_any_user"):
                    user.touch()
                raise Refused(f"there is no {credential.name}", "make it")
            self.misbehave(credential.secret.reveal())
            user.write_text(json.dumps(credential.secret.reveal()))

    def _touches_another(self, secret):
        self.path("neighbour.json").write_text(json.dumps("Set-by-another-0123456789"))

    def revoke(self, credential, keep):
        self.mine(credential.name)


class BadKey(Files, IssueTarget[BadConnection, BadSettings]):
    """Keys of one owner, with labels."""

    fields = ("id", "secret")
    LIMIT = 3

    @property
    def can(self):
        return Can(max_live=self.LIMIT, labels=True, disables=self.does("declares_disable"))

    @contextmanager
    def keys(self, *, write=False):
        """All keys, written back where they change."""
        with self.system(f"{self.config.username}.keys.json") as file:
            keys = json.loads(file.read_text())
            yield keys
            if write:
                file.write_text(json.dumps(keys))

    def check(self, known, accepted=()):
        with self.keys():
            return []

    def verify(self, credential):
        with self.keys() as keys:
            if keys.get(credential.name, {}).get("secret") != credential.secret.reveal():
                raise Rejected("unknown key")
        return self.config.username

    def issue(self, label):
        with self.keys(write=True) as keys:
            if len(keys) >= self.LIMIT and not self.does("declares_a_limit"):
                raise Refused("no free slot")
            for _ in range(2 if self.does("mints_twice") else 1):
                id, secret = f"key-{os.urandom(6).hex()}", f"Key-{os.urandom(16).hex()}"
                keys[id] = {"secret": secret, "label": None if self.does("declares_labels") else label}
        if self.does("mints_words"):
            return f"{id}:{secret}"
        return Credential(name=id, secret=secret if self.does("mints_plain_text") else Secret(secret))

    def live(self):
        if self.does("lists_words"):
            return ["key-1", 2]
        with self.keys() as keys:
            return [Live(id, label=each["label"]) for id, each in keys.items()]

    def revoke(self, credential, keep):
        with self.keys(write=True) as keys:
            keys.pop(credential.name, None)

    def disable(self, credential, keep):
        """It says that it did."""

    def enable(self, credential):
        """It says that it did."""
