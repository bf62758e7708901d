"""A move that may not begin, or not go on: it says why, and nothing is lost."""

from dataclasses import replace

import pytest
from labs import fault_at, rotated
from removals import FIELDS, Removal, refused, with_store_there

from rotator.errors import Denied, Exit, Unreachable
from rotator.model import Finding, Level, Secret
from rotator.record import Lease, Pending, Record
from rotator.rotate import RunResult
from rotator.rotate.door import HIDDEN
from rotator.testing.faults import Fault
from rotator.testing.lab import PATH, START, Lab, in_memory


def cut_off(effect):
    """A removal in the middle of a rotation."""
    lab = Lab("alternating", in_memory())
    lab.adopt()
    lab.at(10_010)
    assert lab.run(plan=fault_at(effect, Fault.CRASH_BEFORE)) == "crashed"
    return Removal(lab)


def test_an_unfinished_rotation_is_ended_first():
    assert refused(cut_off("set secret"), "let it end, or undo it") == []


def test_an_old_place_that_does_not_show_current_is_published_first():
    assert refused(cut_off("publish"), "rotator run orders-db") == []


def test_a_spec_that_nothing_is_known_of_has_nothing_to_move():
    removal = Removal(rotated("in place"))
    removal.lab.truth.shelf.records.clear()
    assert refused(removal, "take it over", why="adopt") == []


def test_a_record_that_stands_there_is_not_replaced():
    removal = Removal(rotated("in place"))
    other = Record(identity=removal.old.identity, current=removal.before.current)
    removal.ports(there=True).store.write(PATH, other)
    assert refused(removal, "a record stands at other:orders/db already") == []


@pytest.mark.parametrize("left", [{"pending": Pending("0-0", 5.0, None, frozenset({"k1"}), START + 300)}, {"doomed": ("k9",)}])
def test_not_even_one_that_only_knows_of_something_on_its_way_or_doomed(left):
    removal = Removal(rotated("issue, two slots"))
    removal.ports(there=True).store.write(PATH, Record(name="billing", identity=removal.old.identity, **left))
    assert refused(removal, "a record stands at other:orders/db already") == []


def test_the_word_of_another_spec_where_its_record_went_is_not_written_over():
    removal = Removal(rotated("in place"))
    other = replace(removal.old.identity, principals=("billing",))
    removal.ports(there=True).store.write(PATH, Record(identity=other, elsewhere="third:orders/db"))
    assert refused(removal, "a record stands at other:orders/db already") == []


def test_a_value_that_stands_there_is_only_lost_on_purpose():
    removal = Removal(rotated("in place"))
    place = removal.there.places[0].place
    removal.ports(there=True).store.publish(place, dict.fromkeys(FIELDS, Secret("a-strangers-value-0123456789")), "theirs", 0)
    assert refused(removal, "--overwrite") == []
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
    assert refused(removal, "set max_versions to 1", why="check") == []


def test_a_place_there_that_cannot_be_read_is_said_before_anything_is_written():
    def denied(_place):
        raise Denied("consumers' paths may not be read", "grant read")

    removal = with_store_there(Removal(rotated("in place")), published=denied)
    assert refused(removal, "grant read", why="failed") == []


def test_another_runner_s_lease_there_is_respected():
    removal = Removal(rotated("in place"))
    store = removal.ports(there=True).store
    store.write(PATH, Record(elsewhere=removal.old.chain, lease=Lease("another", removal.lab.seam.now() + 200, "another machine")))
    assert refused(removal, "in other:orders/db", why="lease") == []


def test_a_record_that_went_on_to_a_third_store_is_looked_for_there():
    removal = Removal(rotated("alternating"))
    removal.move()
    store = removal.ports(there=True).store
    record = store.read(PATH)
    store.write(PATH, Record(revision=record.revision, identity=removal.old.identity, elsewhere="third:orders/db"))
    result = removal.move()
    assert (result.exit, result.why) == (Exit.HUMAN, "elsewhere")
    assert "third:orders/db" in result.message


def test_an_old_place_that_does_not_show_current_any_more_is_mended_first():
    removal = Removal(rotated("alternating"))
    removal.lab.truth.shelf.values.clear()
    assert refused(removal, "local:orders/db does not show consumers current") == []
    assert refused(removal, "rotator run orders-db") == []


def test_an_old_place_that_cannot_be_read_is_said_before_anything_is_written():
    removal = Removal(rotated("in place"))
    made = removal.ports

    def denied(_place):
        raise Denied("consumers' paths may not be read", "grant read")

    def ports(*, there):
        given = made(there=there)
        if not there:
            given.store.published = denied
        return given

    removal.ports = ports
    assert refused(removal, "grant read", why="failed") == []


def test_a_current_that_is_refused_is_called_that():
    removal = Removal(rotated("alternating"))
    removal.lab.system.users[removal.before.current.credential.name].secrets[:] = ["a-strangers-secret-0123456789"]
    removal.living = removal.lab.system.living()
    result = removal.move()
    assert (result.exit, result.why) == (Exit.HUMAN, "foreign_change")
    assert "is refused at the target" in result.message
    assert removal.broken == []


def test_no_secret_of_the_old_record_stands_in_a_message_of_the_new_store():
    removal = Removal(rotated("in place"))
    secret = removal.before.current.credential.secret.reveal()

    def write(_path, record):
        raise Unreachable(f"PUT failed: {record.current.credential.secret.reveal()}")

    result = with_store_there(removal, write=write).move()
    assert HIDDEN in result.message
    assert secret not in result.message + repr([vars(each) for each in removal.lab.ledger.events])


def test_no_secret_stands_in_a_finding_of_the_new_store():
    removal = Removal(rotated("in place"))
    secret = removal.before.current.credential.secret.reveal()
    result = with_store_there(removal, check=lambda: [Finding(Level.FAIL, "store", f"{secret} is refused", "mend it")]).move()
    assert result.why == "check"
    assert HIDDEN in result.message
    assert secret not in result.message
