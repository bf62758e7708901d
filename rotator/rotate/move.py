"""A move: the record goes on in another store. The old record is emptied last, when the new one is proven.

Two runs under one roof: this one holds the lease of the old record, `Arrival` that of the new one, each in its own chain of events. Of the
two at most one counts (`Record.elsewhere`): the copy says until the end that the old one does, then the old one says that the copy does. A
move that is cut off in between is the same command once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rotator.after import after
from rotator.audit import EventName, Phase, Result
from rotator.errors import RotatorError
from rotator.model import Level
from rotator.plan import plan
from rotator.record import Record, to_document
from rotator.rotate.door import Kind
from rotator.rotate.order import Move, RunResult, Stopped
from rotator.rotate.run import LAST_ROW_BEFORE_CHECK, Run
from rotator.spec import RotationSpec
from rotator.step import FOREIGN, Name, Step


class Arrival(Run):
    """The new record, under a lease of its own."""

    claimed = False

    def look(self, old: Record, source: str) -> None:
        """Read what stands there, and whether it may be replaced. Raises `Stopped` where it may not."""
        self.read_record()
        there, command = self.record, self.order.command
        assert isinstance(command, Move)
        first = plan(self.spec, there, self.seen, self.seam.now())
        if first.why in ("lease", "format"):
            raise Stopped(first.why, f"in {self.spec.chain}")
        if old.elsewhere:
            return
        if there.known() and there.elsewhere != source:
            raise Stopped("refused", f"a record stands at {self.spec.chain} already", fix="choose another path or store")
        found = self.do(Name.CHECK, "check store", self.ports.store.check, port=self.ports.store, kind=Kind.READ)
        failed = [each for each in found if each.level is Level.FAIL]
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
        self.tell(None, EventName.RUN_END, reason="moved", outcome=Result.SUCCESS)
        self.write(self.record.but(elsewhere=None), Name.RELEASE, "moved", release=True)
        self.claimed = False


class Moving(Run):
    """The run of the old record. `go` may be called once; after a crash or a failure it is done again, by another."""

    def __init__(self, arrival: Arrival, *own: Any) -> None:
        super().__init__(*own)
        self.arrival = arrival

    def go(self) -> RunResult:
        """Move, or say why not; both leases go back where they can."""
        try:
            result = super().go()
            if self.arrival.claimed and result.why != "lapsed":
                self.arrival.release(result.why)
            return result
        finally:
            self.arrival.ports.close()

    @contextmanager
    def there(self) -> Iterator[Arrival]:
        """What goes wrong in here went wrong at the new record."""
        try:
            yield self.arrival
        except (RotatorError, Stopped):
            self.doing = self.arrival.doing
            raise

    def _looked(self) -> RunResult | None:
        self.read_record()
        r, there = self.record, self.arrival.spec.chain
        if r.elsewhere != there:
            first = plan(self.spec, r, self.seen, self.seam.now())
            if first.ends and first.row <= LAST_ROW_BEFORE_CHECK:
                return self.ended(first.why, step=first)
            self._ready()
        with self.there() as arrival:
            arrival.look(r, self.spec.chain)
        if not r.elsewhere or arrival.record.elsewhere == self.spec.chain:
            return None
        return self._moved() if arrival.record.known() and not arrival.record.elsewhere else self.ended("elsewhere")

    def _ready(self) -> None:
        """Who reads the old place must have current there: it is the last that they are shown."""
        r = self.record
        if r.pending:
            raise Stopped("refused", "a rotation is not finished: let it end, or undo it")
        if r.current and r.places.get(self.spec.place_names[0]) != r.current.id:
            raise Stopped("refused", f"{self.spec.chain} does not show consumers current yet", fix=f"rotator run {self.spec.name}")

    def _worked(self) -> RunResult:
        r, chain = self.record, self.spec.chain
        if not r.elsewhere:
            self.claim(r)
            assert self.head is not None
            with self.there() as arrival:
                told = f"from {chain}, event {self.head.seq}, {self.head.hash}"
                arrival.tell(Phase.RECORD, EventName.MOVED, outcome=Result.SUCCESS, reason=told)
                arrival.bring(self.record, self.spec)
            self._leave(r)
        with self.there() as arrival:
            arrival.settle()
        return self._moved()

    def _leave(self, r: Record) -> None:
        """Empty the old record: it says where the other is, and holds no secret."""
        there = self.arrival.spec.chain
        self.tell(Phase.RECORD, EventName.MOVED, outcome=Result.SUCCESS, reason=f"to {there}")
        self.tell(None, EventName.RUN_END, reason="moved", outcome=Result.SUCCESS)
        self.write(Record(identity=r.identity, generation=r.generation, elsewhere=there), Name.RELEASE, "moved", release=True)

    def _moved(self) -> RunResult:
        to = self.arrival.spec
        fix = (
            f"in {to.source} write `store: {{name: {to.store.name}, path: {to.path}}}`; and before the next rotation let who reads "
            f"{self.spec.chain} read {to.chain}: the old place keeps showing what is current now"
        )
        return self.ended("moved", to.chain, fix=fix)
