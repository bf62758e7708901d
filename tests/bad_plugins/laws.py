"""The benches of an honest author, and the laws. BAD_WAYS says what to try, as JSON: `{"TestUser": ["nothing", ...], "TestKey": [...]}`."""

import fcntl
import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest
from bad import BadConnection, BadKey, BadSettings, BadUser

from rotator.model import Credential, Secret
from rotator.target import Runtime
from rotator.testing.issue_contract import IssueBench, IssueTargetContract
from rotator.testing.set_contract import SetBench, SetTargetContract

WAYS = json.loads(os.environ["BAD_WAYS"])
FIRST = "First-secret-of-app-0123456789"


class Folder:
    timeout = 0.1

    def __init__(self, path, does):
        self.path, self.does = Path(path), does
        self.path.mkdir()

    def make_target(self, *, timeout=10.0, fence=1, admin="good"):
        if admin != "good":
            self.lacks(f"{admin} admin")
        settings = BadSettings(username="app", does=self.does)
        return self.kind(BadConnection(folder=str(self.path)), settings, Runtime(None, None, timeout, fence))

    def state(self):
        return {each.name: each.read_text() for each in self.path.glob("*.json")}

    @contextmanager
    def frozen(self):
        if self.does not in ("nothing", "is_too_slow"):
            self.lacks("time to wait")
        with (self.path / "app.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class UserBench(Folder, SetBench):
    kind = BadUser

    def __init__(self, path, does):
        super().__init__(path, does)
        self.current = Credential(name="app", secret=Secret(FIRST))
        (self.path / "app.json").write_text(json.dumps(FIRST))

    def make_credential(self, secret=None):
        return Credential(name="app", secret=Secret(secret or "Next-secret-of-app-0123456789"))

    def logs_in(self, credential):
        file = self.path / f"{credential.name}.json"
        return file.exists() and json.loads(file.read_text()) == credential.secret.reveal()

    def remove(self, credential):
        (self.path / f"{credential.name}.json").unlink()


class KeyBench(Folder, IssueBench):
    kind = BadKey

    def __init__(self, path, does):
        super().__init__(path, does)
        self.current = Credential(name="key-first", secret=Secret(FIRST))
        (self.path / "app.keys.json").write_text(json.dumps({"key-first": {"secret": FIRST, "label": None}}))

    def keys(self):
        return json.loads((self.path / "app.keys.json").read_text())

    def logs_in(self, credential):
        return self.keys().get(credential.name, {}).get("secret") == credential.secret.reveal()

    def remove(self, credential):
        left = {id: each for id, each in self.keys().items() if id != credential.name}
        (self.path / "app.keys.json").write_text(json.dumps(left))


class TestUser(SetTargetContract):
    @pytest.fixture(params=WAYS["TestUser"])
    def bench(self, request, tmp_path):
        return UserBench(tmp_path / "system", request.param)


class TestKey(IssueTargetContract):
    @pytest.fixture(params=WAYS["TestKey"])
    def bench(self, request, tmp_path):
        return KeyBench(tmp_path / "system", request.param)
