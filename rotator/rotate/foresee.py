"""Dry-run: the same plan, folded with every step succeeding."""

from __future__ import annotations

from rotator.after import after, learn
from rotator.model import Credential, Secret
from rotator.plan import labelled, orphans, plan, strangers
from rotator.record import Record
from rotator.spec import RotationSpec
from rotator.step import OK, Name, Outcome, Seen, Step

MOST = 60
"""A run has some twenty steps, and those of `many`; more is a loop."""


def many(spec: RotationSpec, r: Record) -> int:
    """Steps that a run may have besides the usual ones."""
    return 2 * (len(spec.places) + len(spec.reloads) + len(r.tombstones))


def presume(spec: RotationSpec, step: Step, r: Record, seen: Seen) -> Outcome:
    """The outcome when the step succeeds."""
    match step.name:
        case Name.STAGE:
            second = len(spec.principals) > 1 and r.current is not None and r.current.credential.name == spec.principals[0]
            return Outcome(data=("new", Credential(name=spec.principals[1 if second else 0], secret=Secret("foreseen"))))
        case Name.RESERVE:
            return Outcome(data=("new", tuple(seen.live)))
        case Name.ISSUE:
            return Outcome(data=Credential(name="new", secret=Secret("foreseen")))
        case Name.RECOVER if step.phase == "intent":
            return Outcome(data=orphans(spec, r, seen.live)[0])
        case Name.SWEEP if step.phase == "intent":
            return Outcome(data=labelled(spec, strangers(r, seen.live), seen.live))
        case Name.SWEEP if step.phase == "keep":
            return Outcome(data=("orphan", max(labelled(spec, strangers(r, seen.live), seen.live))))
        case Name.RELOAD:
            return Outcome(data=step.what[1])
    return OK


def foresee(spec: RotationSpec, record: Record, seen: Seen, now: float) -> list[Step]:
    """The steps that a run beginning now would take, the one that ends it last. Pure."""
    steps: list[Step] = []
    while len(steps) < MOST + many(spec, record):
        step = plan(spec, record, seen, now)
        steps.append(step)
        if step.ends:
            return steps
        outcome = presume(spec, step, record, seen)
        record, seen = after(spec, step, outcome, record, now), learn(step, outcome, record, seen)
    raise AssertionError("the plan does not end: " + " ".join(f"{each.name}/{each.row}" for each in steps[-8:]))
