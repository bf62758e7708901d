"""Labs whose provider mints what dies by itself."""

from dataclasses import replace
from datetime import UTC, datetime

from labs import touched

from rotator.testing.lab import PATH, SHAPES, START, Lab, in_memory
from rotator.testing.twins import CONNECTION, TwinIssue, TwinIssueSettings

LIFE = 20_000.0
"""Seconds."""


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


def expires_at(lab, seconds):
    """Write into the record when current dies by itself."""
    current = lab.record().current
    expires = datetime.fromtimestamp(START + seconds, UTC)
    known = lab.record().but(current=replace(current, credential=replace(current.credential, expires=expires)), writes=("by hand",))
    lab.truth.write(PATH, known)
    lab.oracle.seen = lab.record()
