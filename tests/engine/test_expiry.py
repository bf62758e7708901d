"""What dies by itself is replaced before it does; and once it has, that is nobody's change: the run goes on with what can be made or works."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from labs import ISSUE, at_rest, living, names, rotated, touched, with_target

from rotator.errors import Exit
from rotator.plan import expiring, plan, row_4
from rotator.rotate import Adopt, Compromise, HoldUntil
from rotator.step import Name, Seen
from rotator.testing.lab import PATH, SHAPES, START, EverySlot, Lab, in_memory
from rotator.testing.twins import CONNECTION, TwinIssue, TwinIssueSettings, TwinKey

HOUR, DAY = 3600.0, 86_400.0
LIFE = 20_000.0
SECRET = "another-secret-0123456789-0123456789"


def short_lived(shape="issue, labels", lifetime=LIFE, **changes):
    """A lab whose provider mints what dies by itself."""
    lab, labels = Lab(shape, in_memory(), changes=changes), SHAPES[shape].get("labels", False)
    settings = TwinIssueSettings(labels=labels, max_live=0 if labels else 2, lifetime=lifetime)
    lab.target = lambda runtime: TwinIssue(CONNECTION, settings, runtime, lab.system)
    lab.adopt()
    return lab


def until(lab, when, lifetime=LIFE):
    """Time goes by; what has expired is gone at the provider."""
    lab.seam.t = max(when, lab.seam.t)
    gone = [each for each, key in lab.system.keys.items() if each != "key-0" and key.created + lifetime <= lab.seam.t]
    for each in gone:
        del lab.system.keys[each]
    if gone:
        touched(lab, broke=True)


def resting(shape="issue, labels", **changes):
    """A minted one is current, and the first one is dead."""
    lab = short_lived(shape, **changes)
    for seconds in (10_010, 11_200, 11_600):
        lab.at(seconds)
        last = lab.run()
    assert last.why == "at rest"
    return lab


def in_grace(shape="issue, labels", **changes):
    """A minted one is current, and the first one lives."""
    lab = short_lived(shape, **changes)
    lab.at(10_010)
    assert lab.run(named=True, forced=True).why == "grace"
    return lab


def expiring_at(lab, seconds):
    """Write into the record when current dies by itself."""
    current = lab.record().current
    expires = datetime.fromtimestamp(START + seconds, UTC)
    known = lab.record().but(current=replace(current, credential=replace(current.credential, expires=expires)), writes=("by hand",))
    lab.truth.write(PATH, known)
    lab.oracle.seen = lab.record()


# ---- when it is looked at


@pytest.mark.parametrize("lifetime", [12 * HOUR, 5 * DAY, 7 * DAY])
def test_who_looks_when_a_run_says_never_finds_a_token_expired(lifetime):
    lab = short_lived(lifetime=lifetime, when=EverySlot(30 * DAY), grace=HOUR, soak=0.0)
    result, ends = lab.run(named=True, forced=True), []
    for _ in range(30):
        until(lab, max(result.wake, lab.seam.t + 1), lifetime)
        ends.append((lab.shown("env") in lab.system.living(), result.exit))
        result = lab.run()
    assert set(ends) == {(True, Exit.DONE)}
    assert lab.system.minted > 2


def test_at_rest_the_next_look_is_when_the_margin_of_a_token_begins():
    lab = short_lived(when=EverySlot(DAY), check_every=30 * DAY)
    lab.run(named=True, forced=True)
    for _ in range(2):
        lab.seam.t += 1200
        last = lab.run()
    current = lab.record().current
    expires = current.credential.expires.timestamp()
    assert (last.why, last.wake) == ("at rest", expires - (expires - current.created) / 10)


def test_in_grace_and_soak_the_next_look_is_no_later_than_the_margin_of_a_token():
    lab = in_grace(lifetime=5 * DAY, grace=3 * DAY, soak=DAY, check_every=30 * DAY)
    begins = lab.record().current.credential.expires.timestamp() - 4 * DAY
    assert lab.results[-1].wake == begins < lab.record().revoke_after


@pytest.mark.parametrize("why", ["grace", "hold", "soak"])
def test_no_wait_for_the_end_of_the_old_one_puts_off_the_look_at_places(why):
    lab = Lab("issue, labels", in_memory(), changes={"grace": 7 * DAY, "soak": 5 * DAY, "when": EverySlot(30 * DAY)})
    lab.adopt()
    lab.seam.t += 30 * DAY + 10
    last = lab.run()
    if why == "hold":
        last = lab.run(HoldUntil("a long audit", 30 * DAY))
    if why == "soak":
        lab.seam.t += 8 * DAY
        last = lab.run()
    assert (last.why, last.wake) == (why, lab.seam.t + lab.spec.check_every)


@pytest.mark.parametrize("attempts", [0, 9])
def test_a_failed_attempt_is_no_reason_to_look_at_a_token_after_it_has_expired(attempts):
    lab = short_lived(lifetime=8 * HOUR, when=EverySlot(4 * HOUR), grace=600.0, soak=0.0)
    lab.run(named=True, forced=True)
    for _ in range(2):
        lab.seam.t += 700
        lab.run()
    lab.truth.write(PATH, lab.record().but(attempts=attempts, writes=("by hand",)))
    lab.seam.t += 4 * HOUR
    lab.system.refuses = True
    failed = lab.run()
    assert failed.exit is Exit.FAILED
    assert failed.wake <= lab.record().current.credential.expires.timestamp() - 0.8 * HOUR


# ---- a hold


def test_a_hold_beyond_the_margin_of_a_token_is_refused_and_says_until_when_it_may_last():
    lab = in_grace(lifetime=7 * DAY, when=EverySlot(5 * DAY), soak=0.0)
    margin = lab.record().current.credential.expires.timestamp() - 0.7 * DAY
    result = lab.run(HoldUntil("one consumer is late", 14 * DAY), named=True)
    told = datetime.fromtimestamp(margin, UTC).isoformat(timespec="seconds")
    assert (result.exit, result.why, lab.record().hold) == (Exit.FAILED, "refused", None)
    assert "expire" in result.message
    assert told in result.fix
    assert lab.run(HoldUntil("one consumer is late", margin - lab.seam.t - 10), named=True).why == "hold"


def test_a_hold_as_long_as_may_be_ends_before_the_token_does():
    lab = in_grace(lifetime=7 * DAY, when=EverySlot(5 * DAY), soak=HOUR)
    begins = lab.record().current.credential.expires.timestamp() - 0.7 * DAY
    result, shown = lab.run(HoldUntil("one consumer is late", begins - HOUR - lab.seam.t - 10), named=True), []
    for _ in range(14):
        until(lab, max(result.wake, lab.seam.t + 1), 7 * DAY)
        shown.append(lab.shown("env") in lab.system.living())
        result = lab.run()
    assert (set(shown), lab.system.minted > 1, result.exit) == ({True}, True, Exit.DONE)


# ---- after it has expired


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
    assert lab.shown("env") == lab.shown("local") == ("key-0", lab.first.secret.reveal())
    for _ in range(6):
        lab.seam.t += 45_000
        result = lab.run()
        if lab.record().current.credential.name != "key-0":
            break
    assert (result.exit, lab.shown("env") in lab.system.living()) == (Exit.DONE, True)
    assert lab.record().current.credential.name == "key-2"


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


def test_an_old_one_whose_secret_nobody_knows_is_in_the_way_of_an_expired_current_and_that_is_said():
    lab = Lab("issue, two slots", in_memory(), changes={"grace": 40_000.0})
    lab.system.keys["key-other"] = TwinKey(SECRET, lab.seam.now())
    lab.oracle.start()
    lab.run(Adopt(credential=lab.first, retire="key-other"))
    expiring_at(lab, 5_000)
    lab.at(6_000)
    del lab.system.keys["key-0"]
    touched(lab, broke=True)
    result = lab.run(named=True)
    assert (result.exit, "has expired" in result.message) == (Exit.HUMAN, True)
    assert "rotator adopt orders-db --new" in result.fix.format(spec="orders-db")
    assert living(lab) == ["key-other"]


def test_a_new_one_that_was_refused_does_not_keep_an_expired_current_from_being_replaced():
    lab = resting()
    lab.system.next_is_dud = True
    until(lab, lab.seam.t + 30_000)
    lab.run(named=True)
    lab.seam.t += 10
    result = lab.run(named=True)
    assert (result.exit, lab.shown("env") in lab.system.living()) == (Exit.DONE, True)


# ---- back-off


def test_back_off_does_not_hold_up_what_expires():
    lab = resting()
    now = lab.seam.now()
    waiting = lab.record().but(attempts=9, not_before=now + 20_000, last_slot=now)
    expires = waiting.current.credential.expires.timestamp()
    late = expires - 100
    assert (expiring(lab.spec, waiting, now), expiring(lab.spec, waiting, late)) == (False, True)
    assert row_4(lab.spec, waiting, Seen(), now).name is Name.WAIT
    assert row_4(lab.spec, waiting, Seen(), late) is None
    assert row_4(lab.spec, waiting, Seen(aborted=True), late).name is Name.WAIT
    assert plan(lab.spec, waiting, Seen(), late).name is Name.RESERVE


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
