"""What comes next: one table. `plan` is its first matching row; asked again after every step.

There is no clock, no I/O and no randomness in here, and no other file decides what comes next: `run` performs the step, `dry-run`
prints it, and recovery is the same call on a record that a crash left behind. What a step leaves behind stands in `after.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rotator.errors import Exit
from rotator.model import Reached
from rotator.record import FORMAT, Previous, Record
from rotator.spec import RotationSpec
from rotator.step import FOREIGN, MINT_TOLERANCE, Name, Seen, Step
from rotator.target import Live

BRIEF = 120.0
"""Seconds: what dies by itself within these is not gone back to. Clocks may differ by 60, and the next one is to be made meanwhile."""

ROW_HOLD = 18

# ---- what the rows ask


def renewal(spec: RotationSpec, r: Record) -> float | None:
    """When current must be replaced since it dies by itself: a tenth of its lifetime before, at least grace + soak."""
    if not r.current or not r.current.credential.expires:
        return None
    expires = r.current.credential.expires.timestamp()
    return expires - max((expires - r.current.created) / 10, spec.grace + spec.soak)


def expiring(spec: RotationSpec, r: Record, now: float) -> bool:
    """Whether current dies by itself soon, or has."""
    at = renewal(spec, r)
    return at is not None and now >= at


def spared(r: Record) -> frozenset[str]:
    """Ids that are ours, or accepted by a human. That of a dead one is neither: a provider may give it again."""
    return r.base | {each.name for each in r.versions()}


def strangers(r: Record, live: Mapping[str, Live]) -> list[str]:
    """Ids alive at the provider that are neither ours nor accepted by a human."""
    known = spared(r)
    return [each for each in live if each not in known]


def labelled(spec: RotationSpec, ids: list[str], live: Mapping[str, Live]) -> list[str]:
    """Those that carry the id of a rotation of this spec: certainly ours."""
    return [each for each in ids if spec.ours.search(live[each].label or "")]


def orphans(spec: RotationSpec, r: Record, live: Mapping[str, Live]) -> tuple[list[str], bool]:
    """RECOVER: the ids that may be revoked, and whether that is certain enough.

    Create time is only ever an upper bound: clocks differ.
    """
    assert r.pending is not None
    ids = [each for each in strangers(r, live) if each not in (r.pending.reserved or ())]
    if spec.can.labels:
        return labelled(spec, ids, live), True
    fits = [each for each in ids if _may_be_ours(live[each], r.pending.mint_until)]
    return fits, not ids or (len(ids) == 1 and fits == ids)


def _may_be_ours(one: Live, mint_until: float | None) -> bool:
    made_in_time = one.created is not None and mint_until is not None and one.created.timestamp() <= mint_until + MINT_TOLERANCE
    return made_in_time and one.last_used is None


def shows_current(r: Record, seen: Seen, place: str) -> bool:
    """The fields read are current's, and the record says so too."""
    return r.current is not None and seen.shows.get(place) == r.current.id == r.places.get(place)


def shows_foreign(seen: Seen, place: str) -> bool:
    """It shows what is none of ours, and no human gave that up."""
    return seen.shows.get(place) == FOREIGN and place not in seen.overwrite


def unobserved(spec: RotationSpec, r: Record) -> list[str]:
    """Places that say they took current, and show nobody what they hold; until a consumer, or a human, says that it was seen."""
    current = r.current
    if not current or any(each.version == current.id and each.level >= Reached.adopted for each in r.reloads.values()):
        return []
    told = [each.place.name for each in spec.places if each.attested and r.places.get(each.place.name) == current.id]
    return [name for name in told if name not in r.marks or r.marks[name].seen != current.id]


def reload_open(r: Record, name: str, level: int) -> bool:
    """Whether a reload is below its level for current."""
    reached = r.reloads.get(name)
    return not reached or not r.current or reached.version != r.current.id or reached.level < level


def _recover(row: int, seen: Seen) -> Step:
    return Step(Name.RECOVER, row, "act" if "doomed" in seen.intents else "intent")


def _sweep(row: int, seen: Seen) -> Step:
    return Step(Name.SWEEP, row, "act" if "doomed" in seen.intents else "intent")


def _revoke(row: int, seen: Seen) -> Step:
    return Step(Name.REVOKE, row, "act" if "revoke" in seen.intents else "intent")


def _begin(row: int, spec: RotationSpec, slot: float) -> Step:
    return Step(Name.STAGE if spec.is_set else Name.RESERVE, row, what=slot)


def _stop(row: int, code: Exit, why: str) -> Step:
    return Step(Name.STOP, row, exit=code, why=why)


def _wait(row: int, until: float, why: str) -> Step:
    return Step(Name.WAIT, row, what=until, why=why)


# ---- the table: each row gives its step, or None where it does not match


def row_1(_spec: RotationSpec, r: Record, seen: Seen, now: float) -> Step | None:
    """Another's lease, not lapsed."""
    if r.lease and r.lease.run != seen.run and now < r.lease.until and not seen.holder_dead:
        return _stop(1, Exit.BUSY, "lease")
    return None


def row_2(spec: RotationSpec, r: Record, _seen: Seen, _now: float) -> Step | None:
    """A newer format, a record that counts no more (or not yet), or another identity."""
    if r.format > FORMAT:
        return _stop(2, Exit.HUMAN, "format")
    if r.elsewhere:
        return _stop(2, Exit.HUMAN, "elsewhere")
    return _stop(2, Exit.HUMAN, "identity") if r.identity not in (None, spec.identity) else None


def row_3(_spec: RotationSpec, r: Record, _seen: Seen, _now: float) -> Step | None:
    """Neither current nor pending."""
    return _stop(3, Exit.HUMAN, "adopt") if not r.current and not r.pending else None


def row_4(spec: RotationSpec, r: Record, seen: Seen, now: float) -> Step | None:
    """Back-off: it holds in the run that made an ABORT, else for what is not named, compromised or expiring."""
    if r.not_before and now < r.not_before and (seen.aborted or not (seen.named or r.compromised or expiring(spec, r, now))):
        return _wait(4, r.not_before, "not_before")
    return None


def row_5(spec: RotationSpec, r: Record, seen: Seen, now: float) -> Step | None:
    """A tombstone logs in: kill it again. Expired, and every place shows current: drop it."""
    for each in r.tombstones:
        if each.id in seen.alive_tombstones:
            return Step(Name.BURY, 5, "act", each.id)
    if not r.current or all(shows_current(r, seen, place) for place in spec.place_names):
        for each in r.tombstones:
            if now >= each.until:
                return Step(Name.BURY, 5, "drop", each.id)
    return None


def row_6(spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """Pending failed or compromised. An issue without a credential is recovered first."""
    p = r.pending
    if not p or not (p.failed or p.id in r.compromised):
        return None
    if not spec.is_set and not p.credential and seen.clear != p.id:
        return _recover(6, seen)
    return Step(Name.ABORT, 6, "act")


def row_7(spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """Issue, pending without a credential: mint only on a reservation of this run; else recover first."""
    p = r.pending
    if not p or spec.is_set or p.credential:
        return None
    return Step(Name.ISSUE, 7, "act", seen.unknown_issues) if seen.clear == p.id else _recover(7, seen)


def row_8(spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """Pending, not verified."""
    p = r.pending
    if not p or seen.verified == p.id:
        return None
    if spec.is_set and seen.applied != p.id:
        return Step(Name.APPLY, 8, "act")
    return Step(Name.VERIFY, 8, "act", (seen.applied == p.id, spec.shape.one_user and not r.current))


def row_9(_spec: RotationSpec, r: Record, _seen: Seen, _now: float) -> Step | None:
    """Pending, verified."""
    return Step(Name.PROMOTE, 9) if r.pending else None


def row_10(spec: RotationSpec, r: Record, seen: Seen, now: float) -> Step | None:
    """Current compromised or expired, or a human's undo in this run; previous can be gone back to, and lasts."""
    c, q = r.current, r.previous
    assert c is not None  # rows 3 and 9 have passed
    expired = c.id in seen.died
    leaked = c.id in r.compromised or expired
    if not q or (q.id in r.compromised and not expired) or q.revoke_intent or q.revoked or spec.in_place or q.id in seen.died:
        return None
    if not (leaked or seen.undo) or q.credential.secret is None or (q.credential.expired(now + BRIEF) and not expired):
        held = r.hold is not None and now < r.hold.until and (q.disable_intent or q.disabled_at)
        return Step(Name.ENABLE, ROW_HOLD, "act") if held else None  # at once, whatever place is open
    return Step(Name.ENABLE, 10, "act", leaked) if q.disable_intent or q.disabled_at else Step(Name.UNDO, 10, "act", leaked)


def undoes(spec: RotationSpec, r: Record, seen: Seen, now: float) -> bool:
    """Whether a run would make the old one current again: row 10, but for what it does under the number of row 18."""
    step = row_10(spec, r, seen, now) if r.current else None
    return step is not None and step.row != ROW_HOLD


def row_11(spec: RotationSpec, r: Record, seen: Seen, now: float) -> Step | None:
    """Current compromised or expiring, and no previous in the way (in place it is dead)."""
    c, q = r.current, r.previous
    assert c is not None
    leaked = c.id in r.compromised
    if spec.retire or not (leaked or expiring(spec, r, now)):
        return None
    if q and not spec.in_place:
        if c.id not in seen.died or not gives_way(spec, r, seen, now):
            return None
        return Step(Name.CONFIRM, 16, "act") if q.revoked else _revoke(17, seen)
    if leaked and spec.can.labels and not may_show_an_orphan(spec, seen) and labelled(spec, strangers(r, seen.live), seen.live):
        return _sweep(11, seen)
    return _begin(11, spec, now)


def may_show_an_orphan(spec: RotationSpec, seen: Seen) -> bool:
    """Whether a human gave up what a place shows: it stays alive until the place shows the next one."""
    return any(seen.shows.get(place) == FOREIGN and place in seen.overwrite for place in spec.place_names)


def gives_way(spec: RotationSpec, r: Record, seen: Seen, now: float) -> bool:
    """Whether the old one may go at once beside an expired current: it is dead; or no place shows it, and its end is written or due."""
    q = r.previous
    if not q or q.revoked or q.id in seen.died:
        return True
    unshown = all(shows_current(r, seen, place) for place in spec.place_names)
    return unshown and (q.revoke_intent is not None or _spent(spec, r, q, now))


def _spent(spec: RotationSpec, r: Record, q: Previous, now: float) -> bool:
    """Whether nobody knows its secret, so that it cannot be gone back to, and its grace and soak are over."""
    held = r.hold is not None and now < r.hold.until
    return q.credential.secret is None and not spec.retire and not held and r.revoke_after is not None and now >= r.revoke_after + spec.soak


def row_12(spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """A place not tried in this run does not show current, and shows nothing foreign."""
    for place in spec.place_names:
        if place not in seen.tried and not shows_current(r, seen, place) and not shows_foreign(seen, place):
            return Step(Name.PUBLISH, 12, "act" if place not in spec.attested or _announced(r, place) else "intent", place)
    return None


def _announced(r: Record, place: str) -> bool:
    """Whether the record says that we are about to write current there."""
    return r.current is not None and place in r.marks and r.marks[place].writing == r.current.id


def row_13(spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """A reload below its level for current, not tried."""
    for each in spec.reloads:
        if each.name not in seen.tried and reload_open(r, each.name, each.level):
            return Step(Name.RELOAD, 13, "act", (each.name, each.level))
    return None


def row_14(spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """A place shows what is foreign; or a place or reload is still open."""
    open_places = [place for place in spec.place_names if not shows_current(r, seen, place)]
    if any(shows_foreign(seen, place) for place in open_places):
        return _stop(14, Exit.HUMAN, "foreign_change of place")
    if open_places or any(reload_open(r, each.name, each.level) for each in spec.reloads):
        return _stop(14, Exit.FAILED if spec.in_place else Exit.UNPROVEN, "open place")
    return None


def row_15(spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """Every place is complete: grace starts, attempts are forgotten."""
    q = r.previous
    starts = q is not None and not q.revoked and not spec.in_place
    if (starts and r.revoke_after is None) or (r.attempts and seen.tried):
        return Step(Name.PUBLISH, 15, "complete", spec.grace if starts else None)
    return None


def row_16(spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """Previous revoked, or in place: prove it dead. It still logs in: once more, then a human."""
    q = r.previous
    if not q or not (q.revoked or spec.in_place):
        return None
    if not seen.still_alive:
        return Step(Name.CONFIRM, 16, "act")
    return _stop(16, Exit.HUMAN, "revoked and still alive") if seen.revoked_again else Step(Name.REVOKE, 16, "act")


def row_17(spec: RotationSpec, r: Record, seen: Seen, now: float) -> Step | None:
    """Previous compromised or expired: no grace, no hold, but the gate. So for an orphan that nobody holds, while current leaked."""
    c, q = r.current, r.previous
    assert c is not None
    free = q is not None and q.orphan and not spec.retire and not (r.hold and now < r.hold.until)
    at_once = q is not None and (q.id in r.compromised or q.id in seen.died or (free and c.id in r.compromised))
    return _revoke(17, seen) if at_once else None


def row_18(_spec: RotationSpec, r: Record, _seen: Seen, now: float) -> Step | None:
    """Previous under a hold; row 10 has switched it on again."""
    return _wait(18, r.hold.until, "hold") if r.previous and r.hold and now < r.hold.until else None


def row_19(_spec: RotationSpec, r: Record, _seen: Seen, now: float) -> Step | None:
    """Previous in its grace."""
    return _wait(19, r.revoke_after, "grace") if r.previous and r.revoke_after is not None and now < r.revoke_after else None


def row_20(spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """Previous can be switched off first."""
    if r.previous and spec.can.disables and not r.previous.disabled_at:
        return Step(Name.DISABLE, 20, "act" if "disable" in seen.intents else "intent")
    return None


def row_21(spec: RotationSpec, r: Record, _seen: Seen, now: float) -> Step | None:
    """Previous switched off, and waiting whether anybody misses it."""
    q = r.previous
    return _wait(21, q.disabled_at + spec.soak, "soak") if q and q.disabled_at and now < q.disabled_at + spec.soak else None


def row_22(_spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """Previous, its time over."""
    return _revoke(22, seen) if r.previous else None


def row_23(spec: RotationSpec, r: Record, seen: Seen, _now: float) -> Step | None:
    """Issue: an id alive outside current and base. Only our label makes it ours for certain; after a restore consumers may hold it,
    so it becomes the old one, with its grace.
    """
    ids = [] if spec.is_set else strangers(r, seen.live)
    back = [each for each in r.doomed if each in r.base and each in seen.live]
    if back and spec.can.disables:
        return Step(Name.SWEEP, 23, "back", back[0])
    if any(each in ids for each in r.doomed):
        return Step(Name.SWEEP, 23, "act")  # a human said so, and the provider did not answer
    if not ids:
        return None
    ours = spec.can.labels and labelled(spec, ids, seen.live)
    return Step(Name.SWEEP, 23, "keep") if ours else _stop(23, Exit.HUMAN, "orphan.suspect")


def row_24(spec: RotationSpec, r: Record, seen: Seen, now: float) -> Step | None:
    """Due, asked or forced."""
    if spec.retire:
        return None
    due = spec.when.slot(r.last_slot, now)
    if due is not None:
        return _begin(24, spec, due)
    return _begin(24, spec, now) if r.asked or seen.forced else None


def row_25(_spec: RotationSpec, _r: Record, _seen: Seen, _now: float) -> Step | None:
    """Else."""
    return Step(Name.REST, 25, why="at rest")


Row = Callable[[RotationSpec, Record, Seen, float], Step | None]
ROWS: tuple[Row, ...] = (
    row_1, row_2, row_3, row_4, row_5, row_6, row_7, row_8, row_9, row_10, row_11, row_12, row_13,
    row_14, row_15, row_16, row_17, row_18, row_19, row_20, row_21, row_22, row_23, row_24, row_25,
)  # fmt: skip


def plan(spec: RotationSpec, record: Record, seen: Seen, now: float) -> Step:
    """The first row that matches."""
    for row in ROWS:
        step = row(spec, record, seen, now)
        if step:
            return step
    raise AssertionError("the last row matches always")
