"""How a run ended: in words, as an exit code, and when its spec is to be looked at again."""

from __future__ import annotations

from datetime import UTC, datetime

from rotator.errors import Exit, Foreign, Refused
from rotator.model import Level, Shape
from rotator.plan import reload_open, renewal, shows_foreign, strangers, unobserved
from rotator.rotate.door import HIDDEN
from rotator.rotate.humans import Humans
from rotator.rotate.looks import SKEW
from rotator.rotate.messages import DONE, ENDS, end_of
from rotator.rotate.order import Adopt, Move, RunResult
from rotator.step import UNREAD, Name, Step


class Ends(Humans):
    """The last words of a run."""

    claimed = False
    steps: list[Step]
    complete: list[Step]
    """Steps that were done to their end."""
    gave_up = False
    """Whether this run has taken back a new credential that nobody asked it to."""
    kept = False
    """Whether what a human asked stands in the record."""

    def ended(
        self,
        why: str,
        detail: str = "",
        *,
        step: Step | None = None,
        fix: str | None = None,
        until: float | None = None,
        code: Exit | None = None,
    ) -> RunResult:
        """The result, in words."""
        detail = detail or self.details(why)
        why, code, worse = self.verdict(why, code or (step.exit if step else None))
        end, detail = end_of(why, in_place=self.spec.in_place), "; ".join(filter(None, (worse, detail)))
        told, text = self._once_more(fix or end.fix, why, code), "; ".join([*self.done(), end.text])
        text = f"{text}: {detail}" if detail else text
        return RunResult(
            spec=self.spec.name,
            exit=code,
            why=why,
            message=text if code is Exit.DONE else text + self._untold(f"{text} {told}"),
            fix=self._named(told, why) if told and not fix else told,
            wake=until or (self.looks_by(step.what) if step and step.name is Name.WAIT else self.next_wake(why)),
            steps=tuple(self.steps),
            findings=self.findings,
            claimed=self.claimed,
        )

    def verdict(self, why: str, code: Exit | None = None) -> tuple[str, Exit, str]:
        """What such an end may claim: its word and exit code, or worse ones and what about; the ledger is told the same."""
        code = code if code is not None else end_of(why, in_place=self.spec.in_place).exit
        if why == "not_before" and not self.open_work() and not self.gave_up:
            code = Exit.DONE
        worse, about = self.worse() if code is Exit.DONE else ("", "")
        if code is Exit.DONE and not worse and self.seen.forced and not self.order.dry:
            worse, about = "not forced", end_of(why, in_place=self.spec.in_place).text
        return (worse, ENDS[worse].exit, about) if worse else (why, code, "")

    def _foreign(self) -> list[str]:
        """Places that show what is none of ours."""
        return [place for place in self.spec.place_names if shows_foreign(self.seen, place)]

    def _named(self, fix: str, why: str) -> str:
        """What to do, with the names of this spec in it."""
        places = " --overwrite ".join(self._foreign()) if why == "foreign_change of place" else "PLACE"
        return fix.replace("--overwrite PLACE", f"--overwrite {places}").format(spec=self.spec.name)

    def details(self, why: str) -> str:
        """What this run has seen that led to such an end."""
        if why == "foreign_change":
            return "; ".join(each.text for each in self.findings if each.level is Level.FAIL)
        if why == "elsewhere":
            return str(self.record.elsewhere)
        if why == "orphan.suspect":
            return ", ".join(self._unknown())
        if why == "foreign_change of place":
            return ", ".join(self._foreign())
        if why == "hold" and self.record.hold:
            return f"until {datetime.fromtimestamp(self.record.hold.until, UTC):%Y-%m-%dT%H:%MZ}"
        if why == "not_before" and self._unknown():
            return f"nobody knows {', '.join(self._unknown())}, which may take the slot of a new one"
        return "; ".join(self.open_places) if why == "open place" else ""

    def _unknown(self) -> list[str]:
        """Ids that live and that the record does not know, to be told."""
        return [HIDDEN if self.secret_in(each) else each for each in strangers(self.record, self.seen.live)]

    def _untold(self, said: str) -> str:
        """What lives at the provider, and what was said does not name: whatever ended the run, somebody is to know of it."""
        ids = [each for each in self._unknown() if each not in said]
        return f"; nobody knows {', '.join(ids)}" if ids else ""

    def done(self) -> list[str]:
        """What this run has done to its end, in words."""
        r = self.record
        untold = "" if r.previous and r.previous.orphan else Name.SWEEP
        names = [str(each.name) for each in self.complete if each.phase != "drop" and each.name != untold] if not self.order.dry else []
        if isinstance(self.order.command, Adopt) and self.claimed and (self.record.current or self.record.pending):
            names.insert(0, "ADOPT")
        return [DONE[each] for each in dict.fromkeys(names) if each in DONE]

    def _once_more(self, fix: str | None, why: str, code: Exit) -> str | None:
        """The next run goes on with what stands in the record: what a human asked and is not there must be asked again."""
        kept = self.kept or any(each.name is Name.UNDO for each in self.complete)
        asked = self.order.command and not self.order.dry and not isinstance(self.order.command, Move)
        if not asked or kept or code is Exit.DONE or why in ("refused", "not begun"):
            return fix
        again = "give the same command again: nothing of it was kept"
        return f"{fix}; then {again}" if fix else again

    def way_out(self, why: str) -> str | None:
        """Where the target holds our hand off the second user or secret, for a human has it: it is to be given up."""
        if why == "refused" and self.steps[-1].name is Name.UNDO:
            return f"the old one is refused too: `rotator adopt {self.spec.name} --from …` with one that works, or `--new`"
        second = {Shape.ALTERNATING: "--take-second", Shape.OVERLAPPING: "--drop-second"}.get(self.spec.shape)
        name, unknown = self.spec.name, self._unknown()
        if why == "failed" and isinstance(self.last_error, Refused) and self.steps[-1].name is Name.ISSUE:
            return self._frees_a_slot(unknown)
        if why != "foreign_change" or not second or not isinstance(self.last_error, Foreign):
            return None
        adopt = f"`rotator adopt {name} --from …` with what `rotator get {name}` shows, and {second}"
        return f"find out who has it; once nobody needs it: {adopt}"

    def _frees_a_slot(self, unknown: list[str]) -> str | None:
        """What may leave the provider: what nobody knows; or else what a human has accepted, which we never touch."""
        if unknown:
            return f"find out whose {', '.join(unknown)} is; a slot is free after `rotator resolve {self.spec.name} --revoke ID`"
        accepted = [HIDDEN if self.secret_in(each) else each for each in sorted(self.record.base & self.seen.live.keys())]
        return f"accepted, and none of ours: {', '.join(accepted)}; delete there what nobody needs" if accepted else None

    def worse(self) -> tuple[str, str]:
        """What keeps a run that did all it could from saying so: no way back; current is leaked, older than allowed, or seen by nobody."""
        c, most = self.record.current, self.spec.max_age
        if self.order.dry:
            return "", ""
        if self.seam.now() < self.record.at - SKEW:
            return "clock", ""
        if c is not None and c.id in self.seen.died:
            return "failed", "the current credential has expired: nobody can log in with it"
        if self.seen.undo:
            return "failed", f"it was not gone back yet: `rotator undo {self.spec.name}` again"
        if self._leaked():
            return "leaked", ""
        if c is not None and most is not None and self.seam.now() - c.created > most:
            return "overdue", ""
        blind = unobserved(self.spec, self.record)
        return ("not observed", ", ".join(blind)) if blind else ("", "")

    def open_work(self) -> bool:
        """Whether a rotation is unfinished, a place is not known to show current, or a reload is open."""
        r, shows = self.record, self.seen.shows
        if r.pending or r.previous or not r.current:
            return True
        shown = all(shows.get(each) in (UNREAD, r.current.id) and r.places.get(each) == r.current.id for each in self.spec.place_names)
        return not shown or any(reload_open(r, each.name, each.level) for each in self.spec.reloads)

    def looks_by(self, until: float) -> float:
        """The end of a wait, or earlier: places are looked at as often as ever, and current is renewed before it expires."""
        c, q, now, renewed = self.record.current, self.record.previous, self.seam.now(), renewal(self.spec, self.record)
        times = [until, now + self.spec.check_every]
        if renewed is not None and renewed > now:
            times.append(renewed)
        elif c and c.credential.expires and not c.credential.expired(now):  # it could not be renewed yet: half of what is left
            times.append(now + max(60.0, (c.credential.expires.timestamp() - now) / 2))
        if q and q.credential.expires and self._leaked():  # it is in the way of a new one, and was too brief to be gone back to
            times.append(max(q.credential.expires.timestamp(), now + 60.0))
        return min(times)

    def next_wake(self, why: str) -> float | None:
        """When this spec is to be looked at again."""
        r, now = self.record, self.seam.now()
        if why in ("adopt", "format", "elsewhere", "identity"):
            return now + self.spec.check_every
        times = [now + self.spec.check_every, *(each.until for each in r.tombstones)]
        if r.not_before and r.not_before > now:
            return self.looks_by(r.not_before)
        if r.lease and why == "lease":
            return r.lease.until
        if r.current and not self.spec.retire:
            times.append(self.spec.when.next_slot(r.last_slot, now))
        return self.looks_by(min(times))
