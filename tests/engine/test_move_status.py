"""What `status` says of two records of one spec: which of them counts, and what to do."""

import time
from dataclasses import replace

from labs import fault_at, rotated
from removals import Removal

from rotator.cli import moved
from rotator.cli.status import describe
from rotator.record import Pending, Record
from rotator.settings import Settings
from rotator.spec import Named
from rotator.testing.faults import Fault
from rotator.testing.lab import PATH, in_memory

OLD, NEW = "local:orders/db", "other:orders/db"
AHEAD, BACK = "rotator store move orders-db --from local --to other", "rotator store move orders-db --from other --to local"


def stores(removal):
    """Both, by their names."""
    return {"local": removal.lab.truth, "other": removal.storage.store(removal.lab.runtime())}


def of(here, record, both):
    """What a spec whose record is this one is told to do."""
    return moved.of_spec("orders-db", here, record, both)[1]


def said(removal):
    """Of the old record as the spec's, and of the new one as nobody's."""
    old, new, both = removal.lab.record(), removal.record(), stores(removal)
    of_spec = of(OLD, old, both) if old.elsewhere else ""
    return of_spec, moved.of_copy(NEW, new, both) if new.elsewhere else ""


def test_after_a_move_the_new_store_is_to_be_written():
    removal = Removal(rotated("alternating"))
    removal.move()
    assert said(removal) == ("write `store: {name: other, path: orders/db}` in the spec", "")


def test_a_copy_that_does_not_count_is_ended_or_given_up():
    removal = Removal(rotated("alternating"))
    removal.move(fault_at("publish", Fault.CRASH_AFTER))
    assert said(removal) == ("", f"a copy that does not count: `{AHEAD}` ends its move, `--from other --to local` empties it")
    named = of(NEW, removal.record(), stores(removal))
    assert named == f"write `store: {{name: local, path: orders/db}}` in the spec, or bring the record here: `{AHEAD}`"


def test_between_the_last_two_writes_both_say_the_same_way_on():
    assert said(Removal(rotated("alternating")).halved()) == (f"a move did not end: `{AHEAD}`",) * 2


def test_what_a_move_back_left_is_said():
    removal = Removal(rotated("alternating"))
    removal.move()
    removal.back(fault_at("publish", Fault.CRASH_AFTER))
    assert f"bring the record here: `{BACK}`" in said(removal)[0]


def test_what_leads_nowhere_is_said():
    removal = Removal(rotated("alternating"))
    removal.move()
    old, there = removal.lab.record(), stores(removal)["other"]
    assert "no store of rotator.yaml" in of(OLD, old, {})
    there.write(PATH, Record(revision=removal.record().revision, elsewhere="third:orders/db"))
    assert said(removal)[0].startswith("third:orders/db: no store of rotator.yaml")
    there.write(PATH, Record(revision=removal.record().revision, elsewhere=OLD))
    assert "each of the two" in said(removal)[0]
    removal.storage.store(removal.lab.runtime()).shelf.records.clear()
    assert "no record stands at other:orders/db" in said(removal)[0]
    there.shelf.down = True
    assert of(OLD, old, stores(removal)) == "other:orders/db: the shelf does not answer"


def test_one_that_went_on_is_followed_to_where_it_counts_and_a_copy_on_the_way_can_be_emptied():
    removal, third = Removal(rotated("alternating")), in_memory()
    removal.move(fault_at("publish", Fault.CRASH_AFTER))
    copy, lab = removal.record(), removal.lab
    both = stores(removal) | {"third": third.store(lab.runtime())}
    both["third"].write(PATH, lab.record().but(revision=None))
    lab.truth.write(PATH, Record(revision=lab.record().revision, identity=removal.old.identity, elsewhere="third:orders/db"))
    assert of(OLD, lab.record(), both) == "write `store: {name: third, path: orders/db}` in the spec"
    assert "`--from other --to third` empties it" in moved.of_copy(NEW, copy, both)
    removal.lab.seam.t += 400
    result = removal.emptied(third)
    assert (result.why, removal.record().known(), removal.record().elsewhere) == ("moved", [], "third:orders/db")
    assert both["third"].read(PATH).known()


def test_a_record_in_another_store_is_found_where_the_schedule_names_one_that_has_none():
    removal, told = Removal(rotated("alternating")), []
    both = stores(removal)
    assert moved.in_another_store(removal.there, both) == OLD
    assert moved.in_another_store(removal.old, both) is None
    other = replace(removal.there.identity, endpoint="another")
    assert moved.in_another_store(replace(removal.there, identity=other), both) is None
    removal.lab.truth.shelf.down = True
    assert moved.in_another_store(removal.there, both, told.append) is None
    assert "does not answer" in told[0]


def test_the_half_of_a_move_is_found_too_and_what_only_waits_for_its_mint():
    removal = Removal(rotated("alternating")).halved()
    third = removal.old.in_store(Named("memory", "third", Settings()))
    both = stores(removal) | {"third": in_memory().store(removal.lab.runtime())}
    assert moved.in_another_store(third, dict(both)) == NEW
    waits = Record(identity=removal.old.identity, pending=Pending("0-0", 5.0, None, frozenset(), 9.0))
    both["third"].write(PATH, waits)
    assert moved.in_another_store(removal.there, {"other": both["other"], "third": both["third"]}) == "third:orders/db"


def test_one_file_by_two_names_is_no_second_record():
    removal = Removal(rotated("alternating"))
    same = removal.lab.truth
    assert moved.in_another_store(removal.old, {"local": same, "again": same}) is None


def test_a_store_that_raises_or_hangs_is_told_and_stops_nothing(monkeypatch):
    removal, told = Removal(rotated("alternating")), []
    monkeypatch.setattr(moved, "PATIENCE", 0.2)
    for wrong in (lambda _: {}["x"], lambda _: time.sleep(30)):
        broken = removal.storage.store(removal.lab.runtime())
        broken.read = wrong
        assert moved.in_another_store(removal.old, {"local": removal.lab.truth, "other": broken}, told.append) is None
    assert [each.rpartition(": ")[2] for each in told] == ["KeyError", "no answer"]


def test_a_copy_on_the_way_of_another_move_of_the_same_record_is_replaced():
    removal = Removal(rotated("alternating"))
    copy = removal.before.but(revision=None, elsewhere="third:orders/db")
    removal.ports(there=True).store.write(PATH, copy)
    assert removal.move().why == "moved"
    assert removal.broken == []
    assert removal.record().elsewhere is None


def test_a_record_elsewhere_is_not_overdue():
    removal = Removal(rotated("alternating"))
    removal.move(fault_at("publish", Fault.CRASH_AFTER))
    spec = replace(removal.there, max_age=10.0)
    assert describe(spec, removal.record(), removal.lab.seam.now() + 1e6)["state"] == "elsewhere"
