"""A move: the record goes on in another store. The old record is emptied last, when the new one is proven.

Two runs under one roof: this one holds the lease of the old record, `Arrival` that of the new one, each in its own chain of events. Of the
two at most one counts (`Record.elsewhere`): the copy says until the end that the old one does, then the old one says that the copy does. A
move that is cut off in between is the same command once more; in the other direction it is refused, for which of the two may be lost is
told by what they hold, and not by who asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from rotator.after import after
from rotator.audit import EventName, Phase, Result
from rotator.errors import Conflict, Corrupt, RotatorError
from rotator.model import Credential, Level
from rotator.plan import plan
from rotator.record import Record, to_document
from rotator.rotate.door import Kind
from rotator.rotate.order import Move, RunResult, Stopped
from rotator.rotate.run import LAST_ROW_BEFORE_CHECK, Run
from rotator.spec import RotationSpec
from rotator.step import FOREIGN, Name, Step


def empty(r: Record) -> bool:
    """Whether nothing is lost with it: it names no credential, none that is on its way or doomed, and no other record."""
    return not (r.known() or r.pending or r.doomed or r.elsewhere)


def marker(r: Record) -> bool:
    """Whether it says where the record went, and nothing else."""
    return bool(r.elsewhere) and empty(r.but(elsewhere=None))


class Arrival(Run):
    """The new record, under a lease of its own."""

    claimed = False
    ours: tuple[Credential, ...] = ()
    """What the old record knows: none of it may stand in a message."""

    def secret_in(self, words: str) -> bool:
        """As at the door, and of the old record."""
        return super().secret_in(words) or any(each.secret.reveal() in words for each in self.ours if each.secret)

    def look(self) -> None:
        """Read what stands there. Raises `Stopped` while another works on it, and where it is of a newer format."""
        self.read_record()
        first = plan(self.spec, self.record, self.seen, self.seam.now())
        if first.why in ("lease", "format"):
            raise Stopped(first.why, f"in {self.spec.chain}")

    def ready(self, old: Record) -> None:
        """Whether the store is as it should be, and what stands there may be replaced. Raises `Stopped` where not, `PortError`."""
        there, command = self.record, self.order.command
        assert isinstance(command, Move)
        moved = bool(there.elsewhere) and there.identity in (None, old.identity)  # old counts, so this one does not
        if not (empty(there) or moved):
            raise Stopped("refused", f"a record stands at {self.spec.chain} already", fix="choose another path or store")
        found = self.do(Name.CHECK, "check store", self.ports.store.check, port=self.ports.store, kind=Kind.READ)
        failed = [self._shown(each) for each in found if each.level is Level.FAIL]
        if failed:
            raise Stopped("check", "; ".join(each.text for each in failed), fix=failed[0].fix)
        self.record, self.unread = old, {}  # whose values are ours
        shows = self.shown(Name.CHECK, self.spec.places[0])
        self.record = there
        for error in self.unread.values():
            raise error
        if shows == FOREIGN and not command.overwrite:
            raise Stopped("refused", f"{self.spec.chain} shows a value that is none of ours", fix="accept that it is lost: --overwrite")

    def bring(self, old: Record, source: RotationSpec) -> None:
        """Write the copy, show consumers current, log in with what they read, and read the copy back. Raises `Stopped`, `RotatorError`."""
        shown = {name: version for name, version in old.places.items() if name != source.place_names[0]}
        self.claim(old.but(elsewhere=source.chain, places=shown))
        step = Step(Name.PUBLISH, 12, "act", self.spec.places[0].place.name)
        outcome = self.perform(step)
        if outcome.error == "Foreign":
            raise Stopped("foreign_change", f"what {self.spec.chain} shows, current, is refused at the target")
        if outcome.error:
            raise Stopped("failed", self.trouble(outcome) or f"{self.spec.chain}: what was read back is not what was written")
        self.write(after(self.spec, step, outcome, self.record, self.seam.now()), Name.PUBLISH, "act")
        store, written = self.ports.store, to_document(self.record)
        read = self.do(Name.PUBLISH, "read record back", lambda: store.read(self.spec.path), port=store, kind=Kind.READ)
        if to_document(read) != written:
            raise Stopped("failed", f"{self.spec.chain}: the record that was read back is not what was written")

    def settle(self) -> None:
        """Now this one counts."""
        if not self.claimed:
            self.claim(self.record)
        self.tell(Phase.RECORD, EventName.MOVED, outcome=Result.SUCCESS, reason=f"from {self.record.elsewhere}")
        self.tell(None, EventName.RUN_END, reason="moved", outcome=Result.SUCCESS)
        self.write(self.record.but(elsewhere=None), Name.RELEASE, "moved", release=True)
        self.claimed = False

    def leave(self, result: RunResult) -> RunResult:
        """At the end: a lease that is still ours goes back where it can, and what was done is told."""
        if not self.claimed:
            return result
        if result.why != "lapsed":
            self.release(result.why)
        return self.last_words(result)


class Moving(Run):
    """The run of the old record. `go` may be called once; after a crash or a failure it is done again, by another."""

    def __init__(self, arrival: Arrival, *own: Any) -> None:
        super().__init__(*own)
        self.arrival = arrival

    def go(self) -> RunResult:
        """Move, or say why not; both leases go back where they can."""
        try:
            return self.arrival.leave(super().go())
        finally:
            self.arrival.ports.close()

    @contextmanager
    def there(self) -> Iterator[Arrival]:
        """What goes wrong in here went wrong at the new record; our own lease goes back all the same."""
        try:
            yield self.arrival
        except (RotatorError, Stopped) as error:
            self.doing = self.arrival.doing
            if isinstance(error, Conflict):
                raise Stopped("conflict", f"in {self.arrival.spec.chain}", fix=error.fix) from None
            if isinstance(error, Corrupt) and self.claimed:
                self.release("failed")
            raise

    def _looked(self) -> RunResult | None:
        self.read_record()
        r, there = self.record, self.arrival.spec.chain
        self.arrival.ours = tuple(r.known())
        first = plan(self.spec, r, self.seen, self.seam.now())
        copy = first.why == "elsewhere" and (r.elsewhere == there or not marker(r))
        if first.ends and first.row <= LAST_ROW_BEFORE_CHECK and not copy:
            return self.ended(first.why, step=first)
        if not r.elsewhere:
            self._ready()
        with self.there() as arrival:
            arrival.look()
            if r.elsewhere:
                return self._halves(r, arrival.record)
            arrival.ready(r)
        return None

    def _ready(self) -> None:
        """Who reads the old place must have current there: it is the last that they are shown. Raises `Stopped`, `PortError`."""
        r, first, self.unread = self.record, self.spec.places[0], {}
        if r.pending:
            raise Stopped("refused", "a rotation is not finished: let it end, or undo it", fix=self._run_here())
        assert r.current is not None
        shows = self.shown(Name.CHECK, first)
        for error in self.unread.values():
            raise error
        if {shows, r.places.get(first.place.name)} != {r.current.id}:
            raise Stopped("refused", f"{self.spec.chain} does not show consumers current", fix=self._run_here())

    def _run_here(self) -> str:
        return f"rotator run {self.spec.name}, while the schedule names {self.spec.store.name}"

    def _halves(self, r: Record, there: Record) -> RunResult | None:
        """The old record says that the new one counts. None: there is something left to do."""
        here, to = self.spec, self.arrival.spec
        halves = (r.elsewhere, there.elsewhere) == (to.chain, here.chain)
        if halves and marker(r) and there.known():
            return None
        if halves and marker(there) and r.known():
            back = f"rotator store move {here.name} --from {to.store.name} --to {here.store.name}"
            raise Stopped("refused", f"a move from {to.chain} to {here.chain} did not end", fix=back)
        if there.elsewhere or not there.known() or there.identity != r.identity:
            return self.ended("elsewhere", there.elsewhere or f"{to.chain}, where none stands")
        return self._moved() if marker(r) else None

    def _worked(self) -> RunResult:
        r, there = self.record, self.arrival.record
        if r.elsewhere and not there.elsewhere:
            return self._emptied(r, there)
        if not r.elsewhere:
            self.claim(r)
            assert self.head is not None
            with self.there() as arrival:
                told = f"from {self.spec.chain}, event {self.head.seq}, {self.head.hash}"
                arrival.tell(Phase.INTENT, EventName.MOVED, reason=told)
                arrival.bring(self.record, self.spec)
            self._leave(r)
        with self.there() as arrival:
            arrival.settle()
        return self._moved()

    def _emptied(self, r: Record, there: Record) -> RunResult:
        """The copy that a move back left here goes. The one that counts is claimed before: else a last write of that move, still under way,
        could empty it as well.
        """
        with self.there() as arrival:
            arrival.claim(there)
        self.claim(r)
        self._leave(r)
        return self._moved()

    def _leave(self, r: Record) -> None:
        """Empty the old record: it says where the other is, and holds no secret."""
        there = self.arrival.spec.chain
        self.tell(Phase.RECORD, EventName.MOVED, outcome=Result.SUCCESS, reason=f"to {there}")
        self.tell(None, EventName.RUN_END, reason="moved", outcome=Result.SUCCESS)
        self.told_end = "moved"
        self.write(Record(identity=r.identity, generation=r.generation, elsewhere=there), Name.RELEASE, "moved", release=True)

    def _moved(self) -> RunResult:
        to = self.arrival.spec
        fix = (
            f"in {to.source} write `store: {{name: {to.store.name}, path: {to.path}}}`; and before the next rotation let who reads "
            f"{self.spec.chain} read {to.chain}: nothing writes the old place any more"
        )
        return replace(self.ended("moved", to.chain, fix=fix), wake=self.seam.now())
