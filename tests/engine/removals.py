"""A move for tests: a lab, the other store, and who judges after each effect."""

from dataclasses import replace

from labs import fault_at

from rotator.rotate import Move, Order
from rotator.rotate.move import Arrival, Moving
from rotator.settings import Settings
from rotator.spec import Named
from rotator.testing.faults import Crash, Fault, FaultPlan
from rotator.testing.lab import PATH, in_memory
from rotator.testing.oracle import Oracle, login

OTHER = Named("memory", "other", Settings())
FIELDS = {"username", "password"}


class Removal:
    """A lab, and the other store that its record goes to."""

    def __init__(self, lab):
        self.lab, self.old, self.there = lab, lab.spec, lab.spec.in_store(OTHER)
        self.made, self.storage = lab.ports, in_memory()
        self.before, self.moves = lab.record(), 0
        self.living, self.broken = lab.system.living(), []

    def ports(self, *, there):
        made = self.made()
        if not there:
            return made
        store = self.storage.store(self.lab.runtime())
        return replace(made, store=store, places={self.there.store.name: store, "env": made.places["env"]})

    def record(self):
        return self.storage.store(self.lab.runtime()).read(PATH)

    def shown(self):
        """What consumers of the new place read."""
        values = self.ports(there=True).store.published(self.there.places[0].place)
        return tuple(values[each].reveal() for each in self.lab.fields) if values else None

    def move(self, plan=None, home="home", *, perform=None, **asked):
        """One move; "crashed" where a fault ended its process. `perform` stands around its effects instead of who judges."""
        plan = plan or FaultPlan({})
        plan.perform, plan.on_disk = perform or self._judged, self._disk_full
        return self._moving(plan, home, self.old, self.there, **asked)

    def back(self, plan=None, home="home", *, perform=None):
        """The same in the other direction: `--from` the new store `--to` the old one."""
        plan = plan or FaultPlan({})
        plan.perform = perform or plan.perform
        return self._moving(plan, home, self.there, self.old)

    def emptied(self, third):
        """`--from` the new store `--to` a third one, where the record counts."""
        lab, spec = self.lab, self.lab.spec.in_store(Named("memory", "third", Settings()))
        store = third.store(lab.runtime())
        ports = replace(self.made(), store=store, places={"third": store, "env": self.made().places["env"]})
        order = Order(run="third", home="home", take_over=True, command=Move(spec), timeout=2.0)
        arrival = Arrival(spec, ports, lab.ledger, order, lab.seam, FaultPlan({}))
        return Moving(arrival, self.there, self.ports(there=True), lab.ledger, order, lab.seam, FaultPlan({})).go()

    def _moving(self, plan, home, source, to, **asked):
        self.moves += 1
        lab, ahead = self.lab, to is self.there
        order = Order(run=f"move-{self.moves}", home=home, take_over=True, command=Move(to, **asked), timeout=2.0)
        arrival = Arrival(to, self.ports(there=ahead), lab.ledger, order, lab.seam, plan)
        try:
            return Moving(arrival, source, self.ports(there=not ahead), lab.ledger, order, lab.seam, plan).go()
        except Crash:
            return "crashed"
        finally:
            lab.ledger.fails = False

    def halved(self):
        """Cut off between the last two writes: each of the two records says that the other counts."""
        assert self.move(fault_at("write record RELEASE", Fault.CRASH_AFTER)) == "crashed"
        return self

    def _disk_full(self):
        self.lab.ledger.fails = True

    def _judged(self, _name, _kind, call):
        try:
            return call()
        finally:
            self.lab.seam.t += 0.4
            self.broken += self.judge()

    def judge(self):
        """What is wrong now: two records that count, a secret that neither has, a place that changed, a login that died."""
        old, new = self.lab.record(), self.record()
        count = [each for each in (old, new) if each.known() and not each.elsewhere]
        halves = (old.elsewhere, new.elsewhere) == (self.there.chain, self.old.chain)
        found = ["two records count"] if len(count) > 1 else [] if count or halves else ["no record counts, and none could"]
        whole = count[0] if count else new
        if {login(each) for each in whole.known()} != {login(each) for each in self.before.known()}:
            found.append("a secret is not in the record any more")
        if self.lab.shown(self.old.store.name) != login(self.before.current.credential):
            found.append("the old place shows something else")
        if self.lab.system.living() != self.living:
            found.append("the target was changed")
        return found

    def ended(self):
        """Take stock after a whole move: what is wrong with it."""
        old, new = self.lab.record(), self.record()
        found = [] if (old.elsewhere, new.elsewhere) == (self.there.chain, None) else ["it is not the new one alone that counts"]
        found += [] if old.lease is None and new.lease is None else ["a lease was left"]
        left = repr(vars(self.lab.truth.shelf)["records"])
        found += ["the old store still holds a record with a secret"] * any(
            each.secret.reveal() in left for each in self.before.known() if each.secret
        )
        found += ["the new place does not show current"] * (self.shown() != login(new.current.credential))
        chains = ((self.old.chain, old), (self.there.chain, new))
        return found + [f"the chain {chain} breaks" for chain, head in chains if not self.whole(chain, head)] + self.judge()

    def whole(self, chain, record):
        """Whether the chain goes from the record's head back to its begin."""
        before = {each.hash: each.prev for each in self.lab.ledger.events if each.chain == chain}
        at, steps = record.audit_head.hash, 0
        while at in before:
            at, steps = before[at], steps + 1
        return at == "" and steps == record.audit_head.seq

    def goes_on(self):
        """The lab, with the new store in its schedule."""
        lab = self.lab
        lab.spec, lab.ports, lab.truth = self.there, lambda: self.ports(there=True), self.storage.store(lab.runtime())
        own = lab.shown
        lab.shown = lambda place: self.shown() if place == "other" else own(place)
        lab.oracle = Oracle(lab.spec, lab.system, lab.record, lab.shown, lab.seam.now)
        lab.oracle.start()
        return lab


def refused(removal, words, why="refused", **asked):
    """What is wrong with a refusal: another end, other words, or something was written."""
    old, new = removal.lab.record(), removal.record()
    result = removal.move(**asked)
    found = [] if result.why == why else [f"it ended in {result.why}: {result.message}"]
    found += [] if words in f"{result.message} {result.fix}" else [f"it does not say {words!r}: {result.message}; {result.fix}"]
    untouched = (removal.lab.record().revision, removal.record().revision) == (old.revision, new.revision)
    return found if untouched else [*found, "a record was written"]


def with_store_there(removal, **methods):
    """The removal, with a store there that has some methods of its own."""
    made = removal.ports

    def ports(*, there):
        given = made(there=there)
        for name, method in methods.items() if there else ():
            setattr(given.store, name, method)
        return given

    removal.ports = ports
    return removal
