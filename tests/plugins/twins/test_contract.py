"""The twins, on which every history is told, keep the laws that the real targets keep."""

from datetime import UTC, datetime

import pytest

from rotator.model import Credential, Secret
from rotator.target import Runtime
from rotator.testing.issue_contract import IssueBench, IssueTargetContract
from rotator.testing.set_contract import SetBench, SetTargetContract
from rotator.testing.swap_contract import SwapBench, SwapTargetContract
from rotator.testing.twin_swap import TwinSwap
from rotator.testing.twins import (
    TwinConnection,
    TwinIssue,
    TwinIssueSettings,
    TwinKey,
    TwinSet,
    TwinSetSettings,
    TwinSystem,
    TwinUser,
)

FIRST = "First-secret-of-a-human-0123456789"
NOW = 1_000_000.0


class World:
    """A bench over one system; the twins know no admin and no wire, so those laws are skipped."""

    timeout = 0.1

    def __init__(self, settings):
        self.settings, self.system = settings, TwinSystem(now=lambda: NOW)

    def make_target(self, *, timeout=10.0, fence=1, admin="good"):
        if admin != "good":
            self.lacks(f"{admin} admin")
        runtime = Runtime(reveal=lambda _ref: Secret("unused"), now=lambda: datetime.fromtimestamp(NOW, UTC), timeout=timeout, fence=fence)
        return self.kind(TwinConnection(), self.settings, runtime, self.system)

    def logs_in(self, credential):
        return self.system.lets_in(credential.name, credential.secret.reveal())

    def state(self):
        users = {name: (tuple(each.secrets), each.enabled) for name, each in self.system.users.items()}
        return users, {id: (key.secret, key.enabled) for id, key in self.system.keys.items()}


class UserBench(World, SetBench):
    kind = TwinSet

    def __init__(self, settings):
        super().__init__(settings)
        self.system.users = {name: TwinUser(enabled=False) for name in settings.usernames}
        self.system.users[settings.usernames[0]] = TwinUser([FIRST])
        self.current = Credential(name=settings.usernames[0], secret=Secret(FIRST))

    def make_credential(self, secret=None):
        return Credential(name=self.settings.usernames[-1], secret=Secret(secret or "Next-secret-0123456789-0123456789"))

    def meddle(self, credential):
        user = self.system.users[credential.name]
        user.secrets, user.enabled = [*(user.secrets if self.settings.overlapping else []), "a-stranger-s-secret-0123456789"], True

    def remove(self, credential):
        del self.system.users[credential.name]


class KeyBench(World, IssueBench):
    kind = TwinIssue

    def __init__(self, settings):
        super().__init__(settings)
        self.system.keys["key-0"] = TwinKey(FIRST, NOW - 1000)
        self.current = Credential(name="key-0", secret=Secret(FIRST))

    def remove(self, credential):
        del self.system.keys[credential.name]


class SwapKeyBench(KeyBench, SwapBench):
    kind = TwinSwap


SETS = {
    "in place": TwinSetSettings(),
    "alternating": TwinSetSettings(usernames=("app_a", "app_b")),
    "overlapping": TwinSetSettings(overlapping=True),
}
ISSUES = {"two slots": TwinIssueSettings(), "labels": TwinIssueSettings(labels=True, max_live=0)}


class TestTwinSet(SetTargetContract):
    @pytest.fixture(params=SETS)
    def bench(self, request):
        return UserBench(SETS[request.param])


class TestTwinIssue(IssueTargetContract):
    @pytest.fixture(params=ISSUES)
    def bench(self, request):
        return KeyBench(ISSUES[request.param])


class TestTwinSwap(SwapTargetContract):
    @pytest.fixture(params=[False, True], ids=["no labels", "labels"])
    def bench(self, request):
        return SwapKeyBench(TwinIssueSettings(labels=request.param))
