"""An oracle for real systems: it asks the servers by their own ways, never through our plugins, whether a law was broken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing

from rotator.errors import Exit
from rotator.ledgers.commands import verify_ledger
from rotator.ledgers.heads import heads_of
from rotator.ledgers.reading import open_readonly
from rotator.model import Credential
from rotator.record import Record
from rotator.rotate import RunResult
from rotator.state import StateDir
from rotator.testing.canary import Canary
from rotator.testing.stands import World

RESTING = ("at rest", "grace", "soak", "hold", "not_before")
"""How a run may end when there is nothing to do now."""


class Oracle:
    """Judges one world. `about` says what was done to it.

    `by_hand`: what a human put in the place of ours, past us. That ours is dead, or not shown, where this is, is his doing.
    """

    def __init__(self, world: World, *, by_hand: Sequence[Credential] = ()) -> None:
        self.world, self.about, self.by_hand = world, "", by_hand
        self.spec, self.config = world.spec, world.loaded().config
        self.minted = world.stand.minted(world.one) or 0
        self.violations: list[str] = []
        self._known: list[Credential] = [world.first]
        """All that this world has had so far."""

    def violate(self, law: str, what: str) -> None:
        """Note a broken law."""
        self.violations.append(f"{self.world.stand.shape}: {self.about}: {law}: {what}")

    # ---- right after a kill

    def after_kill(self) -> None:
        """I1, I2: what consumers hold logs in, and nothing old is dead before its time. And no lock outlives its process.

        Before there is a current credential consumers hold the first one, or what `adopt --new` makes in its place.
        """
        record = self.world.record()
        ours = [record.current.credential if record.current else self.world.first]
        if (self.spec.in_place or not record.current) and record.pending and record.pending.credential:
            ours.append(record.pending.credential)
        if not any(self._lives(each) for each in ours):
            self.violate("I1", "current does not log in")
        if not self.spec.in_place:
            self._places_work()
            self._old_one_lives(record)
        self._no_lock()

    def _lives(self, credential: Credential) -> bool:
        """Whether it logs in, or a human saw to it that it does not."""
        return self.world.stand.works(credential) or any(
            each.same(credential) or (each.name == credential.name and self.world.stand.works(each)) for each in self.by_hand
        )

    def _places_work(self) -> None:
        for place, shown in self.world.shown().items():
            if shown is not None and not self._lives(shown):
                self.violate("I1", f"{place} shows a credential that does not log in")

    def _old_one_lives(self, record: Record) -> None:
        old = record.previous
        begun = old and (old.disable_intent or old.disabled_at or old.revoke_intent or old.revoked)
        if old and old.credential.secret and not begun and not self._lives(old.credential):
            self.violate("I2", "the old one is dead, and nothing was written down against it")

    def _no_lock(self) -> None:
        lock = StateDir(self.config.state).take(self.spec.chain)
        if lock is None:
            self.violate("I5", "the lock is still held")
        else:
            lock.release()

    # ---- after clean runs

    def settled(self, clean: RunResult) -> None:
        """I6: two clean runs must bring it to rest or to a wait."""
        self.must_rest(clean.exit, clean.why, clean.message)

    def must_rest(self, code: Exit, why: str, message: str = "") -> None:
        """The same, of what a command line said."""
        if code is not Exit.DONE or why not in RESTING:
            self.violate("I6", f"after two clean runs it says {code.name}, {why}: {message}")
        record = self.world.record()
        if record.pending or record.current is None:
            self.violate("I6", "after two clean runs something is pending")
        if record.current:
            self._lives_as_known(record, record.current.credential)
        if not self.spec.in_place:
            self._old_one_lives(record)

    def _lives_as_known(self, record: Record, current: Credential) -> None:
        """I3, I4, and the places show current. What a human accepted as none of ours may live."""
        stand, old = self.world.stand, record.previous
        allowed = record.base | {stand.mark(current)} | ({stand.mark(old.credential)} if old and not old.revoked else set())
        living = stand.living(self.world.one)
        if living - allowed:
            self.violate("I4", f"{len(living - allowed)} live that are neither current nor the old one in grace")
        if not stand.works(current):
            self.violate("I1", "current does not log in at rest")
        for place, shown in self.world.shown().items():
            if not current.same(shown):
                self.violate("I6", f"{place} does not show current at rest")

    def at_rest(self, known: Sequence[Credential]) -> None:
        """I3: nothing is left but current; what it replaced is dead. I7: no server that notes what it is asked has noted a secret."""
        self._known += [each for each in known if not any(each.same(one) for one in self._known)]
        self._unseen()
        record = self.world.record()
        if record.previous or record.pending or record.current is None:
            return self.violate("I6", "it does not come to rest")
        current = record.current.credential
        self._lives_as_known(record, current)
        for each in known:
            if not current.same(each) and each.name not in record.base and self.world.stand.works(each):
                self.violate("I3", "an old one still logs in at rest")
        return None

    def _unseen(self) -> None:
        seen, canary = self.world.stand.seen(), Canary()
        if seen is None:
            return
        for each in [self.world.stand.admin, *(each.secret for each in self._known)]:
            if each is not None:
                canary.register(each)
        if self.world.one not in seen:
            self.violate("I7", "the server's own log does not show this user: it proves nothing")
        if hits := canary.search(seen, "the server's own log"):
            self.violate("I7", f"{len(hits)} secrets stand in the server's own log: {hits[0]}")

    def audited(self) -> None:
        """I9: the chain verifies. I5: no more was minted than the ledger announced."""
        heads, troubles = heads_of({self.spec.store.name: self.world.store()})
        report = verify_ledger(self.config.ledger_url, heads)
        if report.exit is not Exit.DONE or troubles:
            self.violate("I9", "; ".join(report.sentences()))
        minted = self.world.stand.minted(self.world.one)
        if minted is not None and minted - self.minted > self._announced():
            self.violate("I5", f"{minted - self.minted} minted, {self._announced()} announced")

    def _announced(self) -> int:
        with closing(open_readonly(self.config.ledger_url)) as ledger:
            events = [json.loads(each.line) for each in ledger.rows()]
        return sum(each.get("effect") == "mint" and each.get("phase") == "intent" for each in events)
