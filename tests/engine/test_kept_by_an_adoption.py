"""What an adoption keeps of what the record knew, what it forgets, and how sure it is that current is dead before it does."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from labs import THEIRS, at_rest, rotated, theirs, touched, with_target

from rotator.errors import Exit, Rejected
from rotator.model import Credential
from rotator.rotate import Adopt, Compromise, HoldUntil
from rotator.testing.lab import PATH, START, Lab, in_memory
from rotator.testing.twins import CONNECTION, TwinIssue, TwinIssueSettings, TwinKey, TwinSet, TwinUser

DAY = 86_400.0


def by_hand(lab):
    """A human's hand broke current, and this is what he has now."""
    current = lab.record().current.credential
    if current.name.startswith("key"):
        del lab.system.keys[current.name]
        lab.system.keys["key-human"] = TwinKey(THEIRS, lab.seam.now())
        current = theirs("key-human")
    else:
        user = lab.system.users[current.name]
        user.secrets = [THEIRS if each == current.secret.reveal() else each for each in user.secrets]
        current = theirs(current.name)
    touched(lab, broke=True)
    return current


def elsewhere(lab):
    """The spec is about another system from now on."""
    lab.spec = replace(lab.spec, identity=replace(lab.spec.identity, endpoint="another-host"))
    lab.oracle.spec = lab.spec
    lab.system.fence = 0
    return lab


# ---- a hold


@pytest.mark.parametrize("shape", ["alternating", "overlapping", "issue, labels"])
def test_a_hold_goes_on_where_the_old_one_is_kept(shape):
    lab = rotated(shape)
    lab.run(HoldUntil("a batch job needs the old one", 5 * DAY), named=True)
    until = lab.record().hold.until
    given = by_hand(lab)
    result = lab.run(Adopt(credential=given), named=True)
    assert (result.exit, result.why) == (Exit.DONE, "hold")
    lab.seam.t += 1200
    assert (lab.run(named=True).why, lab.record().hold.until) == ("hold", until)
    assert lab.first.name in {name for name, _ in lab.system.living()}
    assert lab.oracle.violations == []


def test_a_hold_is_over_where_another_one_becomes_the_old_one():
    lab = rotated("issue, labels")
    lab.run(HoldUntil("a batch job needs the old one", 5 * DAY), named=True)
    del lab.system.keys["key-0"]
    given = by_hand(lab)
    lab.system.keys["key-other"] = TwinKey("another-secret-0123456789-0123456789", lab.seam.now())
    touched(lab)
    result = lab.run(Adopt(credential=given, retire="key-other"), named=True)
    assert (result.why, lab.record().hold) == ("grace", None)


# ---- the same one again


def test_the_same_one_keeps_its_age_and_the_end_of_its_life():
    lab = Lab("issue, labels", in_memory())
    lab.first = replace(lab.first, expires=datetime.fromtimestamp(START + 90_000, UTC))
    lab.adopt()
    created = lab.record().current.created
    lab.seam.t += 5000
    assert lab.run(Adopt(credential=Credential(name=lab.first.name, secret=lab.first.secret)), named=True).exit is Exit.DONE
    current = lab.record().current
    assert (current.created, current.credential.expires) == (created, lab.first.expires)


def test_another_one_begins_its_own_age(shape):
    lab = at_rest(shape)
    lab.seam.t += 500
    given = by_hand(lab)
    lab.run(Adopt(credential=given), named=True)
    assert lab.record().current.created > lab.seam.t - 100


# ---- marks of leaks


def leaked(shape):
    """Current is marked as leaked, and no new one could be made."""
    lab = at_rest(shape)
    lab.system.refuses = True
    lab.run(Compromise("current"), named=True)
    lab.system.refuses = False
    assert lab.record().current.id in lab.record().compromised
    lab.seam.t += 100
    return lab


def test_the_mark_of_a_leaked_one_that_is_held_no_more_is_forgotten_and_back_off_holds_again(shape):
    lab = leaked(shape)
    assert lab.run(Adopt(credential=by_hand(lab)), named=True).exit is Exit.DONE
    assert lab.record().compromised == frozenset()
    lab.seam.t += 20_000
    lab.system.refuses = True
    lab.run()
    attempts = lab.record().attempts
    lab.seam.t += 5
    result = lab.run()
    assert (result.why, lab.record().attempts, attempts) == ("not_before", 1, 1)


def test_the_mark_of_a_leaked_old_one_that_is_kept_stays():
    lab = rotated("overlapping")
    given = by_hand(lab)
    lab.truth.write(PATH, lab.record().but(compromised=frozenset({lab.record().previous.id}), writes=("by hand",)))
    result = lab.run(Adopt(credential=given), named=True)
    assert (result.exit, result.why) == (Exit.DONE, "at rest")
    assert ("app", lab.first.secret.reveal()) not in lab.system.living()


# ---- a provider that is late


def late(lab):
    """The lab's provider may show for ten seconds what was true before."""
    settings = TwinIssueSettings(labels=True, max_live=0, appears=10.0)
    lab.target = lambda runtime: TwinIssue(CONNECTION, settings, runtime, lab.system)
    lab.spec = lab._spec()
    lab.oracle.spec = lab.spec
    return lab


def forgets(lab, name, times):
    """One that asks for this key is told so many times that there is none."""
    left = [times]

    def verify(self, credential):
        if credential.name == name and left[0]:
            left[0] -= 1
            raise Rejected("unknown key", code="403")
        return TwinIssue.verify(self, credential)

    return with_target(lab, verify=verify)


@pytest.mark.parametrize("command", ["another", "new"])
def test_a_provider_that_is_late_is_asked_long_enough_before_current_is_called_dead(command):
    lab = late(at_rest("issue, labels"))
    current = lab.record().current.credential
    lab.system.keys["key-human"] = TwinKey(THEIRS, lab.seam.now())
    touched(lab)
    forgets(lab, current.name, 1)
    result = lab.run(Adopt(new=True) if command == "new" else Adopt(credential=theirs("key-human")), named=True)
    assert (result.why, "works" in result.message) == ("refused", True)
    assert lab.record().current.credential.same(current)
    assert current.name in lab.system.keys
    assert lab.oracle.violations == []


def test_the_new_one_of_a_rotation_is_not_called_dead_by_a_late_provider_either():
    lab = late(rotated("issue, labels"))
    current, old = lab.record().current.credential, lab.record().previous.credential
    del lab.system.keys[current.name]
    touched(lab, broke=True)
    forgets(lab, old.name, 1)
    result = lab.run(Adopt(new=True), named=True)
    assert (result.why, "not finished" in result.message) == ("refused", True)
    assert old.name in lab.system.keys


# ---- another system


@pytest.mark.parametrize("new", [False, True])
def test_on_another_system_no_dead_secret_of_the_old_one_is_tried(new):
    lab = elsewhere(at_rest("alternating"))
    dead, asked = lab.record().tombstones[0].credential, []

    def verify(self, credential):
        asked.append(credential.secret.reveal())
        return TwinSet.verify(self, credential)

    with_target(lab, verify=verify)
    lab.system.users = {"app_a": TwinUser([THEIRS]), "app_b": TwinUser(enabled=False)}
    touched(lab, broke=True)
    command = Adopt(new=True) if new else Adopt(credential=theirs("app_a"))
    result = lab.run(command, named=True)
    assert result.exit is Exit.DONE, result
    assert dead.secret.reveal() not in asked


@pytest.mark.parametrize("first", [TwinUser(enabled=False), TwinUser([THEIRS])])
def test_on_another_system_a_second_user_with_a_human_s_secret_is_taken_on_purpose_alone(first):
    lab = elsewhere(at_rest("alternating"))
    other = "of-another-human-0123456789-0123456789"
    lab.system.users = {"app_a": replace(first, secrets=[*first.secrets]), "app_b": TwinUser([other])}
    lab.oracle.strangers.add(("app_b", other))
    touched(lab, broke=True)
    result = lab.run(Adopt(new=True), named=True)
    assert (result.why, "app_b" in result.message, "--take-second" in (result.fix or "")) == ("refused", True, True)
    assert lab.system.users["app_b"].secrets == [other]
    lab.oracle.strangers.clear()
    assert lab.run(Adopt(new=True, take_second=True), named=True).exit is Exit.DONE
    assert ("app_b", other) not in lab.system.living()
