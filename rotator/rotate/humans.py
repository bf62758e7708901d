"""What humans ask for: adopt, hold, undo, resolve, compromise. All under the lease; `revoke_intent` is the one-way door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rotator.after import bury, clock_set_back, next_generation
from rotator.audit import EventName, Phase, Result
from rotator.errors import Rejected, Unfit
from rotator.generate import password
from rotator.model import Credential, Level, Shape
from rotator.plan import BRIEF, labelled, renewal, strangers, undoes, unobserved
from rotator.record import Failure, Hold, Pending, Previous, Record, Tombstone, Version
from rotator.rotate.door import HIDDEN, Kind
from rotator.rotate.order import Adopt, Command, Compromise, HoldUntil, Resolve, Stopped, Undo
from rotator.rotate.steps import Steps
from rotator.step import FOREIGN, LEASE, UNREAD, Name


class Humans(Steps):
    """Commands: each answers with the record to claim with, or refuses."""

    def asked(self, command: Command) -> Record:
        """The record that this command leaves, and what the run knows of it. Raises `Stopped` ("refused") with the reason."""
        answers: dict[type[Command], Callable[[Any], Record]] = {
            Adopt: self.adopt,
            HoldUntil: self.hold,
            Undo: self.undo_asked,
            Resolve: self.resolve,
            Compromise: self.compromise,
        }
        return answers[type(command)](command)

    def hold(self, command: HoldUntil) -> Record:
        """Keep the old one alive."""
        q = self.record.previous
        if not q or self.spec.in_place:
            raise Stopped("refused", "there is no old credential alive to hold")
        if q.revoke_intent or q.revoked:
            raise Stopped("refused", "too late: the old credential is being revoked")
        if q.id in self.record.compromised:
            raise Stopped("refused", "the old credential is marked as leaked: it is not kept alive")
        if command.seconds and not q.disable_intent and not self._alive(q):
            raise Stopped("refused", "the old credential is dead already: somebody has changed or removed it at the target")
        if command.seconds and undoes(self.spec, self.record, self.seen, self.seam.now()):
            back = "current is marked as leaked, or has expired: the old credential becomes current again, and no hold would be left of it"
            raise Stopped("refused", back, fix=f"`rotator run {self.spec.name}`; then hold what is the old one")
        until, renewed = self.seam.now() + command.seconds, renewal(self.spec, self.record)
        longer = self.record.hold is None or until > self.record.hold.until
        if renewed is not None and command.seconds and longer and until > renewed - self.spec.soak:
            by = datetime.fromtimestamp(renewed - self.spec.soak, UTC).isoformat(timespec="seconds")
            raise Stopped(
                "refused", "current would expire meanwhile: it is renewed only when the old one is gone", fix=f"hold it until {by} at most"
            )
        self.tell(Phase.RECORD, EventName.HELD, outcome=Result.SUCCESS, reason=command.why)
        return self.record.but(hold=Hold(self.order.actor, command.why, until))

    def undo_asked(self, _command: Undo) -> Record:
        """Give up pending, or go back to previous."""
        r = self.record
        p, q = r.pending, r.previous
        if p:
            self._something_to_go_back_to()
            self.tell(Phase.RECORD, EventName.UNDO_ASKED, outcome=Result.SUCCESS)
            return r.but(pending=replace(p, failed=p.failed or Failure("undo")))
        if not q or self.spec.in_place or q.credential.secret is None:
            raise Stopped("refused", "there is no old credential to go back to")
        if q.revoke_intent or q.revoked:
            raise Stopped("refused", "too late: the old credential is being revoked")
        if r.current and q.created > r.current.created and self.lives(Name.UNDO, r.current.credential):
            raise Stopped("refused", "it was gone back already", fix=f"`rotator run {self.spec.name}` shows it everywhere")
        if q.id in r.compromised:
            raise Stopped("refused", "the old credential is marked as leaked, or was refused when it was tried before")
        if q.credential.expired(self.seam.now() + BRIEF):
            raise Stopped("refused", f"the old credential expires at {q.credential.expires:%H:%M:%S} UTC: too soon to go back to it")
        self.tell(Phase.RECORD, EventName.UNDO_ASKED, outcome=Result.SUCCESS)
        self.seen = self.seen.but(undo=True)
        return r

    def _something_to_go_back_to(self) -> None:
        """What was never there cannot be gone back to, nor what a place shows be taken back, as with a record that was restored.

        A first secret that the core has chosen would live on, and nobody would know it.
        """
        p, c, shows = self.record.pending, self.record.current, self.read_unread()
        fix = f"let it end: `rotator run {self.spec.name}`; then `rotator compromise {self.spec.name}`, if it leaked"
        shown = sorted(place for place in shows if p and shows[place] == p.id)
        if shown:
            raise Stopped("refused", f"{', '.join(shown)} shows the new one already: taken back, it would be dead there", fix=fix)
        unread = sorted(place for place in shows if shows[place] == UNREAD)
        if unread:
            raise Stopped("refused", f"{', '.join(unread)} cannot be read, and may show the new one: it would be dead there", fix=fix)
        if self.spec.is_set and not c:
            raise Stopped("refused", "there is nothing to go back to: the first rotation is not finished", fix=fix)
        if c and not self.spec.in_place and self._goes_on() and not self.lives(Name.ABORT, c.credential):
            raise Stopped("refused", "current does not work any more, and the new one does", fix=fix)

    def resolve(self, command: Resolve) -> Record:
        """Accept or revoke an id that nobody could tell, or give up what a place shows."""
        r, unknown = self.record, strangers(self.record, self.seen.live)
        for id in filter(None, (command.accept, command.revoke)):
            if id not in (*unknown, *r.doomed):
                raise Stopped("refused", f"{id} is not among the ids that wait for a decision ({', '.join(unknown) or 'there are none'})")
        if command.seen:
            return self._seen(command.seen)
        if command.clock:
            self.tell(Phase.RECORD, EventName.RESOLVED, outcome=Result.SUCCESS, reason="clock")
            return clock_set_back(r, self.seam.now())
        missing = command.overwrite - set(self.spec.place_names)
        if missing:
            raise Stopped("refused", f"no place is called {', '.join(sorted(missing))}; the places are {', '.join(self.spec.place_names)}")
        self.seen = self.seen.but(overwrite=command.overwrite)
        what = " ".join([f"accept {command.accept}"] * bool(command.accept) + [f"revoke {command.revoke}"] * bool(command.revoke))
        self.tell(
            Phase.RECORD, EventName.RESOLVED, outcome=Result.SUCCESS, reason=what or f"overwrite {' '.join(sorted(command.overwrite))}"
        )
        if command.revoke and self._somebody_s_place(Name.SWEEP):
            fix = f"find out whose that is; then `rotator resolve {self.spec.name} --revoke {command.revoke} --overwrite PLACE`"
            raise Stopped("refused", f"a place shows a value that is none of ours, and it may be {command.revoke}", fix=fix)
        if r.pending and r.pending.reserved is not None and not r.pending.credential:  # what nobody has named yet is no orphan of this mint
            others = set(unknown) - {command.accept, command.revoke}
            others = others if command.accept or command.revoke else self._may_be_shown(others, command.overwrite)
            r = r.but(pending=replace(r.pending, reserved=r.pending.reserved | others))
        if command.overwrite:
            r = r.but(generation=next_generation(r, self.seam.now()))
        if command.revoke:
            return r.but(doomed=(command.revoke,))
        return r.but(base=r.base | {command.accept}) if command.accept else r

    def _may_be_shown(self, ids: set[str], places: frozenset[str]) -> set[str]:
        """Those of these ids that the places show, or may show: all, where one cannot be read or shows no id. Raises `PortError`."""
        public, found = self.ports.target.fields[0], set[str]()
        for each in [each for each in self.spec.places if each.place.name in places and ids]:
            name, keys = each.place.name, each.place.keys
            if each.attested or self.seen.shows.get(name) == UNREAD or (keys and public not in keys.values()):
                return ids
            port = self.ports.places[name]
            values = self.do(Name.CHECK, "read place", partial(port.published, each.place), port=port, kind=Kind.READ, place=name)
            found |= ids & {each.reveal() for each in values.values()}
        return found

    def _seen(self, places: frozenset[str]) -> Record:
        """A human saw a consumer of these places log in with current."""
        r = self.record
        blind = [each for each in unobserved(self.spec, r) if each in r.marks]  # without a mark we never wrote there
        unknown = sorted(places - set(blind))
        if unknown or not r.current:
            told = ", ".join(blind) or "there are none"
            raise Stopped("refused", f"{', '.join(unknown)} is not among the places that nobody has seen current in ({told})")
        self.tell(Phase.RECORD, EventName.RESOLVED, outcome=Result.SUCCESS, reason=f"seen {' '.join(sorted(places))}")
        return r.but(marks={**r.marks, **{each: replace(r.marks[each], seen=r.current.id) for each in places}})

    def compromise(self, command: Compromise) -> Record:
        """Mark a version as leaked: no grace, no hold for it."""
        r = self.record
        version = {"current": r.current, "previous": r.previous, "pending": r.pending}[command.which]
        if not version:
            raise Stopped("refused", f"there is no {command.which} credential")
        if command.which == "pending":
            self._something_to_go_back_to()
        self.tell(Phase.RECORD, EventName.COMPROMISED, outcome=Result.SUCCESS, reason=command.which, rotation=version.id)
        return r.but(compromised=r.compromised | {version.id}, hold=None if command.which == "previous" else r.hold)

    # ---- adoption

    def adopt(self, command: Adopt) -> Record:
        """First take-over. Raises `Stopped` where it would lose track of something."""
        r = self.record
        self._may_adopt(command)
        self._adopt_findings(command)
        id = self.seam.new_id()
        lost = self._lost(id, command)
        if lost.keys() - command.overwrite:
            told = ", ".join(f"{place} shows {what}" for place, what in sorted(lost.items()) if place not in command.overwrite)
            raise Stopped("refused", told, fix="accept that it is lost: --overwrite PLACE")
        self.seen = self.seen.but(overwrite=command.overwrite)
        keep = r.but(
            generation=next_generation(r, self.seam.now()), identity=self.spec.identity, current=None, pending=None, previous=None,
            places={}, reloads={}, revoke_after=None, attempts=0, not_before=None, hold=None, doomed=(),
            compromised=frozenset(), tombstones=self._given_up(command) if self.same_system() else (),
        )  # fmt: skip
        adopted = self._adopt_new(id, keep) if command.new else self._adopt_existing(id, command, keep)
        gone = "" if self.same_system() else "".join(f", {each.name} is forgotten" for each in r.known())
        how = "new" if command.new else "existing"
        self.tell(Phase.RECORD, step=Name.ADOPT, outcome=Result.SUCCESS, reason=how + gone, rotation=id)
        return adopted

    def same_as_current(self, command: Adopt) -> bool:
        """Whether what is adopted is current already: then only the second user or secret is dealt with."""
        c = self.record.current
        return c is not None and command.credential is not None and c.credential.same(command.credential)

    def _may_adopt(self, command: Adopt) -> None:
        """Raise `Stopped` where what the record knows would live on and be forgotten."""
        r, name, here = self.record, self.spec.name, self.same_system()
        forced = f"`rotator run {name} --force` makes a new one"
        if command.new and command.retire:
            raise Stopped("refused", "--retire goes with the credential that is current: --from")
        c = None if self.same_as_current(command) or self._ends_leaked(command) else r.current
        works = here and c is not None and self.lives(Name.ADOPT, c.credential)
        if works and command.new:
            raise Stopped("refused", "there is a current credential, and it works", fix=forced)
        if (r.pending or r.previous) and not here and not command.forget_old:
            fix = "let it end under the old address; where that system is gone for good, or you end it there by hand: --forget-old"
            raise Stopped("refused", "a rotation of another system is not finished", fix=fix)
        retires = command.retire is not None and self._holds_another(command.retire)
        unfinished = command.new and (not r.current or self._old_lives())
        self._no_unknown_old(command, works=works)
        open_one = here and bool(r.pending or r.previous)
        if open_one and (works or unfinished or self._goes_on() or self._takes_old(command)):
            raise Stopped("refused", "a rotation is not finished: let it end, or undo it")
        if open_one and retires:
            fix = f"leave out --retire: what works no more is given up; what lives then is ended by `rotator resolve {name} --revoke ID`"
            raise Stopped("refused", "a rotation is not finished, and the record knows one old credential at most", fix=fix)
        if works:
            fix = f"{forced}; to deal with a second user or secret, adopt what `rotator get {name}` shows"
            raise Stopped("refused", "the current credential works: beside another one it would live on, and nobody would end it", fix=fix)

    def _no_unknown_old(self, command: Adopt, *, works: bool) -> None:
        """Raise `Stopped` where consumers may have an old one whose secret nobody here knows: it cannot be gone back to, nor end alone."""
        q = self.record.previous
        if not command.new or works or not q or q.credential.secret is not None or not self.same_system() or not self._old_lives():
            return
        fix = "find its secret, and adopt it: --from; or delete it there, if nobody needs it, then --new again; or adopt one made by hand"
        name = HIDDEN if self.secret_in(q.credential.name) else q.credential.name
        raise Stopped("refused", f"{name} lives, and consumers may have it, though nobody here knows its secret", fix=fix)

    def _holds_another(self, retire: str) -> bool:
        """Whether the place of the old one is taken by another one: by an old one that lives, or by pending, which may have no name yet."""
        p, q = self.record.pending, self.record.previous
        taken = {p.credential.name} if p and p.credential else set[str]()
        taken |= {q.credential.name} if q and (self.spec.is_set or q.credential.name in self.seen.live) else set()
        return bool(taken - {retire})

    def _ends_leaked(self, command: Adopt) -> bool:
        """Whether current is leaked and is the second one that is taken: the record was restored, and what is adopted came later."""
        return not command.new and self._leaked() and not self.same_as_current(command) and self.takes_second(command)

    def _old_lives(self) -> bool:
        """Whether consumers may log in with the old one: then it is what an adoption begins with, and no new one."""
        q = self.record.previous
        if q is None or q.revoke_intent or q.revoked or q.id in self.record.compromised:
            return False
        if q.credential.secret is None and self.died_by_itself():
            return False
        return self._alive(q)

    def _alive(self, q: Previous) -> bool:
        """Whether it logs in; of one whose secret nobody knows, whether it is listed."""
        return q.credential.name in self.seen.live if q.credential.secret is None else self.lives(Name.ADOPT, q.credential)

    def _takes_old(self, command: Adopt) -> bool:
        """Whether the second user or secret is the old one: it works, and a place may show it, or its grace run."""
        q = self.record.previous
        alive = q is not None and not q.revoke_intent and not q.revoked and q.credential.secret is not None
        second = self.takes_second(command) and q is not None and not (command.credential and q.credential.same(command.credential))
        return alive and q is not None and second and self.lives(Name.ADOPT, q.credential)

    def _goes_on(self) -> bool:
        """Whether the next run can go on with pending."""
        p = self.record.pending
        given_up = p is not None and (p.failed is not None or p.id in self.record.compromised)
        return p is not None and p.credential is not None and not given_up and self.lives(Name.ADOPT, p.credential)

    def _given_up(self, command: Adopt) -> tuple[Tombstone, ...]:
        """The tombstones, with pending and the current that does not work any more: every run makes sure that they are dead. So with an
        old one that is on its way out, where all begins anew.
        """
        r, now = self.record, self.seam.now()
        for each in (r.current, r.pending, r.previous if command.new else None):
            if each:
                r = r.but(tombstones=bury(r, each.id, each.credential, now))
        return r.tombstones

    def _lost(self, id: str, command: Adopt) -> dict[str, str]:
        """What places show that an adoption ends: what neither it nor the record knows, or the leaked one that goes as the second."""
        before, old = self.record, self.record.current
        if command.credential:  # known from here on, and no stranger's; current stays what it was for places that nobody can read
            self.record = before.but(tombstones=(*before.tombstones, Tombstone(id, command.credential, 0.0)))
        self.seen = self.seen.but(shows=self.read_places(Name.ADOPT))
        self.record = before
        words = {FOREIGN: "a value that is none of ours"}
        if self.takes_second(command):
            words[UNREAD] = "what cannot be read now: it may be the one that is to be ended"
        if old and self._ends_leaked(command):
            words[old.id] = "the leaked one, which is to be ended"
        return {place: words[shows] for place, shows in self.seen.shows.items() if shows in words}

    def _adopt_findings(self, command: Adopt) -> None:
        """A second user or secret that lives must be taken on purpose; any other FAIL stops the adoption."""
        failed = [each for each in self.findings if each.level is Level.FAIL]
        strays = [each for each in failed if each.code == "stray"]
        if strays and not command.take_second:
            raise Stopped("refused", strays[0].text, fix="--take-second locks the second user; --drop-second drops the second secret")
        self.findings = tuple(each for each in self.findings if each not in strays)  # it is taken, and keeps nothing from beginning
        rest = [each for each in failed if each.code != "stray"]
        if rest:
            raise Stopped("check", "; ".join(each.text for each in rest), fix=rest[0].fix)

    def _adopt_new(self, id: str, keep: Record) -> Record:
        """A first rotation: the present secret of the first user is given up."""
        now, live = self.seam.now(), frozenset(self.seen.live)
        if self.spec.is_set:
            self.staged = id
            pending = Pending(id, now, Credential(name=self.spec.principals[0], secret=password(self.spec.password, self.seam)))
        else:
            self._room(len(live), "delete one there, or adopt the one in use: --from, with --retire ID for another")
            pending = Pending(id, now, None, live, now + LEASE)
            self.seen = self.seen.but(clear=id)
        return keep.but(pending=pending, base=live - self._ours())

    def _adopt_existing(self, id: str, command: Adopt, keep: Record) -> Record:
        credential, now, ids = command.credential, self.seam.now(), frozenset(self.seen.live)
        assert credential is not None
        self._fits(credential)
        others = ids - {credential.name}
        if command.retire is not None and command.retire not in others:
            raise Stopped("refused", f"{command.retire} is not among the other ids ({', '.join(sorted(others)) or 'there are none'})")
        tombstones, previous = keep.tombstones, self.record.previous if self.same_system() else None
        ends = previous.credential.name if previous else None  # it goes as every old one does, and leaves its slot
        if command.retire is None and not self.spec.is_set:
            self._room(len(ids - {ends}))
        other = Credential(name=command.retire, secret=None) if command.retire and command.retire != ends else None
        retired = Previous(self.seam.new_id(), other, now) if other else None
        its_user = previous is not None and (
            previous.credential.same(credential) or (not self.spec.shape.one_user and ends == credential.name)
        )
        written_over = self.takes_second(command) and previous is not None and not previous.revoke_intent  # it does not log in
        if previous and (its_user or written_over):
            tombstones, previous = bury(keep, previous.id, previous.credential, now), None
        if previous and retired:
            tombstones = bury(keep.but(tombstones=tombstones), previous.id, previous.credential, now)
        same = self.record.current if self.same_as_current(command) and self.same_system() else None
        return keep.but(
            current=replace(same, id=id) if same else Version(id, credential, now),
            previous=retired or previous,
            hold=self.record.hold if previous is self.record.previous and not retired else None,
            last_slot=now,
            base=others - {command.retire or ""} - self._ours(),
            compromised=self._leaks_of(retired or previous) | ({id} if self._leaked_before(credential) else set()),
            tombstones=tuple(each for each in tombstones if not each.credential.same(credential)),
        )

    def _leaked(self) -> bool:
        """Whether current is marked as leaked."""
        return self.record.current is not None and self.record.current.id in self.record.compromised

    def _leaks_of(self, previous: Previous | None) -> frozenset[str]:
        """The mark of the old one, where it has one; those of what is held no more are forgotten."""
        return self.record.compromised & ({previous.id} if previous else frozenset())

    def _leaked_before(self, credential: Credential) -> bool:
        """Whether it is current or the old one, and marked as leaked."""
        r = self.record
        return any(each.id in r.compromised and each.credential.same(credential) for each in (r.current, r.previous) if each)

    def _ours(self) -> frozenset[str]:
        """Ids that live and are, or may be, of our making: no human has to do with them."""
        r, live = self.record, self.seen.live
        p = r.pending if self.same_system() else None
        known = {each.name for each in r.known()} if self.same_system() else set[str]()
        minted = set(live) - p.reserved - r.base if p and p.reserved is not None else set[str]()
        orphans = labelled(self.spec, strangers(r, live), live) if r.identity and self.same_system() else ()
        return frozenset(known | minted | set(orphans))

    def _fits(self, credential: Credential) -> None:
        """It must be of this spec's users, and log in."""
        first = self.spec.principals[:1] if self.spec.shape is not Shape.ALTERNATING else self.spec.principals
        if self.spec.is_set and credential.name not in first:
            text = f"this spec rotates {' and '.join(self.spec.principals)}, and the credential names another user"  # it may be the secret
            raise Stopped("refused", text)
        try:
            self.prove(Name.ADOPT, credential)
        except (Rejected, Unfit) as error:
            raise Stopped("refused", f"the credential does not work: {error.what}", fix=error.fix) from None

    def _room(self, living: int, fix: str = "give one up with --retire ID") -> None:
        """The others must leave a slot for the next rotation."""
        most = self.ports.target.can.max_live
        if most and living >= most:
            raise Stopped("refused", f"all {most} slots are taken, so no new one could be minted", fix=fix)

    def takes_second(self, command: Adopt) -> bool:
        """Whether this adoption has a second user or secret to deal with."""
        one_user = self.spec.shape.one_user and command.new  # whose new secret is set with nothing to keep
        return command.take_second and self.spec.is_set and not self.spec.in_place and not one_user

    def take_second(self, adopted: Record) -> None:
        """Lock the second user, or drop the second secret, once the record says that we are here. Only then it says what is adopted."""
        c, p = adopted.current, adopted.pending
        mine = c.credential if c else p.credential if p else None
        assert mine is not None
        target, keep = self.ports.target, [mine] if c else []
        others = [each for each in self.spec.principals if each != mine.name] or [mine.name]
        second = Credential(name=others[0], secret=None)
        self.do(Name.ADOPT, "take the second", lambda: target.revoke(second, keep), port=target, credential=second.name)
