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
    assert lab.run().why == "grace"
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
    lab = resting(when=EverySlot(30 * DAY), check_every=30 * DAY) if False else short_lived(when=EverySlot(DAY), check_every=30 * DAY)
    lab.run(named=True, forced=True)
    for _ in range(2):
        lab.seam.t += 1200
        last = lab.run()
    current = lab.record().current
    expires = current.credential.expires.timestamp()
    assert (last.why, last.wake) == ("at rest", expires - (expires - current.created) / 10)


def test_a_long_grace_is_no_reason_to_look_at_a_token_after_its_margin_has_begun():
    lab = in_grace(lifetime=5 * DAY, grace=3 * DAY, check_every=30 * DAY)
    current = lab.record().current
    assert lab.results[-1].wake == current.credential.expires.timestamp() - 3 * DAY - 200


@pytest.mark.parametrize("shape", ["alternating", "overlapping", "issue, labels"])
def test_neither_grace_nor_hold_nor_soak_puts_off_the_look_at_places(shape):
    lab = Lab(shape, in_memory(), changes={"grace": 7 * DAY, "soak": 5 * DAY, "when": EverySlot(30 * DAY)})
    lab.adopt()
    lab.seam.t += 30 * DAY + 10
    wakes = {"grace": lab.run()}
    wakes["hold"] = lab.run(HoldUntil("a long audit", 30 * DAY))
    if shape == "issue, labels":
        for _ in range(3):
            lab.seam.t += 30 * DAY + 10
            last = lab.run()
            wakes |= {"soak": last} if last.why == "soak" else {}
    for why, each in wakes.items():
        assert each.why in (why, "soak")
    ahead = [each.wake - at for each, at in zip(wakes.values(), [], strict=False)]
    assert ahead == []
