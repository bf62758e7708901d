"""A record moves to another store: whatever fails, one of the two counts or can be made to, and no secret is lost or left behind."""

from dataclasses import replace

import pytest
from labs import due, fault_at, rotated

from rotator.errors import Denied, Exit, Unreachable
from rotator.model import Finding, Level, Secret
from rotator.record import Lease, Record
from rotator.rotate import HoldUntil, Move, Order, RunResult
from rotator.rotate.move import Arrival, Moving
from rotator.settings import Settings
from rotator.spec import Named
from rotator.testing.faults import Crash, Fault, FaultPlan, can_suffer
from rotator.testing.lab import PATH, SHAPES, Lab, in_memory
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

    def move(self, plan=None, home="home", **asked):
        """One move; "crashed" where a fault ended its process."""
        self.moves += 1
        plan, lab = plan or FaultPlan({}), self.lab
        plan.perform, plan.on_disk = self._judged, self._disk_full
        order = Order(run=f"move-{self.moves}", home=home, take_over=True, command=Move(self.there, **asked), timeout=2.0)
        arrival = Arrival(self.there, self.ports(there=True), lab.ledger, order, lab.seam, plan)
        try:
            return Moving(arrival, self.old, self.ports(there=False), lab.ledger, order, lab.seam, plan).go()
        except Crash:
            return "crashed"
        finally:
            lab.ledger.fails = False

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


def at_rest(shape):
    """A lab whose rotation is over."""
    lab = rotated(shape)
    for seconds in (11_900, 12_300):
        lab.at(seconds)
        lab.run()
    return lab


@pytest.mark.no_cover
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize(("shape", "state"), [("in place", at_rest), ("alternating", rotated), ("issue, two slots", rotated)])
def test_after_a_fault_at_any_effect_of_a_move_the_same_command_ends_it(shape, state, fault):
    clean, found, count = FaultPlan({}), [], 0
    assert Removal(state(shape)).move(clean).why == "moved"
    for number, (name, kind) in enumerate(zip(clean.names, clean.kinds, strict=True), 1):
        if not can_suffer(name, kind, fault):
            continue
        count += 1
        removal, plan = Removal(state(shape)), FaultPlan({number: fault})
        removal.move(plan)
        assert plan.hit
        plan.land()
        ends = [removal.move() for _ in range(2)]
        found += [f"{fault} at effect {number} ({name}): {each}" for each in removal.broken + removal.ended()]
        found += [f"{fault} at effect {number} ({name}): {each.message}" for each in ends if each.exit is not Exit.DONE]
    assert not found
    assert count > 5


@pytest.mark.parametrize("shape", SHAPES)
def test_the_next_rotations_go_on_in_the_new_store(shape):
    removal = Removal(rotated(shape))
    result = removal.move()
    assert (result.exit, result.why) == (Exit.DONE, "moved")
    assert "store: {name: other, path: orders/db}" in result.fix
    assert removal.ended() == []
    lab = removal.goes_on()
    lab.clean_runs()
    lab.at(40_000)
    lab.run()
    assert lab.record().current.id != removal.before.current.id
    assert lab.oracle.violations == []


def test_a_run_at_the_old_store_stops_and_says_where_the_record_is():
    removal = Removal(rotated("alternating"))
    removal.move()
    removal.lab.at(30_000)
    for command in ({}, {"named": True, "forced": True}):
        result = removal.lab.run(**command)
        assert (result.exit, result.why) == (Exit.HUMAN, "elsewhere")
        assert "other:orders/db" in result.message
    assert removal.lab.dry().why == "elsewhere"
    assert removal.ended() == []


def test_a_copy_that_did_not_get_to_its_end_does_not_count():
    removal = Removal(rotated("alternating"))
    assert removal.move(fault_at("read record back", Fault.CRASH_BEFORE)) == "crashed"
    assert removal.record().known()
    assert removal.goes_on().run().why == "elsewhere"


def test_a_rotation_after_a_move_that_was_cut_off_goes_along_with_the_next_move():
    removal = Removal(rotated("alternating"))
    assert removal.move(fault_at("read record back", Fault.CRASH_BEFORE)) == "crashed"
    lab = removal.lab
    lab.at(12_300)
    lab.run()
    lab.at(20_010)
    assert lab.run().why == "grace"
    removal.before, removal.living, removal.broken = lab.record(), lab.system.living(), []
    assert removal.move().why == "moved"
    assert removal.broken + removal.ended() == []


def test_there_and_back_again():
    removal = Removal(rotated("overlapping"))
    removal.move()
    back = Removal(removal.goes_on())
    back.there, back.storage = removal.old, removal.lab.storage
    result = back.move()
    assert result.why == "moved", result
    assert back.record().elsewhere is None
    assert back.record().current.id == removal.before.current.id
    assert removal.record().elsewhere == removal.old.chain


def test_what_was_moved_is_moved():
    removal = Removal(rotated("in place"))
    removal.move()
    events = len(removal.lab.ledger.events)
    assert removal.move().why == "moved"
    assert {each.chain for each in removal.lab.ledger.events[events:]} == {"ledger"}


def test_while_another_runner_holds_either_lease_nothing_moves():
    removal = Removal(rotated("alternating"))
    assert removal.move(fault_at("read record back", Fault.CRASH_BEFORE)) == "crashed"
    result = removal.move(home="another machine")
    assert (result.exit, result.why) == (Exit.BUSY, "lease")
    removal.lab.seam.t += 301
    assert removal.move(home="another machine").why == "moved"


def test_who_is_overtaken_by_a_run_leaves_everything_as_it_was():
    removal = Removal(rotated("alternating"))
    plan, lab = FaultPlan({}), removal.lab

    def overtaken(name, kind, call):
        if name == "read record back":
            lab.seam.t += 400
            lab.run(home="elsewhere")
        return call()

    order = Order(run="move", home="home", take_over=True, command=Move(removal.there), timeout=2.0)
    plan.perform = overtaken
    arrival = Arrival(removal.there, removal.ports(there=True), lab.ledger, order, lab.seam, plan)
    result = Moving(arrival, removal.old, removal.ports(there=False), lab.ledger, order, lab.seam, plan).go()
    assert result.exit in (Exit.FAILED, Exit.BUSY), result
    assert lab.record().elsewhere is None
    assert removal.record().elsewhere == removal.old.chain


def refused(removal, words, why="refused", **asked):
    """A move that does not begin, and why."""
    old, new = removal.lab.record(), removal.record()
    result = removal.move(**asked)
    assert result.why == why, result
    assert words in f"{result.message} {result.fix}"
    assert (removal.lab.record().revision, removal.record().revision) == (old.revision, new.revision)


def test_an_unfinished_rotation_is_ended_first():
    lab = Lab("alternating", in_memory())
    lab.adopt()
    lab.at(10_010)
    assert lab.run(plan=fault_at("set secret", Fault.CRASH_BEFORE)) == "crashed"
    refused(Removal(lab), "let it end, or undo it")


def test_an_old_place_that_does_not_show_current_is_published_first():
    lab = Lab("alternating", in_memory())
    lab.adopt()
    lab.at(10_010)
    assert lab.run(plan=fault_at("publish", Fault.CRASH_BEFORE)) == "crashed"
    refused(Removal(lab), "rotator run orders-db")


def test_a_spec_that_nothing_is_known_of_has_nothing_to_move():
    removal = Removal(rotated("in place"))
    removal.lab.truth.shelf.records.clear()
    refused(removal, "take it over", why="adopt")


def test_a_record_that_stands_there_is_not_replaced():
    removal = Removal(rotated("in place"))
    other = Record(identity=removal.old.identity, current=removal.before.current)
    removal.ports(there=True).store.write(PATH, other)
    refused(removal, "a record stands at other:orders/db already")


def test_a_value_that_stands_there_is_only_lost_on_purpose():
    removal = Removal(rotated("in place"))
    place = removal.there.places[0].place
    removal.ports(there=True).store.publish(place, dict.fromkeys(FIELDS, Secret("a-strangers-value-0123456789")), "theirs", 0)
    refused(removal, "--overwrite")
    assert removal.move(overwrite=True).why == "moved"


def test_a_store_that_is_not_as_it_should_be_is_said_before_anything_is_written():
    removal = Removal(rotated("in place"))
    removal.storage.store(removal.lab.runtime()).shelf.mount = "somewhere else"
    result = removal.move()
    assert isinstance(result, RunResult)
    assert result.exit is Exit.FAILED
    assert "mount" in result.message
    assert removal.lab.record().revision == removal.before.revision


def test_an_old_marker_of_the_way_back_is_no_record():
    removal = Removal(rotated("in place"))
    marker = Record(identity=removal.old.identity, elsewhere="third:orders/db")
    removal.ports(there=True).store.write(PATH, marker)
    assert removal.move().why == "moved"


def test_both_chains_say_where_the_other_is():
    removal = Removal(rotated("alternating"))
    removal.move()
    told = {each.chain: each for each in removal.lab.ledger.events if each.event == "store.moved"}
    assert told[removal.old.chain].reason == f"to {removal.there.chain}"
    _, seq, hash = told[removal.there.chain].reason.split(", ")
    anchor = next(each for each in removal.lab.ledger.events if each.hash == hash)
    assert (anchor.chain, f"event {anchor.seq}") == (removal.old.chain, seq)


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


def test_a_copy_that_is_read_back_otherwise_is_not_trusted():
    removal = Removal(rotated("alternating"))
    read = removal.storage.store(removal.lab.runtime()).read
    result = with_store_there(removal, read=lambda path: read(path).but(generation=99)).move()
    assert (result.exit, "is not what was written" in result.message) == (Exit.FAILED, True)
    assert removal.lab.record().elsewhere is None
    assert removal.lab.record().known()


def test_a_place_there_that_shows_something_else_than_was_published_stops_the_move():
    removal = with_store_there(Removal(rotated("alternating")), publish=lambda *_: None)
    result = removal.move()
    assert (result.exit, "is not what was written" in result.message) == (Exit.FAILED, True)
    assert removal.lab.record().elsewhere is None


def test_a_finding_of_the_store_there_stops_the_move_with_its_way_out():
    found = Finding(Level.FAIL, "store", "it keeps old versions", "set max_versions to 1")
    removal = with_store_there(Removal(rotated("in place")), check=lambda: [found])
    refused(removal, "set max_versions to 1", why="check")


def test_a_place_there_that_cannot_be_read_is_said_before_anything_is_written():
    def denied(_place):
        raise Denied("consumers' paths may not be read", "grant read")

    removal = with_store_there(Removal(rotated("in place")), published=denied)
    refused(removal, "grant read", why="failed")


def test_another_runner_s_lease_there_is_respected():
    removal = Removal(rotated("in place"))
    store = removal.ports(there=True).store
    store.write(PATH, Record(elsewhere=removal.old.chain, lease=Lease("another", removal.lab.seam.now() + 200, "another machine")))
    refused(removal, "in other:orders/db", why="lease")


def test_a_move_that_died_when_the_old_record_was_empty_has_only_to_say_that_the_new_one_counts():
    removal = Removal(rotated("alternating"))
    assert removal.move(fault_at("write record RELEASE", Fault.CRASH_AFTER)) == "crashed"
    assert not removal.lab.record().known()
    assert removal.record().elsewhere == removal.old.chain
    assert removal.move().why == "moved"
    assert removal.broken + removal.ended() == []


def test_a_record_that_went_on_to_a_third_store_is_looked_for_there():
    removal = Removal(rotated("alternating"))
    removal.move()
    store = removal.ports(there=True).store
    record = store.read(PATH)
    store.write(PATH, Record(revision=record.revision, identity=removal.old.identity, elsewhere="third:orders/db"))
    result = removal.move()
    assert (result.exit, result.why) == (Exit.HUMAN, "elsewhere")


class Suspended(FaultPlan):
    """The write of what was minted lands, its answer is lost, and meanwhile others do so much that no trace of it is left."""

    def __init__(self, lab):
        super().__init__({})
        self.lab, self.slept, self.removal = lab, False, None

    def effect(self, name, kind, call):
        if name != "write record ISSUE" or self.slept:
            return super().effect(name, kind, call)
        super().effect(name, kind, call)
        self.slept, lab = True, self.lab
        lab.seam.t += 400
        lab.run(home="elsewhere", alone=False)
        for _ in range(8):
            lab.run(HoldUntil("an audit", 10.0), home="elsewhere", alone=False, named=True)
        self.removal = Removal(lab)
        assert self.removal.move(home="elsewhere").why == "moved"
        raise Unreachable("no answer")


def test_who_wakes_after_its_record_has_moved_takes_nothing_back_that_may_be_current():
    lab = due("issue, two slots")
    plan = Suspended(lab)
    assert lab.run(plan=plan, alone=False).why == "conflict"
    current = plan.removal.record().current.credential
    assert login(current) in lab.system.living()
    assert plan.removal.broken + plan.removal.ended() == []
