"""What dies by itself is replaced before it does: it is looked at in time, and neither a hold nor back-off is in its way."""

from datetime import UTC, datetime

import pytest
from expiring import in_grace, resting, short_lived, until

from rotator.errors import Exit
from rotator.plan import expiring, plan, renewal, row_4
from rotator.rotate import HoldUntil
from rotator.step import Name, Seen
from rotator.testing.lab import PATH, EverySlot, Lab, in_memory

HOUR, DAY = 3600.0, 86_400.0


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
    assert failed.wake <= renewal(lab.spec, lab.record())


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
