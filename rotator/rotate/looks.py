"""What a run reads: logins, lists, places, the gate, and CHECK."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from rotator.audit import EventName
from rotator.destination import Attested, Destination
from rotator.errors import PortError, Rejected, Unfit, Unreachable
from rotator.model import Credential, Finding, Level, Secret, Settle, Shape, same_values
from rotator.plan import gives_way
from rotator.record import Record
from rotator.reload import Reload
from rotator.rotate.door import HIDDEN, Door, Kind
from rotator.rotate.order import Adopt, Compromise, Resolve, Stopped, Undo
from rotator.spec import PlaceSpec
from rotator.step import FOREIGN, OK, UNREAD, Name, Outcome
from rotator.target import IssueTarget, Live

SKEW = 60.0
"""Seconds by which clocks may differ; also how exact a provider's "last used" is taken to be."""
LOOK_SHARE = 0.2
"""Of a run's time: what one look at all places may take."""
LONGEST_LOOK = 86400.0
"""Seconds: the span before a revocation in which the old one may not have been used is half of this, or of grace if that is less."""


def observe(r: Record, shows: Mapping[str, str | None]) -> Record:
    """What was read of the places, as the record shall say it: a place that stopped showing current makes grace start again."""
    current = r.current
    if not current:
        return r
    gone = {place: None for place, seen in shows.items() if seen not in (UNREAD, current.id) and r.places.get(place) == current.id}
    return r.but(places={**r.places, **gone}, revoke_after=None, reloads={}) if gone else r


class Looks(Door):
    """Reads only: nothing in here changes a target, a place or the record."""

    findings: tuple[Finding, ...] = ()
    unread: dict[str, PortError]
    """Why a place could not be read, by its name; of the last look at all of them."""
    unfit: frozenset[str] = frozenset()
    """Places and reloads whose own look found what must be mended."""

    # ---- logins

    def prove(self, step: Name, credential: Credential) -> None:
        """Prove that it works: `streak` fresh logins in a row, within the time that the target may be late. Raises `Rejected`, `Unfit`."""
        target = self.ports.target
        login = target.control if step is Name.CONFIRM else target.verify
        self._probe(step, "login", lambda: login(credential), target.can.appears, (Rejected,), credential)

    def _probe(
        self, step: Name, effect: str, call: Callable[[], str], late: Settle, not_yet: tuple[type[PortError], ...], credential: Credential
    ) -> None:
        end, streak = self.seam.ticks() + late.within.total_seconds(), 0
        while streak < late.streak:
            try:
                self.do(step, effect, call, port=self.ports.target, kind=Kind.READ, credential=credential.name)
                streak += 1
            except not_yet:
                streak = 0
                if self.seam.ticks() >= end:
                    raise
            if streak < late.streak:
                self.seam.sleep(late.every.total_seconds())

    def works(self, step: Name, credential: Credential) -> bool:
        """Whether it logs in now; one try. Let in but unfit is alive."""
        target = self.ports.target
        try:
            self.do(step, "login", lambda: target.verify(credential), port=target, kind=Kind.READ, credential=credential.name)
        except Unfit:
            return True
        except Rejected:
            return False
        return True

    def still_lives(self, dead: Credential) -> bool:
        """Whether one that is dead logs in after all; one try. That it is refused is what is to be seen, and no failure."""
        target = self.ports.target

        def look() -> bool:
            try:
                target.verify(dead)
            except Unfit:
                return True
            except Rejected:
                target.close()
                return False
            return True

        return self.do(Name.CHECK, "login of a dead one", look, port=target, kind=Kind.READ, credential=dead.name)

    def lives(self, step: Name, credential: Credential) -> bool:
        """As `works`, but a refusal counts only once the target can be late no more. For what is never asked again."""
        try:
            self.prove(step, credential)
        except Unfit:
            return True
        except Rejected:
            return False
        return True

    def current_refused(self, step: Name) -> Outcome | None:
        """The control login: None where current works; else how the step ends. A refusal is somebody else's change."""
        assert self.record.current is not None
        try:
            self.prove(step, self.record.current.credential)
        except Rejected:
            return Outcome("Rejected" if self.record.current.credential.expired(self.seam.now()) else "Foreign")
        except Unfit:
            return Outcome("Unfit")
        return None

    def keep(self, but: Credential | None = None) -> list[Credential]:
        """What must go on working, less the named: current, and previous while nothing was begun against it."""
        c, q = self.record.current, self.record.previous
        kept = [c.credential] if c else []
        if q and q.credential.secret and not (self.spec.in_place or q.disable_intent or q.revoke_intent or q.revoked):
            kept.append(q.credential)
        return [each for each in kept if each is not but]

    def listed(self, step: Name) -> dict[str, Live]:
        """All ids that the provider lists; a Set target has none."""
        target = self.ports.target
        if not isinstance(target, IssueTarget) or not target.can.lists:
            return {}
        return {each.id: each for each in self.do(step, "list", target.live, port=target, kind=Kind.READ)}

    # ---- places

    def shown(self, step: Name, each: PlaceSpec) -> str | None:
        """Which version a place shows: its id, None, FOREIGN or UNREAD; of one that nobody can read, which it must show by its mark."""
        port = self.ports.places[each.place.name]
        try:
            if each.attested:
                return self.attested(each.place.name, self.mark(step, each))
            values = self.do(
                step, "read place", lambda: port.published(each.place), port=port, kind=Kind.READ, tries=1, place=each.place.name
            )
        except PortError as error:
            self.unread[each.place.name] = error
            return UNREAD
        return self.classify(each, values) if values else None

    def mark(self, step: Name, each: PlaceSpec) -> str | None:
        """What a place that nobody can read tells of its last write."""
        port = self.ports.places[each.place.name]
        assert isinstance(port, Attested)
        return self.do(step, "read mark", lambda: port.mark(each.place), port=port, kind=Kind.READ, tries=1, place=each.place.name)

    def attested(self, name: str, mark: str | None) -> str | None:
        """What it must show: the version that we wrote last, unless somebody wrote since. Where we are about to write, none is foreign."""
        r = self.record
        known, ours = r.marks.get(name), r.places.get(name)
        if known is None:
            return None if mark is None else FOREIGN
        if mark is None:
            return None
        if mark != known.told and not known.writing:
            return FOREIGN
        return ours if mark == known.told and r.current and ours == r.current.id else None

    def classify(self, each: PlaceSpec, values: Mapping[str, Secret]) -> str:
        """The id of the version that these values are; FOREIGN: none of ours."""
        r, fields = self.record, self.ports.target.fields
        for one in (r.current, r.pending, r.previous, *r.tombstones):
            credential = one.credential if one else None
            if one and credential and credential.secret and same_values(each.place.values(credential.values(fields)), values):
                return one.id
        return FOREIGN

    def read_places(self, step: Name) -> dict[str, str | None]:
        """What every place of today's spec shows. One that cannot be read never stops the others; `unread` has why."""
        self.unread, begun, shows = {}, self.seam.ticks(), dict[str, str | None]()
        for each in self.spec.places:
            name = each.place.name
            shows[name] = self.shown(step, each) if self.has_time(begun) else UNREAD
            if shows[name] == UNREAD:
                self.unread.setdefault(name, Unreachable("it was not read: places before it gave no answer in time"))
        return shows

    def has_time(self, begun: float) -> bool:
        """Whether a look that began then may ask one place more: ten that give no answer would take the time of every step."""
        return self.seam.ticks() - begun < self.order.run_time * LOOK_SHARE

    def place_port(self, name: str) -> tuple[PlaceSpec, Destination[Any]]:
        """A place by its name, with its port."""
        return next(each for each in self.spec.places if each.place.name == name), self.ports.places[name]

    # ---- the gate before an intent

    def gate(self, step: Name, *, alone: bool = False) -> Outcome:
        """Every place read again shows current, current logs in, the old one is not in use, clocks agree. Else how the step ends.

        `alone`: current has expired, so that it need not log in.
        """
        r = self.record
        assert r.current is not None
        shows = self.read_places(step)
        self.seen = self.seen.but(shows=shows)
        if UNREAD in shows.values():
            return Outcome("Unreachable")
        if any(each != r.current.id for each in shows.values()):
            return Outcome("drift", observe(r, shows))
        refused = None if alone else self.current_refused(step)
        return refused or self.in_use(step) or (Outcome("clock") if self.clock_suspect(step) else OK)

    def in_use(self, step: Name) -> Outcome | None:
        """Whether somebody else still uses the old one. Our own logins do not count; a compromised one is not spared."""
        q, target = self.record.previous, self.ports.target
        assert q is not None
        if not target.can.tells_use or q.id in self.record.compromised:
            return None
        used: datetime | None = self.do(
            step, "last used", lambda: target.last_used(q.credential), port=target, kind=Kind.READ, credential=q.credential.name
        )
        span = min(self.spec.grace, LONGEST_LOOK) / 2
        if used is None or used.timestamp() <= (q.probed or 0) + SKEW or used.timestamp() + span <= self.seam.now():
            return None
        self.tell(None, EventName.OLD_USED, credential=q.credential.name, reason=f"last used {used.isoformat(timespec='seconds')}")
        return Outcome("used", used.timestamp() + span)

    def clock_suspect(self, step: Name) -> bool:
        """Whether the wall clock is more than SKEW off the store's or the target's, or before the record's last write."""
        now, command = self.seam.now(), self.order.command
        told = isinstance(command, Resolve) and command.clock
        if now < self.record.at - SKEW and not told:
            return True
        return any(abs(other.timestamp() - now) > SKEW for other in self._clocks(step))

    def _clocks(self, step: Name) -> Iterable[datetime]:
        for port in (self.ports.store, self.ports.target):
            told: datetime | None = self.do(step, "clock", port.clock, port=port, kind=Kind.READ)
            if told is not None:
                yield told

    # ---- CHECK

    def check(self) -> None:
        """Look at the target, the store and all places; nothing is changed. Raises `Stopped` where a human must come, `PortError`."""
        self.seen = self.seen.but(alive_tombstones=self._living_tombstones())
        found = [*self.check_target(), *self.check_store()]
        shows = self.read_places(Name.CHECK)
        told = [Finding(Level.WARN, "place.missing", f"{name}: {error.what}", error.fix) for name, error in self.unread.items()]
        found += [each for each in told if not any(each.fix == one.fix and one.text in each.text for one in found)]
        self.findings = tuple(self._shown(each) for each in found)
        self.seen = self.seen.but(shows=shows, live=self.listed(Name.CHECK))
        q = self.record.previous
        if q and q.credential.secret and q.credential.expired(self.seam.now()) and not self.works(Name.CHECK, q.credential):
            self.seen = self.seen.but(died=frozenset({q.id}))
        if self.record.current and not isinstance(self.order.command, Adopt) and not self.goes_back():
            self.check_current(self.record.current.credential)

    def _living_tombstones(self) -> frozenset[str]:
        """As `living_tombstones`. Where that cannot be told, a right of the admin may be missing: the target's own finding says more."""
        try:
            return self.living_tombstones()
        except PortError:
            failed = [self._shown(each) for each in self.check_target() if each.level is Level.FAIL]
            if not failed:
                raise
        raise Stopped("check", "; ".join(each.text for each in failed), fix=failed[0].fix)

    def _shown(self, found: Finding) -> Finding:
        """A finding, unless a secret stands in its words."""
        secret = self.secret_in(f"{found.text} {found.fix}")
        return replace(found, text=HIDDEN, fix="report it to the plugin's author") if secret else found

    def goes_back(self) -> bool:
        """Whether a human asks to go back to previous: then it is no matter whether current works, as that may be why."""
        q, p = self.record.previous, self.record.pending
        possible = q is not None and p is None and not (self.spec.in_place or q.credential.secret is None or q.revoke_intent or q.revoked)
        leaked = isinstance(self.order.command, Compromise) and self.order.command.which == "current"
        return possible and (leaked or isinstance(self.order.command, Undo))

    def check_target(self) -> list[Finding]:
        """What the target's plugin finds. A user whose secret was tried and is dead may be a human's by now; the id of a dead key is nobody
        else's. In an adoption, of what the record knows, only what is on its way out is known.
        """
        target, command = self.ports.target, self.order.command
        r = self.record if self.same_system() else Record()
        tried = self.spec.is_set and target.can.dead_probes != 0
        held = [each.credential for each in r.tombstones if not tried or each.id in self.seen.alive_tombstones]
        q = None if tried and r.previous and r.previous.revoked else r.previous  # a user that was locked may be a human's since
        known, accepted = [*r.but(tombstones=(), previous=q).known(), *held], sorted(r.base)
        if isinstance(command, Adopt) and command.credential:
            known = [command.credential, *held]
            known += [Credential(name=command.retire, secret=None)] if command.retire else []
            known += [r.previous.credential] if r.previous else []
        return self.do(Name.CHECK, "check target", lambda: target.check(known, accepted), port=target, kind=Kind.READ)

    def check_store(self) -> list[Finding]:
        """What the store finds. Those of destinations and reloads are told too, but a failing one stops nothing: they become warnings."""
        store = self.ports.store
        found = list(self.do(Name.CHECK, "check store", store.check, port=store, kind=Kind.READ))
        begun = self.seam.ticks()
        for name, place in self.ports.places.items():
            if place is not store and self.has_time(begun):
                found += self._check_place("check place", name, place, "place.missing")
        for name, told in self.ports.reloads.items():
            found += self._check_place("check reload", name, told, "reload")
        return found

    def _check_place(self, effect: str, name: str, port: Destination[Any] | Reload[Any], code: str) -> Iterable[Finding]:
        try:
            for each in self.do(Name.CHECK, effect, port.check, port=port, kind=Kind.READ, tries=1, place=name):
                level = Level.WARN if each.level is Level.FAIL else each.level
                self.unfit |= {name} if each.level is Level.FAIL else set()
                yield replace(each, level=level, text=f"{name}: {each.text}" if code == "reload" else each.text)
        except PortError as error:
            self.unfit |= {name}
            yield Finding(Level.WARN, code, f"{name}: {error.what}", error.fix)

    def check_current(self, current: Credential) -> None:
        """Current must log in. Refused: pending and the tombstones are tried before it is called somebody else's change."""
        try:
            return self.prove(Name.CHECK, current)
        except Unfit as error:
            self.findings = (*self.findings, Finding(Level.FAIL, "fitness", f"{current.name}: {error.what}", error.fix))
            return None
        except Rejected:
            if self._replaced(current):
                return None
            p = self.record.pending
            if p and p.credential and self.works(Name.CHECK, p.credential):
                return None
            if self.spec.is_set:
                if self.seen.alive_tombstones:
                    return None
                if p and p.failed and p.failed.acked:
                    return None
            raise Stopped("foreign_change") from None

    def same_system(self) -> bool:
        """Whether the record, if there is one, is about what the spec is about. Of another one no secret is sent to this one."""
        return self.record.identity in (None, self.spec.identity)

    def _replaced(self, current: Credential) -> bool:
        """Whether it died by itself, or of a leak that its provider saw, and this run can replace it. Raises `Stopped` where it cannot."""
        r, q, now = self.record, self.record.previous, self.seam.now()
        if not (current.expired(now) or self.died_by_itself()):
            return False
        ends = gives_way(self.spec, r, self.seen, now)
        back = q is not None and q.credential.secret is not None and not q.revoke_intent and not q.revoked
        if not current.expired(now):
            return q is None or bool(back and q.id not in self.seen.died and q.id not in r.compromised)
        if not (ends or back):
            raise Stopped("expired")
        assert r.current is not None
        self.seen = self.seen.but(died=self.seen.died | {r.current.id})
        return True

    def makes_room(self) -> bool:
        """Whether current has died by itself, and the old one is of no use to anybody."""
        c, q, died = self.record.current, self.record.previous, self.seen.died
        useless = q is not None and (q.revoke_intent or q.revoked or q.id in died)
        return bool(useless) and c is not None and c.id in died

    def died_by_itself(self) -> bool:
        """Whether it is nobody's hand where current is refused: it has expired, or it leaked and its provider has revoked it."""
        c, command = self.record.current, self.order.command
        told = isinstance(command, Compromise) and command.which == "current"
        leaked = c is not None and (told or c.id in self.record.compromised) and not self.spec.is_set
        adopting = isinstance(command, Adopt) and c is not None and c.credential.expired(self.seam.now())
        return leaked or adopting or (c is not None and c.id in self.seen.died)

    def living_tombstones(self) -> frozenset[str]:
        """Tombstones that log in, where probing is safe. Where a dead probe counts, a good login of that user stands between two."""
        can, current = self.ports.target.can, self.record.current
        if can.dead_probes == 0 or not self.same_system():
            return frozenset()
        living = set()
        for each in self.record.tombstones:
            if self.still_lives(each.credential):
                living.add(each.id)
            elif can.dead_probes and current and (current.credential.name == each.credential.name or self.spec.shape is Shape.ISSUE):
                self.works(Name.CHECK, current.credential)
        return frozenset(living)
