"""One method per step. Each performs its effects through the door and says how it ended; `after` says what that leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rotator.after import ROW_ASKED
from rotator.errors import Foreign, PortError, Rejected, Unfit, Unreachable
from rotator.generate import password
from rotator.model import Credential, Reached, Secret, Shape
from rotator.plan import gives_way, labelled, may_show_an_orphan, orphans, shows_current, spared, strangers
from rotator.record import Mark
from rotator.rotate.door import HIDDEN, Kind
from rotator.rotate.looks import Looks, observe
from rotator.rotate.order import Stopped
from rotator.spec import PlaceSpec
from rotator.step import FOREIGN, OK, UNREAD, Name, Outcome, Step
from rotator.target import IssueTarget, SetTarget


class Steps(Looks):
    """The steps of a rotation, by their names."""

    staged: str | None = None
    """The pending that this run staged and has not applied yet: its secret has never left this process but for the store."""
    open_places: list[str]
    """What kept places and reloads of this run open, in words."""

    def perform(self, step: Step) -> Outcome:
        """Perform one step. An error of a port is how it ended."""
        try:
            outcome: Outcome = getattr(self, step.name.lower())(step)
        except PortError as error:
            self.last_error = error
            return Outcome(type(error).__name__)
        return outcome

    # ---- the new one

    def stage(self, _step: Step) -> Outcome:
        """Choose user and secret."""
        id, principals, current = self.seam.new_id(), self.spec.principals, self.record.current
        second = self.spec.shape is Shape.ALTERNATING and current is not None and current.credential.name == principals[0]
        self.staged = id
        return Outcome(data=(id, Credential(name=principals[1 if second else 0], secret=password(self.spec.password, self.seam))))

    def reserve(self, _step: Step) -> Outcome:
        """Note which ids live before ours is minted."""
        return Outcome(data=(self.seam.new_id(), tuple(self.listed(Name.RESERVE))))

    def apply(self, _step: Step) -> Outcome:
        """Make the target accept the new secret; it looks first."""
        r, target = self.record, self.ports.target
        assert r.pending is not None
        assert isinstance(target, SetTarget)
        new = r.pending.credential
        assert new is not None
        fresh, self.staged = self.staged == r.pending.id, None
        if not fresh and self.works(Name.APPLY, new):
            if not target.can.fences:
                return OK
        elif not fresh and self._current_lost():
            return Outcome("Foreign")
        keep = [] if self.spec.in_place else self.keep()
        self.do(Name.APPLY, "set secret", lambda: target.apply(new, keep), port=target, credential=new.name)
        return OK

    def _current_lost(self) -> bool:
        """One user, and current does not work either: a human has been here."""
        current = self.record.current
        return current is not None and self.spec.shape.one_user and not self.works(Name.APPLY, current.credential)

    def issue(self, _step: Step) -> Outcome:
        """Let the provider mint: one try, whatever comes back."""
        target, pending = self.ports.target, self.record.pending
        assert isinstance(target, IssueTarget)
        assert pending is not None
        label = self.spec.label(pending.id)
        minted: Credential = self.do(Name.ISSUE, "mint", lambda: target.issue(label), port=target, tries=1)
        return Outcome(data=minted)

    def verify(self, _step: Step) -> Outcome:
        """Log in with the new one, as consumers do."""
        pending = self.record.pending
        assert pending is not None
        assert pending.credential is not None
        self.prove(Name.VERIFY, pending.credential)
        return OK

    def promote(self, _step: Step) -> Outcome:
        """Make pending current: only the record changes."""
        return OK

    # ---- orphans

    def recover(self, step: Step) -> Outcome:
        """Find what an unknown mint left behind, and revoke it."""
        if step.phase == "act":
            return self._revoke_doomed(Name.RECOVER)
        self.seam.sleep(max(self.ports.target.can.appears.within.total_seconds(), self.order.timeout))
        live = self.listed(Name.RECOVER)
        self.seen = self.seen.but(live=live)
        ids, certain = orphans(self.spec, self.record, live)
        return Outcome(data=ids) if certain and not (ids and self._somebody_s_place(Name.RECOVER)) else Outcome("suspect")

    def sweep(self, step: Step) -> Outcome:
        """Orphans that carry our label: they are revoked where a leak waits for a slot; else the last one becomes the old one.

        Phase `back`: one that a human has told to revoke, and another one to leave alone, is switched on again.
        """
        if step.phase == "back":
            id, target = Credential(name=step.what, secret=None), self.ports.target
            self.do(Name.SWEEP, "enable", lambda: target.enable(id), port=target, credential=id.name)
            return OK
        if step.phase == "act":
            asked = step.row == ROW_ASKED and self._somebody_s_place(Name.SWEEP)
            return Outcome("suspect") if asked else self._revoke_doomed(Name.SWEEP)
        live = self.listed(Name.SWEEP)
        self.seen = self.seen.but(live=live)
        ids = labelled(self.spec, strangers(self.record, live), live)
        if ids and self._somebody_s_place(Name.SWEEP):
            return Outcome("suspect")
        if step.phase == "intent" and may_show_an_orphan(self.spec, self.seen):
            return Outcome(data=())  # read only now, and given up: the next one is made first
        return Outcome(data=ids if step.phase == "intent" else (self.seam.new_id(), max(ids)) if ids else None)

    def _somebody_s_place(self, step: Name) -> bool:
        """Whether a place shows what is none of ours: it may be the orphan, as with a record that was restored from a backup.

        One that could not be read is read before anything dies. Raises `PortError`.
        """
        for each in self.spec.places:
            if self.seen.shows.get(each.place.name) == UNREAD:
                self._read_now(step, each)
        return any(shows == FOREIGN and place not in self.seen.overwrite for place, shows in self.seen.shows.items())

    def read_unread(self) -> Mapping[str, str | None]:
        """What the places show; one that could not be read is tried once more."""
        for each in self.spec.places:
            if self.seen.shows.get(each.place.name) == UNREAD:
                self.seen = self.seen.but(shows={**self.seen.shows, each.place.name: self.shown(Name.CHECK, each)})
        return self.seen.shows

    def _revoke_doomed(self, name: Name) -> Outcome:
        """Without labels an orphan is switched off first, and current must still work."""
        r, mine = self.record, spared(self.record)
        for id in [each for each in r.doomed if each not in mine]:
            refused = self._revoke_orphan(name, Credential(name=id, secret=None))
            if refused:
                return refused
        return OK

    def _revoke_orphan(self, name: Name, orphan: Credential) -> Outcome | None:
        target, keep = self.ports.target, self.keep()
        if not target.can.labels and target.can.disables:
            self.do(name, "disable orphan", lambda: target.disable(orphan, keep), port=target, credential=orphan.name)
            refused = self.current_refused(name) if self.record.current and not self.died_by_itself() else None
            if refused:
                return refused
        self.do(name, "revoke orphan", lambda: target.revoke(orphan, keep), port=target, credential=orphan.name)
        return None

    # ---- places

    def publish(self, step: Step) -> Outcome:
        """Show consumers current, read it back as they do, and log in with what was read. Phase `intent`: nobody can read it back."""
        if step.phase == "complete":
            return OK
        r = self.record
        assert r.current is not None
        each, port = self.place_port(step.what)
        id, generation, fields = r.current.id, r.generation, self.ports.target.fields
        if self.seen.shows.get(step.what) == UNREAD:
            shows = self._read_now(Name.PUBLISH, each)
            if shows == FOREIGN and step.what not in self.seen.overwrite:
                raise Foreign(f"{step.what} shows a value that is none of ours")
        if step.phase == "intent":
            return Outcome(data=shows_current(self.record, self.seen, step.what))
        values = each.place.values(r.current.credential.values(fields))
        self.do(Name.PUBLISH, "publish", lambda: port.publish(each.place, values, id, generation), port=port, place=step.what)
        if each.attested:
            mark = self.mark(Name.PUBLISH, each)
            return Outcome(data=Mark(mark)) if mark else Outcome("Unreachable")
        read = self.do(Name.PUBLISH, "read back", lambda: port.published(each.place), port=port, kind=Kind.READ, place=step.what)
        if not read or self.classify(each, read) != id:
            return Outcome("Unreachable")
        try:
            self.prove(Name.PUBLISH, self._as_read(each, read, r.current.credential))
        except Rejected:
            return Outcome("Foreign")
        return OK

    def _read_now(self, step: Name, each: PlaceSpec) -> str | None:
        """A place that could not be read before, read: what stands there may be somebody's, or the old one again. Raises `PortError`."""
        name = each.place.name
        if step is Name.PUBLISH and self.seam.ticks() - self.started > self.order.run_time / 2:
            self.doing = f"{step} (read place) in {name}"
            self.last_error = Unreachable("it was not asked again: places took the run's time")
            raise self.last_error
        shows = self.shown(step, each)
        if shows == UNREAD:
            raise self.unread[name]
        self.seen = self.seen.but(shows={**self.seen.shows, name: shows})
        self.record = observe(self.record, {name: shows})
        return shows

    def _as_read(self, each: PlaceSpec, read: Mapping[str, Secret], current: Credential) -> Credential:
        """The credential as a consumer of that place holds it."""
        name, secret = self.ports.target.fields
        by_field = {each.place.keys.get(key, key): value for key, value in read.items()}
        return replace(
            current, name=by_field[name].reveal() if name in by_field else current.name, secret=by_field.get(secret, current.secret)
        )

    def reload(self, step: Step) -> Outcome:
        """Tell consumers; the port says which level was reached. One that takes longer than other calls is not repeated in the same run."""
        (name, asked), version = step.what, self.record.current
        assert version is not None
        port = self.ports.reloads[name]
        if self.seam.ticks() - self.started + port.timeout > self.order.run_time:
            raise Stopped("time")

        def tell() -> Reached:
            return Reached(port.tell(self.spec.name, version.id))  # whatever else it answers is no level, and raises

        tries = 1 if port.timeout > port.runtime.timeout else 2
        level = self.do(Name.RELOAD, "reload", tell, port=port, tries=tries, place=name)
        if level < asked:
            self.open_places.append(f"RELOAD of {name}: {level.name} was reached, {Reached(asked).name} is asked")
        return Outcome(data=int(level))

    def reason(self, step: Step, outcome: Outcome) -> str:
        """What a write of the record stands for: the error, the phase, or which reload reached which level."""
        if step.name is Name.RELOAD and not outcome.error:
            return f"{step.what[0]} {Reached(outcome.data).name}"
        if isinstance(outcome.data, Mark):
            return f"{step.what} attested, not observed"
        if step.name is Name.SWEEP and step.phase == "keep" and outcome.data:
            id = outcome.data[1]
            return f"keep {HIDDEN if self.secret_in(id) else id}"
        return outcome.error or step.phase

    # ---- back

    def undo(self, _step: Step) -> Outcome:
        """Go back to previous: it must log in."""
        assert self.record.previous is not None
        self.prove(Name.UNDO, self.record.previous.credential)
        return OK

    def enable(self, _step: Step) -> Outcome:
        """Switch the old one on again."""
        q, target = self.record.previous, self.ports.target
        assert q is not None
        self.do(Name.ENABLE, "enable", lambda: target.enable(q.credential), port=target, credential=q.credential.name)
        return OK

    def abort(self, _step: Step) -> Outcome:
        """Take the new one back; current must work afterwards."""
        p, c = self.record.pending, self.record.current
        assert p is not None
        if self.spec.in_place:
            outcome = self._restore_current(acked=bool(p.failed and p.failed.acked)) if c else OK
        elif p.credential and (c or self.spec.shape is not Shape.OVERLAPPING):
            checked = c is not None and p.id not in self.record.compromised and not self.died_by_itself()
            alone = self.current_refused(Name.ABORT) if checked else None
            outcome = alone or self._kill(Name.ABORT, p.credential)
        else:
            outcome = OK
        if outcome.error or not c or self.died_by_itself():
            return outcome
        return self.current_refused(Name.ABORT) or OK

    def _restore_current(self, *, acked: bool) -> Outcome:
        """In place: apply current again, unless a human's password stands there."""
        p, c, target = self.record.pending, self.record.current, self.ports.target
        assert c is not None
        assert p is not None
        if self.works(Name.ABORT, c.credential):
            if not target.can.fences:
                return OK
        elif not acked and not (p.credential and self.works(Name.ABORT, p.credential)):
            return Outcome("Foreign")
        self._apply_again(Name.ABORT, c.credential)
        return OK

    # ---- the old one

    def disable(self, step: Step) -> Outcome:
        """Switch the old one off, undoably."""
        if step.phase == "intent":
            return self.gate(Name.DISABLE)
        q, target = self.record.previous, self.ports.target
        assert q is not None
        keep = self.keep(q.credential)
        self.do(Name.DISABLE, "disable", lambda: target.disable(q.credential, keep), port=target, credential=q.credential.name)
        return OK

    def revoke(self, step: Step) -> Outcome:
        """Kill the old one. In place it died at APPLY: once more means current applied again."""
        if step.phase == "intent":
            return OK if self.makes_room() else self._proved_or_due()
        q, c = self.record.previous, self.record.current
        assert q is not None
        assert c is not None
        if self.spec.in_place:
            self._apply_again(Name.REVOKE, c.credential)
            return OK
        return self._kill(Name.REVOKE, q.credential)

    def _proved_or_due(self) -> Outcome:
        """The gate before a REVOKE. Raises `Stopped` where current has expired, and somebody uses the old one."""
        c = self.record.current
        alone = c is not None and c.id in self.seen.died and gives_way(self.spec, self.record, self.seen, self.seam.now())
        outcome = self.gate(Name.REVOKE, alone=alone)
        if alone and outcome.error == "used":
            raise Stopped("expired")
        return outcome

    def confirm(self, _step: Step) -> Outcome:
        """Control login, the old one must be refused, control login."""
        q, target = self.record.previous, self.ports.target
        assert q is not None
        alone = self.makes_room()
        refused = None if alone else self.current_refused(Name.CONFIRM)
        if refused:
            return refused
        try:
            self._probe(
                Name.CONFIRM, "confirm dead", lambda: target.confirm_dead(q.credential), target.can.disappears, (Unfit,), q.credential
            )
        except Unfit:
            return Outcome("Unfit")
        return OK if alone else self.current_refused(Name.CONFIRM) or OK

    def bury(self, step: Step) -> Outcome:
        """Kill a dead one again that came back."""
        if step.phase == "drop":
            return OK
        r = self.record
        dead = next(each.credential for each in r.tombstones if each.id == step.what)
        c, q = r.current, r.previous
        if c and dead.name == c.credential.name and self.spec.shape in (Shape.IN_PLACE, Shape.ALTERNATING):
            self._apply_again(Name.BURY, c.credential)
        elif self.spec.shape is Shape.ALTERNATING and (
            q and dead.name == q.credential.name and q.credential.secret and not q.disable_intent and not q.revoke_intent and not q.revoked
        ):
            self._apply_again(Name.BURY, q.credential)
        else:
            return self._kill(Name.BURY, dead)
        return OK

    def _apply_again(self, name: Name, credential: Credential) -> None:
        """Set a secret that the record knows: it replaces whatever else stands there for its user."""
        target = self.ports.target
        assert isinstance(target, SetTarget)
        keep = self.keep(credential)
        self.do(name, "set secret again", lambda: target.apply(credential, keep), port=target, credential=credential.name)

    def _kill(self, name: Name, credential: Credential) -> Outcome:
        """Make a credential dead for good; what must live goes on working."""
        target = self.ports.target
        keep = self.keep(credential)
        self.do(name, "revoke", lambda: target.revoke(credential, keep), port=target, credential=credential.name)
        return OK
