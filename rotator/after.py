"""What a step leaves behind: `after` is the record to write once it has ended, `learn` what this run alone knows then. Both are pure.

The same record handed back means that there is nothing to write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rotator.errors import Exit
from rotator.model import Credential, changed
from rotator.record import TOMBSTONES_KEPT, Failure, Mark, Pending, Previous, Record, Reload, Tombstone, Version
from rotator.spec import RotationSpec
from rotator.step import BACKOFF, BACKOFF_MAX, LEASE, QUARANTINE, Name, Outcome, Seen, Step
from rotator.target import Live

ROW_BACK, ROW_OPEN_PLACE, ROW_STILL_ALIVE, ROW_ASKED = 10, 14, 16, 23
STAYS = frozenset({"Foreign", "clock", "used"})
"""Errors after which the record stays as it is: a human or time settles them."""


def back_off(spec: RotationSpec, r: Record, now: float) -> Record:
    """One attempt more, and not before so long."""
    wait = min(BACKOFF * 2 ** min(r.attempts, 20), BACKOFF_MAX)
    return r.but(attempts=r.attempts + 1, not_before=now + max(wait, spec.backoff_least))


def bury(r: Record, id: str, credential: Any, now: float) -> tuple[Tombstone, ...]:
    """The tombstones with one more; at a 17th the oldest leaves. What is known by its id alone needs none."""
    rest = tuple(each for each in r.tombstones if each.id != id)
    if credential is None or credential.secret is None:
        return rest
    return (*rest, Tombstone(id, credential, now + QUARANTINE))[-TOMBSTONES_KEPT:]


def after(spec: RotationSpec, step: Step, outcome: Outcome, r: Record, now: float) -> Record:
    """The record to write once `step` ended with `outcome`."""
    if step.ends:
        return back_off(spec, r, now) if step.row == ROW_OPEN_PLACE and step.exit is not Exit.HUMAN else r
    if outcome.error:
        return _after_error(spec, step, outcome, r, now)
    return _AFTER[step.name](spec, step, outcome, r, now)


def _after_error(spec: RotationSpec, step: Step, outcome: Outcome, r: Record, now: float) -> Record:
    name, error, p = step.name, outcome.error, r.pending
    if error in STAYS:
        return r
    if error == "drift":
        return outcome.data  # type: ignore[no-any-return]  # the record with what the gate read
    if (name is Name.VERIFY and error in ("Rejected", "Unfit")) or (name is Name.APPLY and error == "Refused"):
        assert p is not None
        acked, nothing_to_go_back_to = step.what if name is Name.VERIFY else (False, False)
        return back_off(spec, r, now) if nothing_to_go_back_to else r.but(pending=changed(p, failed=Failure(error, acked)))
    if name is Name.ISSUE and error in ("Refused", "Denied"):
        return back_off(spec, r if step.what else r.but(pending=None), now)
    if name is Name.ISSUE and error == "Unreachable" and not step.what:
        return r
    if (name is Name.UNDO and error in ("Rejected", "Unfit")) or (name is Name.ENABLE and step.row == ROW_BACK and error == "Refused"):
        assert r.previous is not None  # and there is no way back to it
        if not step.what:
            return r  # a human asked: it stays as it is
        if r.previous.id in r.compromised:  # leaked, and tried since current has expired: it is dead
            return r.but(previous=changed(r.previous, revoke_intent=now))
        return r.but(compromised=r.compromised | {r.previous.id})
    if (name is Name.CONFIRM and error == "Unfit") or name in (Name.PUBLISH, Name.RELOAD):
        return r  # row 16 again; row 14 counts it
    return back_off(spec, r, now)


def _stage(_spec: RotationSpec, step: Step, outcome: Outcome, r: Record, _now: float) -> Record:
    id, credential = outcome.data
    return r.but(pending=Pending(id, step.what, credential))


def _reserve(_spec: RotationSpec, step: Step, outcome: Outcome, r: Record, now: float) -> Record:
    id, ids = outcome.data
    accepted = r.base & {*ids}  # what is gone by now may give its id to the one that we mint
    return r.but(pending=Pending(id, step.what, None, frozenset(ids), now + LEASE), base=accepted)


def _issue(_spec: RotationSpec, _step: Step, outcome: Outcome, r: Record, _now: float) -> Record:
    assert r.pending is not None
    return r.but(pending=changed(r.pending, credential=outcome.data))


def _recover(_spec: RotationSpec, step: Step, outcome: Outcome, r: Record, now: float) -> Record:
    if step.phase == "intent":
        return r.but(doomed=tuple(outcome.data))
    assert r.pending is not None
    return r.but(doomed=(), pending=changed(r.pending, mint_until=now + LEASE))


def _sweep(spec: RotationSpec, step: Step, outcome: Outcome, r: Record, now: float) -> Record:
    if step.phase == "keep":
        old = Previous(outcome.data[0], Credential(name=outcome.data[1], secret=None), now, orphan=True) if outcome.data else None
        return r.but(previous=old, revoke_after=now + spec.grace) if old else r  # row 23 is after 14: every place shows current
    if step.phase == "back":
        return r.but(doomed=tuple(each for each in r.doomed if each != step.what))
    return r.but(doomed=tuple(outcome.data) if step.phase == "intent" else ())


def clock_set_back(r: Record, now: float) -> Record:
    """What a clock that was ahead has written, as of now: nothing began later. Grace begins anew."""
    c, p, q = r.current, r.pending, r.previous
    times = ("created", "probed", "disable_intent", "disabled_at", "revoke_intent")
    old = {name: min(vars(q)[name], now) for name in times if q and vars(q)[name] is not None}
    return r.but(
        last_slot=min(r.last_slot, now),
        not_before=None,
        revoke_after=None,
        current=changed(c, created=min(c.created, now)) if c else None,
        pending=changed(p, slot=min(p.slot, now), mint_until=p.mint_until and min(p.mint_until, now)) if p else None,
        previous=changed(q, **old) if q else None,
    )


def next_generation(r: Record, now: float) -> int:
    """Above any that a place was shown, also by a record which was since restored: each is at most the second in which it began."""
    return max(r.generation + 1, int(now))


def _promote(_spec: RotationSpec, _step: Step, _outcome: Outcome, r: Record, now: float) -> Record:
    c, p, q = r.current, r.pending, r.previous
    assert p is not None
    assert p.credential is not None
    return r.but(
        current=Version(p.id, p.credential, now),
        previous=Previous(c.id, c.credential, c.created, probed=now) if c else None,
        pending=None,
        last_slot=max(p.slot, r.last_slot),
        generation=next_generation(r, now),
        revoke_after=None,
        not_before=None,
        asked=False,
        tombstones=bury(r, q.id, q.credential, now) if q else r.tombstones,
    )


def _undo(_spec: RotationSpec, step: Step, _outcome: Outcome, r: Record, now: float) -> Record:
    c, q = r.current, r.previous
    assert c is not None
    assert q is not None
    return r.but(
        current=Version(q.id, q.credential, q.created),
        previous=Previous(c.id, c.credential, c.created, probed=now),
        generation=next_generation(r, now),
        revoke_after=None,
        asked=r.asked or bool(step.what),
        places={},
        reloads={},
        hold=None,
    )


def _publish(_spec: RotationSpec, step: Step, outcome: Outcome, r: Record, now: float) -> Record:
    if step.phase == "intent":
        assert r.current is not None
        if outcome.data:
            return r
        return r.but(marks={**r.marks, step.what: changed(r.marks.get(step.what, Mark()), writing=r.current.id)})
    if step.phase == "act":
        assert r.current is not None
        new, done = r.current.id, r.places.get(step.what) == r.current.id
        r = r.but(marks={**r.marks, step.what: outcome.data}) if outcome.data else r
        return r if done else r.but(places={**r.places, step.what: new}, revoke_after=None)
    starts = step.what is not None and r.revoke_after is None
    return r.but(attempts=0, not_before=None, revoke_after=now + step.what if starts else r.revoke_after)


def _reload(_spec: RotationSpec, step: Step, outcome: Outcome, r: Record, _now: float) -> Record:
    assert r.current is not None
    return r.but(reloads={**r.reloads, step.what[0]: Reload(r.current.id, outcome.data)})


def _disable(_spec: RotationSpec, step: Step, _outcome: Outcome, r: Record, now: float) -> Record:
    assert r.previous is not None
    changes = {"disable_intent": now} if step.phase == "intent" else {"disabled_at": now}
    return r.but(previous=changed(r.previous, **changes))


def _enable(_spec: RotationSpec, _step: Step, _outcome: Outcome, r: Record, _now: float) -> Record:
    assert r.previous is not None
    return r.but(previous=changed(r.previous, disable_intent=None, disabled_at=None))


def _revoke(_spec: RotationSpec, step: Step, _outcome: Outcome, r: Record, now: float) -> Record:
    assert r.previous is not None
    if step.phase == "intent":
        return r.but(previous=changed(r.previous, revoke_intent=now))
    return r.but(previous=changed(r.previous, revoked=True))


def _confirm(_spec: RotationSpec, _step: Step, _outcome: Outcome, r: Record, now: float) -> Record:
    q = r.previous
    assert q is not None
    tombstones, compromised = bury(r, q.id, q.credential, now), r.compromised - {q.id}
    return r.but(previous=None, attempts=0, not_before=None, tombstones=tombstones, compromised=compromised, hold=None)


def _abort(spec: RotationSpec, _step: Step, _outcome: Outcome, r: Record, now: float) -> Record:
    p = r.pending
    assert p is not None
    slot = p.slot if p.failed and p.failed.reason == "undo" else -1.0
    tombstones, compromised = bury(r, p.id, p.credential, now), r.compromised - {p.id}
    gone = r.but(pending=None, tombstones=tombstones, compromised=compromised, last_slot=max(r.last_slot, slot))
    return back_off(spec, gone, now)


def _bury(_spec: RotationSpec, step: Step, _outcome: Outcome, r: Record, _now: float) -> Record:
    return r if step.phase == "act" else r.but(tombstones=tuple(each for each in r.tombstones if each.id != step.what))


def _nothing(_spec: RotationSpec, _step: Step, _outcome: Outcome, r: Record, _now: float) -> Record:
    return r


_AFTER: dict[Name, Callable[[RotationSpec, Step, Outcome, Record, float], Record]] = {
    Name.STAGE: _stage,
    Name.RESERVE: _reserve,
    Name.APPLY: _nothing,
    Name.ISSUE: _issue,
    Name.RECOVER: _recover,
    Name.VERIFY: _nothing,
    Name.PROMOTE: _promote,
    Name.UNDO: _undo,
    Name.PUBLISH: _publish,
    Name.RELOAD: _reload,
    Name.DISABLE: _disable,
    Name.ENABLE: _enable,
    Name.REVOKE: _revoke,
    Name.CONFIRM: _confirm,
    Name.ABORT: _abort,
    Name.BURY: _bury,
    Name.SWEEP: _sweep,
}


# ---- what the run knows


def learn(step: Step, outcome: Outcome, r: Record, seen: Seen) -> Seen:
    """What the run knows after `step`; `r` is the record before it. Dry-run folds this too."""
    name, error = step.name, outcome.error
    if name in (Name.PUBLISH, Name.RELOAD) and (step.phase == "act" or error):
        return _learn_place(step, outcome, r, seen)
    if name is Name.ISSUE and error == "Unreachable":
        return seen.but(clear=None, unknown_issues=seen.unknown_issues + 1)
    if name is Name.CONFIRM:
        return seen.but(still_alive=error == "Unfit", forced=False)
    if name is Name.VERIFY and error in ("Rejected", "Unfit"):
        return seen.but(applied=None)
    if name is Name.BURY:
        return seen.but(alive_tombstones=seen.alive_tombstones - {step.what})
    if error:
        return seen
    if name is Name.PUBLISH:
        return seen
    if step.phase == "intent":
        return seen.but(intents=seen.intents | {_INTENTS[name]})
    return _learn_done(step, outcome, r, seen)


_INTENTS = {Name.RECOVER: "doomed", Name.SWEEP: "doomed", Name.DISABLE: "disable", Name.REVOKE: "revoke"}


def _learn_place(step: Step, outcome: Outcome, r: Record, seen: Seen) -> Seen:
    key = step.what if step.name is Name.PUBLISH else step.what[0]
    seen = seen.but(tried=seen.tried | {key})
    if step.name is Name.RELOAD or outcome.error:
        return seen
    assert r.current is not None
    return seen.but(shows={**seen.shows, key: r.current.id})


def _learn_done(step: Step, outcome: Outcome, r: Record, seen: Seen) -> Seen:
    p, nothing = r.pending, frozenset[str]()
    match step.name:
        case Name.RESERVE:
            return seen.but(clear=outcome.data[0])
        case Name.RECOVER | Name.SWEEP:
            live = _without(seen, *r.doomed)
            seen = seen.but(intents=seen.intents - {"doomed"}, live=live)
            return seen.but(clear=p.id, unknown_issues=max(1, seen.unknown_issues)) if p else seen
        case Name.ISSUE:
            return seen.but(live={**seen.live, outcome.data.name: Live(outcome.data.name)})
        case Name.APPLY:
            return seen.but(applied=p.id if p else None)
        case Name.VERIFY:
            return seen.but(verified=p.id if p else None)
        case Name.PROMOTE:
            return seen.but(verified=None, applied=None, forced=False, tried=nothing)
        case Name.UNDO:
            return seen.but(undo=False, tried=nothing, intents=nothing, still_alive=False)
        case Name.ENABLE:
            return seen.but(intents=seen.intents - {"disable"})
        case Name.REVOKE:
            gone = [r.previous.credential.name] if r.previous else []
            intents = seen.intents - {"revoke"}
            return seen.but(intents=intents, revoked_again=step.row == ROW_STILL_ALIVE, still_alive=False, live=_without(seen, *gone))
        case Name.ABORT:
            gone = [p.credential.name] if p and p.credential else []
            return seen.but(aborted=True, clear=None, forced=False, live=_without(seen, *gone))
    return seen


def _without(seen: Seen, *ids: str) -> dict[str, Live]:
    return {id: each for id, each in seen.live.items() if id not in ids}
