"""A run: read once, look, claim with the first write, then step by step as the plan says."""

from __future__ import annotations

from collections.abc import Sequence

from rotator.after import after, learn
from rotator.audit import LEDGER_CHAIN, EventName, Phase, Result
from rotator.errors import Conflict, Corrupt, Exit, LedgerFailed, PortError
from rotator.model import Credential, Finding, Level
from rotator.plan import plan
from rotator.record import Lease, Record
from rotator.rotate.door import Kind
from rotator.rotate.ends import Ends
from rotator.rotate.foresee import MOST, foresee, many
from rotator.rotate.looks import observe
from rotator.rotate.order import Adopt, Command, Compromise, HoldUntil, Move, Resolve, RunResult, Stopped, Undo
from rotator.step import LEASE, OK, Name, Outcome, Step

LOOKS = ("foreign_change", "foreign_change of place", "orphan.suspect")
"""What a run without a lease may have seen only because another run was at work meanwhile."""
ALARMS = {
    "foreign_change": EventName.FOREIGN_CHANGE,
    "foreign_change of place": EventName.FOREIGN_CHANGE,
    "orphan.suspect": EventName.ORPHAN_SUSPECT,
    "clock": EventName.CLOCK_SUSPECT,
}
"""Ends that have an event of their own."""
COMMANDS: dict[type, str] = {
    Adopt: "adopt", HoldUntil: "hold", Undo: "undo", Resolve: "resolve", Compromise: "compromise", Move: "move",
}  # fmt: skip
CLAIMING = (Name.STAGE, Name.RESERVE)
"""Steps that only look and write the record: where a run begins with one, its write takes the lease too."""
LAST_ROW_BEFORE_CHECK = 3


class Run(Ends):
    """One process working on one rotation. `go` may be called once."""

    def go(self) -> RunResult:
        """Do what is to be done; every way to end comes back as a result."""
        self.steps, self.complete = list[Step](), list[Step]()
        self.claimed, self.told_end = False, ""
        self.open_places: list[str] = []
        self.unwritten = False
        try:
            result = self._go()
            if result.why in LOOKS and not self.claimed and self.moved():
                result = self.ended("conflict")
            if self.claimed:
                result = self.last_words(result)
                return result if result.why in (self.told_end, "ledger") else self.idle(result)  # no end stands in the ledger, or another
            return result if self.order.dry else self.idle(result)
        finally:
            self.ports.close()

    def _go(self) -> RunResult:
        try:
            return self._looked() or self._worked()
        except Stopped as stop:
            return self.finish(stop)
        except Conflict as error:
            return self.ended("conflict", error.what, fix=error.fix)
        except LedgerFailed as error:
            return self.ended("ledger", str(error))
        except Corrupt as error:
            return self.ended("failed", f"{self.doing}: {error}", code=Exit.HUMAN)
        except PortError as error:
            return self.finish(Stopped(self.failed_why(), f"{self.doing}: {error}"))

    def last_words(self, result: RunResult) -> RunResult:
        """What a run that could not release has still to tell: outcomes that wait for a write which never came."""
        try:
            self.flush()
        except LedgerFailed as error:
            return result if result.why == "ledger" else self.ended("ledger", str(error))
        return result

    def moved(self) -> bool:
        """Whether another runner wrote since we read. It decides nothing but what we say: no alarm for what was only a race."""
        store = self.ports.store
        try:
            head = self.do(Name.CHECK, "read record again", lambda: store.read(self.spec.path), port=store, kind=Kind.READ)
        except (PortError, Corrupt):
            return False
        return bool(head.revision != self.record.revision)

    # ---- before the lease

    def read_record(self) -> None:
        """The one read of the record, and whether whoever holds its lease is dead."""
        store = self.ports.store
        self.record = self.do(Name.CHECK, "read record", lambda: store.read(self.spec.path), port=store, kind=Kind.READ)
        self.head, lease = self.record.audit_head, self.record.lease
        dead = lease is not None and self.order.take_over and lease.home == self.order.home
        self.seen = self.seen.but(holder_dead=dead)

    def _looked(self) -> RunResult | None:
        self.read_record()
        first = plan(self.spec, self.record, self.seen, self.seam.now())
        adopting = isinstance(self.order.command, Adopt) and first.why in ("adopt", "identity")
        if first.ends and first.row <= LAST_ROW_BEFORE_CHECK and not adopting:
            if first.why == "adopt" and self.order.dry:
                self.check()
            return self.ended(first.why, self.what_new_kills() if first.why == "adopt" else "", step=first)
        self.check()
        return None

    def what_new_kills(self) -> str:
        """What `adopt --new` would do: it asks nothing, so it is said before."""
        if not self.order.dry:
            return ""
        first = self.spec.principals[0]
        if self.spec.is_set:
            return f"`--new` would give {first} a new secret, and its present one would stop working"
        return f"`--new` would mint one for {first} beside what lives there"

    # ---- under the lease

    def _worked(self) -> RunResult:
        command = self.order.command
        if self.order.dry:
            return self._dry()
        if command:
            self._begin(command, self.asked(command))
        return self.loop()

    def _begin(self, command: Command, asked: Record) -> None:
        """Claim with what a human asked for. A second user or secret is dealt with before the record says that there is a current:
        else a crash in between would leave it alive, and later runs at rest.
        """
        if isinstance(command, Adopt) and self.takes_second(command) and not self.same_as_current(command):
            self.claim(asked.but(current=None, pending=None))
            self.take_second(asked)
            self.write(asked, Name.ADOPT)
            self.kept = True
            return
        self.claim(asked)
        self.kept = not self.seen.undo
        if isinstance(command, Adopt) and self.takes_second(command):
            self.take_second(asked)
        if isinstance(command, Resolve) and command.revoke:
            self._revoke_resolved()

    def _revoke_resolved(self) -> None:
        """`resolve --revoke`: the claim has named it; kill it."""
        outcome = self._revoke_doomed(Name.SWEEP)
        if outcome.error:
            raise Stopped(self.stops(Step(Name.SWEEP, 23, "act"), outcome) or "failed", str(self.last_error or ""))
        self.seen = self.seen.but(live={id: each for id, each in self.seen.live.items() if id not in self.record.doomed})
        self.write(self.record.but(doomed=()), Name.SWEEP, "resolved")

    def _dry(self) -> RunResult:
        record = observe(self.record, self.seen.shows)
        if self.order.command:
            record = observe(self.asked(self.order.command), self.seen.shows)
        self.steps = foresee(self.spec, record, self.seen, self.seam.now())
        last = self.steps[-1]
        blocked = self.blocking(self.steps)
        shut = dict.fromkeys(filter(None, map(self._shut, self.steps)))
        if shut and not blocked and last.exit in (None, Exit.DONE):
            return self.ended("open place", ", ".join(shut))
        return self.ended("check" if blocked else last.why, "; ".join(each.text for each in blocked), step=last)

    def _shut(self, step: Step) -> str:
        """The place or reload of this step, if it cannot do its part as far as can be seen."""
        name = step.what if step.name is Name.PUBLISH else step.what[0] if step.name is Name.RELOAD else None
        return str(name) if name in self.unfit or name in self.unread else ""

    def blocking(self, steps: Sequence[Step]) -> list[Finding]:
        """Findings that keep a new rotation from beginning, where one would."""
        begins = any(each.name in (Name.STAGE, Name.RESERVE) for each in steps)
        return [each for each in self.findings if each.level is Level.FAIL] if begins else []

    def claim(self, new: Record, step: Name = Name.CLAIM, reason: str = "") -> None:
        """Take the lease with the first write, and write what CHECK read of the places. `step`: whose write it is besides."""
        if self.clock_suspect(Name.CLAIM):
            raise Stopped("clock")
        taken = self.record.lease
        self.until = self.seam.ticks() + LEASE
        self.lease = Lease(self.order.run, self.seam.now() + LEASE, self.order.home)
        before, self.waiting = self.waiting, []
        self.tell(None, EventName.RUN_BEGIN, reason=COMMANDS[type(self.order.command)] if self.order.command else None)
        self.waiting += before
        if taken and self.seen.holder_dead:
            self.tell(None, EventName.LEASE_TAKEN_OVER, reason=f"run {taken.run} is dead")
        if self.record.name not in (None, self.spec.name):
            self.tell(None, EventName.RENAMED, reason=f"was {self.record.name}")
        self.claimed = True
        if step is not Name.CLAIM:
            self.tell(Phase.RECORD, step=Name.CLAIM, outcome=Result.SUCCESS)
        seq = max(new.seq, int(self.seam.now()))  # above any fence that a record which was since restored has left at the target
        self.write(observe(new.but(seq=seq), self.seen.shows), step, reason)

    def loop(self) -> RunResult:
        """Ask the plan, perform, write what is left behind, until the plan says stop, wait or rest."""
        for _ in range(MOST + many(self.spec, self.record)):
            now = self.seam.now()
            step = plan(self.spec, self.record, self.seen, now)
            if step.ends:
                return self.close(step, after(self.spec, step, OK, self.record, now))
            blocked = self.blocking([step])
            if blocked:
                raise Stopped("check", "; ".join(each.text for each in blocked), fix=blocked[0].fix)
            if not self.claimed and step.name not in CLAIMING:
                self.claim(self.record)
                continue
            self.one(step)
        raise AssertionError("the plan does not end: " + " ".join(f"{each.name}/{each.row}" for each in self.steps[-8:]))

    def one(self, step: Step) -> None:
        """One step: perform it, keep what it leaves behind, stop where it says so."""
        if self.order.stop() and self.failed_why() != "cut off":
            raise Stopped("stopped" if self.complete or self.kept else "not begun")
        if self.seam.ticks() - self.started > self.order.run_time - 2 * self.order.timeout:
            raise Stopped("time")
        self.steps.append(step)
        self.last_error = None
        outcome = self.perform(step)
        trouble = self.trouble(outcome)
        now, before = self.seam.now(), self.record
        new = after(self.spec, step, outcome, before, now)
        self.seen = learn(step, outcome, before, self.seen)
        failed = before.pending.failed if before.pending and step.name is Name.ABORT else None
        self.gave_up |= failed is not None and failed.reason != "undo"
        if step.name is Name.ISSUE and not outcome.error:
            self.keep_or_take_back(new, outcome.data)
            return self.complete.append(step)
        why = self.stops(step, outcome)
        if why:
            self.record = new
            raise Stopped(why, trouble, fix=self.way_out(why), until=outcome.data if outcome.error == "used" else None)
        if outcome.error and step.name in (Name.PUBLISH, Name.RELOAD):
            self.open_places.append(trouble or f"{step.name} in {step.what}: what was read back is not what was written")
        if new is not before:
            self.keep_record(new, step, self.reason(step, outcome))
        return None if outcome.error else self.complete.append(step)

    def keep_record(self, new: Record, step: Step, reason: str) -> None:
        """Write what a step leaves behind: the first with CLAIM, the last with RELEASE, PUBLISH's with CONFIRM's, which only looks."""
        if not self.claimed:
            return self.claim(new, step.name, reason)
        following = plan(self.spec, new, self.seen, self.seam.now())
        if not following.ends and (step.name, following.name) != (Name.PUBLISH, Name.CONFIRM):
            return self.write(new, step.name, reason)
        self.tell(Phase.RECORD, step=step.name, reason=reason or None, outcome=Result.SUCCESS)
        self.record, self.unwritten = new, True
        return None

    def trouble(self, outcome: Outcome) -> str:
        """What kept a step from succeeding, and where."""
        error = self.last_error
        return f"{self.doing}: {error}" if error and outcome.error == type(error).__name__ else ""

    def stops(self, step: Step, outcome: Outcome) -> str | None:
        """Whether the run ends with this outcome, and why."""
        error = outcome.error
        if error in (None, "drift"):
            return None
        if error == "Foreign":
            return "foreign_change" if step.name is not Name.PUBLISH else None
        if error in ("clock", "used"):
            return error
        if error == "suspect":
            return "orphan.suspect"
        if step.name in (Name.PUBLISH, Name.RELOAD):
            return None
        if step.name is Name.ISSUE and error == "Unreachable" and not step.what:
            return None
        if error in ("Rejected", "Unfit", "Refused"):
            return self._stops_refused(step, error)
        return self.failed_why()

    def _stops_refused(self, step: Step, error: str) -> str | None:
        """A refusal that the plan goes on from is no end."""
        if step.name is Name.UNDO and not step.what:
            return "refused"
        kept_pending = step.name is Name.VERIFY and step.what[1]
        goes_on = {
            Name.VERIFY: not kept_pending,
            Name.APPLY: error == "Refused",
            Name.UNDO: error != "Refused" and bool(step.what),
            Name.ENABLE: error == "Refused" and bool(step.what),
            Name.CONFIRM: error == "Unfit",
        }
        return None if goes_on.get(step.name, False) else self.failed_why()

    def failed_why(self) -> str:
        """In place, between APPLY and the last place, consumers may be cut off; the message says so."""
        r = self.record
        unshown = r.pending or (r.current and any(r.places.get(each) != r.current.id for each in self.spec.place_names))
        return "cut off" if self.spec.in_place and self.claimed and unshown else "failed"

    def keep_or_take_back(self, new: Record, minted: Credential) -> None:
        """The record takes the new credential at once, lease lapsed or ledger dead; where another runner was faster, it is taken back."""
        try:
            self.write(new, Name.ISSUE, exempt=True)
        except Conflict:
            store, target = self.ports.store, self.ports.target
            head = self.do(Name.TAKEBACK, "read record", lambda: store.read(self.spec.path), port=store, kind=Kind.READ)
            keep = [each for each in head.versions() if each.secret]
            if not head.elsewhere and all(each.name != minted.name for each in head.versions()):  # what has moved on may know it there
                about = {"port": target, "tries": 3, "exempt": True, "credential": minted.name}
                self.do(Name.TAKEBACK, "take back", lambda: target.revoke(minted, keep), **about)  # type: ignore[arg-type]  # as `do` names them
            raise

    # ---- the end

    def close(self, step: Step, new: Record) -> RunResult:
        """The plan says that there is nothing more to do now."""
        self.steps.append(step)
        if self.claimed:
            self.record = new
            trouble = self.release(step.why)
            if trouble and self.unwritten:
                return self.ended(self.why_of(trouble), str(trouble))
        return self.ended(step.why, step=step)

    def why_of(self, trouble: Exception) -> str:
        """How a run ended whose last write did not land."""
        if isinstance(trouble, Stopped):
            return trouble.why
        return "conflict" if isinstance(trouble, Conflict) else "ledger" if isinstance(trouble, LedgerFailed) else self.failed_why()

    def finish(self, stop: Stopped) -> RunResult:
        """End a run that could not go on; the lease goes back where it can."""
        if self.claimed and stop.why != "lapsed":
            self.release(stop.why)
        return self.ended(stop.why, stop.detail, fix=stop.fix, until=stop.until)

    def release(self, why: str) -> Exception | None:
        """Give the lease back, or say why not. Where that fails it lapses by itself, or the next run here takes it over."""
        why, code, _ = self.verdict(why)
        done = Result.SUCCESS if code is Exit.DONE else Result.FAILURE
        if why in ALARMS:
            self.tell(None, ALARMS[why], reason=why, outcome=Result.FAILURE)
        self.tell(None, EventName.RUN_END, reason=why, outcome=done)
        self.told_end = why
        try:
            self.write(self.record, Name.RELEASE, release=True)
        except (Conflict, PortError, Stopped, LedgerFailed) as trouble:
            return trouble
        return None

    def idle(self, result: RunResult) -> RunResult:
        """What is told without a lease stands in the ledger's own chain: the end of a run that took none, or could not give it back."""
        self.waiting.clear()
        event = EventName.RUN_END if self.claimed or result.exit is Exit.DONE else ALARMS.get(result.why, EventName.CHECK_FAILED)
        outcome = Result.SUCCESS if result.exit is Exit.DONE else Result.FAILURE
        words = None if result.exit is Exit.DONE else result.message
        self.tell(None, event, reason=result.why, outcome=outcome, chain=LEDGER_CHAIN, error_message=words)
        try:
            self.ledger.append_loose(self.waiting.pop())
        except LedgerFailed as error:
            return self.ended("ledger", str(error))
        return result
