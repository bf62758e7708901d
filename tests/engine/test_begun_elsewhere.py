"""What a record says of another time, or of another system: a human may end it, and nothing that lives is forgotten without a word."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from labs import GRACE, THEIRS, at_rest, living, rotated, touched

from rotator.errors import Exit
from rotator.model import Credential, Secret
from rotator.record import Identity
from rotator.rotate import Adopt, Compromise, Resolve
from rotator.testing.twins import TwinKey, TwinUser

YEAR = 31_536_000.0
CLOCK = Resolve(clock=True)

# ---- a clock that was ahead


def ahead(shape):
    """A rotation of which a part was written a year from now."""
    lab = rotated(shape, changes={"grace": 2 * YEAR})
    lab.seam.t += 60
    lab.seam.skew = YEAR
    lab.run(Compromise("current"), named=True)
    lab.seam.skew = 0.0
    lab.seam.t += 60
    return lab


@pytest.mark.parametrize("shape", GRACE)
def test_what_a_clock_that_was_ahead_has_written_is_ended_by_the_command_that_the_run_names(shape):
    lab = ahead(shape)
    stuck = lab.run(named=True)
    assert (stuck.exit, "rotator resolve orders-db --clock" in stuck.fix) == (Exit.UNPROVEN, True)
    assert lab.run(CLOCK, named=True).exit in (Exit.DONE, Exit.UNPROVEN)
    record = lab.record()
    times = [record.at, record.last_slot, record.current.created]
    times += [each for each in (record.previous.created, record.previous.probed) if each] if record.previous else []
    assert max(times) <= lab.seam.now()
    assert lab.run(named=True).why != "clock"


@pytest.mark.parametrize("shape", GRACE)
def test_grace_begins_anew_where_the_clock_is_set_back(shape):
    lab = rotated(shape, changes={"grace": 5_000.0})
    lab.seam.t += 2_000
    lab.run(CLOCK, named=True)
    assert lab.record().revoke_after >= lab.seam.now() + 4_990
    lab.seam.t += 4_000
    assert lab.run(named=True).why == "grace"
    assert lab.oracle.violations == []


def test_a_clock_that_is_wrong_now_is_not_called_right_by_a_command():
    lab = at_rest("alternating")
    lab.target = lambda runtime, made=lab.target: told(made(runtime), lab.seam.t + 3_600)
    result = lab.run(CLOCK, named=True)
    assert (result.exit, result.why) == (Exit.UNPROVEN, "clock")


def told(target, seconds):
    """A target that tells a time."""
    target.clock = lambda: datetime.fromtimestamp(seconds, UTC)
    return target


# ---- another system


def elsewhere(shape):
    """In a grace the system is gone; its successor has one user, or key, of a human's."""
    lab = rotated(shape)
    lab.spec = replace(lab.spec, identity=Identity("test", "twin", "db2.internal", lab.spec.identity.principals))
    lab.seam.t += 100
    if shape.startswith("issue"):
        lab.system.keys = {"key-there": TwinKey(THEIRS, lab.seam.now())}
        given = Credential(name="key-there", secret=Secret(THEIRS))
    else:
        first = min(lab.system.users)
        lab.system.users = {each: TwinUser(enabled=False) for each in lab.system.users} | {first: TwinUser([THEIRS])}
        given = Credential(name=first, secret=Secret(THEIRS))
    touched(lab, broke=True)
    return lab, given


@pytest.mark.parametrize("shape", GRACE)
def test_a_rotation_of_another_system_that_is_gone_is_given_up_where_a_human_says_so_alone(shape):
    lab, given = elsewhere(shape)
    refused = lab.run(Adopt(credential=given), named=True)
    assert (refused.why, "--forget-old" in (refused.fix or ""), lab.record().identity.endpoint) == ("refused", True, "twin")
    names = {each.name for each in lab.record().known()}
    result = lab.run(Adopt(credential=given, forget_old=True), named=True)
    assert result.exit is Exit.DONE, result
    record = lab.record()
    assert (record.identity.endpoint, record.previous, record.tombstones) == ("db2.internal", None, ())
    assert lab.shown("env") == (given.name, THEIRS)
    told = " ".join(each.reason or "" for each in lab.ledger.events if each.step == "ADOPT")
    assert all(f"{each} is forgotten" in told for each in names)


@pytest.mark.parametrize("shape", GRACE)
def test_no_secret_of_the_system_that_is_forgotten_is_sent_to_its_successor(shape):
    lab, given = elsewhere(shape)
    asked = len(lab.ledger.events)
    old = {each.name for each in lab.record().known()} - {given.name}
    lab.run(Adopt(credential=given, forget_old=True), named=True)
    logins = [each.credential for each in lab.ledger.events[asked:] if each.effect == "login"]
    assert set(logins) == {given.name}
    assert not old & set(logins)


def test_here_nothing_of_ours_is_forgotten_by_that_word():
    lab = rotated("alternating")
    current = lab.record().current.credential
    other = Credential(name="app_a", secret=Secret(lab.first.secret.reveal()))
    result = lab.run(Adopt(credential=other, forget_old=True), named=True)
    assert result.why == "refused"
    assert current.name in living(lab)
