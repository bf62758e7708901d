"""What has died by itself, or of a leak that its provider saw, is nobody's change: the run goes on with what can be made, or works."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from expiring import expires_at, in_grace, resting, until
from labs import ISSUE, at_rest, crash_at, fault_at, living, names, rotated, touched

from rotator.errors import Exit
from rotator.rotate import Adopt, Compromise
from rotator.testing.faults import Fault
from rotator.testing.lab import START, EverySlot, Lab, in_memory
from rotator.testing.twins import TwinKey

SECRET = "another-secret-0123456789-0123456789"


@pytest.mark.parametrize("shape", ISSUE)
def test_an_expired_current_is_nobody_s_change_and_a_new_one_is_minted(shape):
    lab = resting(shape)
    gone = lab.record().current.credential.name
    until(lab, lab.seam.t + 30_000)
    result = lab.run(named=True)
    current = lab.record().current.credential
    assert (result.exit, "ISSUE" in names(result), current.name != gone) == (Exit.DONE, True, True)
    assert lab.shown("env") == lab.shown("local") == (current.name, current.secret.reveal())
    assert living(lab) == [current.name]


@pytest.mark.parametrize("shape", ISSUE)
def test_an_expired_first_one_of_a_human_s_is_replaced_too(shape):
    lab = Lab(shape, in_memory())
    lab.first = replace(lab.first, expires=datetime.fromtimestamp(START + 50_000, UTC))
    lab.adopt()
    lab.at(60_000)
    del lab.system.keys["key-0"]
    touched(lab, broke=True)
    result = lab.run()
    assert (result.exit, living(lab), lab.shown("env")[0]) == (Exit.DONE, ["key-1"], "key-1")


@pytest.mark.parametrize("shape", ISSUE)
@pytest.mark.parametrize("in_soak", [False, True])
def test_where_the_old_one_works_still_an_expired_current_gives_way_to_it_first(shape, in_soak):
    lab = in_grace(shape, grace=40_000.0 if not in_soak else 1000.0, soak=200.0 if not in_soak else 40_000.0, when=EverySlot(1e9))
    if in_soak:
        lab.seam.t += 1100
        assert lab.run().why == "soak"
    until(lab, lab.seam.t + 25_000)
    assert "key-1" not in lab.system.keys
    result = lab.run(named=True)
    assert ("UNDO" in names(result), "foreign" in result.why) == (True, False)
    assert names(result).index("UNDO") < names(result).index("RESERVE")
    assert lab.shown("env") == lab.shown("local")
    assert lab.shown("env") in lab.system.living()
    for _ in range(6):
        lab.seam.t += 45_000
        result = lab.run()
        if lab.record().current.credential.name != "key-0":
            break
    assert (result.exit, lab.shown("env") in lab.system.living()) == (Exit.DONE, True)


def test_where_no_new_one_is_made_a_run_with_an_expired_current_says_so_and_is_no_success():
    lab = resting()
    lab.spec = replace(lab.spec, retire=True)
    until(lab, lab.seam.t + 30_000)
    result = lab.run(named=True)
    assert (result.exit, "has expired" in result.message) == (Exit.FAILED, True)


def test_an_expired_current_that_logs_in_still_is_no_success_where_none_is_made():
    lab = resting()
    lab.spec = replace(lab.spec, retire=True)
    lab.seam.t += 30_000
    result = lab.run(named=True)
    assert (result.exit, "has expired" in result.message) == (Exit.FAILED, True)


def in_the_way():
    """Current has expired, and the old one lives, whose secret nobody knows."""
    lab = Lab("issue, two slots", in_memory(), changes={"grace": 40_000.0})
    lab.system.keys["key-other"] = TwinKey(SECRET, lab.seam.now())
    lab.oracle.start()
    lab.run(Adopt(credential=lab.first, retire="key-other"))
    expires_at(lab, 5_000)
    lab.at(6_000)
    del lab.system.keys["key-0"]
    touched(lab, broke=True)
    return lab


def test_an_old_one_whose_secret_nobody_knows_is_in_the_way_of_an_expired_current_and_that_is_said():
    lab = in_the_way()
    result = lab.run(named=True)
    assert (result.exit, "has expired" in result.message) == (Exit.HUMAN, True)
    assert "rotator adopt orders-db --from" in result.fix.format(spec="orders-db")
    assert living(lab) == ["key-other"]


def test_where_the_old_one_is_in_the_way_of_an_expired_current_no_command_is_named_that_is_refused():
    lab = in_the_way()
    result = lab.run(named=True)
    if "--new" in result.fix:
        result = lab.run(Adopt(new=True), named=True)
        assert lab.shown("env") in lab.system.living()
    assert result.exit is Exit.HUMAN
    assert result.why == "expired" or "key-other" in result.message


def test_an_unknown_mint_does_not_keep_an_expired_current_from_being_replaced():
    lab = resting("issue, two slots")
    lab.seam.t += 9_000
    lab.run(named=True, forced=True, plan=fault_at("mint", Fault.CRASH_AFTER))
    until(lab, lab.seam.t + 12_000)
    assert list(lab.system.keys) == ["key-2"]
    results = []
    for _ in range(3):
        results.append(lab.run(named=True))
        lab.seam.t += 400
    assert (results[-1].exit, lab.shown("env") in lab.system.living()) == (Exit.DONE, True)


def test_a_new_one_that_was_refused_does_not_keep_an_expired_current_from_being_replaced():
    lab = resting()
    lab.system.next_is_dud = True
    until(lab, lab.seam.t + 30_000)
    lab.run(named=True)
    lab.seam.t += 10
    result = lab.run(named=True)
    assert (result.exit, lab.shown("env") in lab.system.living()) == (Exit.DONE, True)


# ---- a leak that the provider has seen


@pytest.mark.parametrize("shape", ISSUE)
@pytest.mark.parametrize("marked_before", [False, True])
def test_a_leaked_one_that_its_provider_has_revoked_is_rotated_forward(shape, marked_before):
    lab = at_rest(shape)
    leaked = lab.record().current.credential.name
    if marked_before:
        lab.system.refuses = True
        assert lab.run(Compromise("current"), named=True).exit is not Exit.DONE
        lab.system.refuses = False
    del lab.system.keys[leaked]
    touched(lab, broke=True)
    result = lab.run(None if marked_before else Compromise("current"), named=True)
    current = lab.record().current.credential
    assert (result.exit, current.name != leaked, living(lab)) == (Exit.DONE, True, [current.name])
    assert lab.shown("env")[0] == lab.shown("local")[0] == current.name


def test_a_leaked_one_that_its_provider_has_revoked_goes_back_to_the_old_one_while_that_works():
    lab = rotated("issue, labels")
    del lab.system.keys["key-1"]
    touched(lab, broke=True)
    result = lab.run(Compromise("current"), named=True)
    assert ("UNDO" in names(result), result.exit) == (True, Exit.DONE)
    assert lab.shown("env") in lab.system.living()


def test_what_replaces_an_expired_one_is_shown_in_the_same_run_though_an_attempt_before_it_failed():
    lab = in_grace("issue, labels", when=EverySlot(1e9))
    for seconds in (1_200, 400):
        lab.seam.t += seconds
        lab.run()
    lab.seam.t += 17_000
    assert lab.run(plan=crash_at("write record PROMOTE")) == "crashed"
    until(lab, lab.seam.t + 50_000)
    results = [lab.run()]
    lab.seam.t += 5
    results.append(lab.run())
    assert "PROMOTE" in names(results[-1])
    assert lab.shown("env") == lab.shown("local")
    assert lab.shown("env") in lab.system.living()
