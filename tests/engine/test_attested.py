"""A place that nobody can read back: it is known by the mark of our last write, and never called observed before somebody says so."""

from dataclasses import replace

import pytest
from labs import fault_at

from rotator.errors import Exit
from rotator.plan import unobserved
from rotator.rotate import Adopt, Kind, Resolve, Undo
from rotator.spec import ReloadSpec
from rotator.testing.faults import Fault, FaultPlan, can_suffer
from rotator.testing.lab import SHAPES, Lab, as_objects, in_memory
from rotator.worker import LOOKS

STRANGER = '{"fields": {"USER": "somebody", "PASSWORD": "else"}}'


def lab_of(shape, **more):
    lab = Lab(shape, in_memory(), attested=True, **more)
    lab.oracle.start()
    return lab


def adopted(shape, **more):
    lab = lab_of(shape, **more)
    lab.run(Adopt(credential=lab.first))
    return lab


def test_a_run_that_published_there_says_that_nobody_observed_it(shape):
    lab = adopted(shape)
    last = lab.results[-1]
    assert (last.exit, last.why) == (Exit.UNPROVEN, "not observed")
    assert "env" in last.message
    assert unobserved(lab.spec, lab.record()) == ["env"]
    assert lab.shown("env") == lab.shown("local")
    assert lab.run().exit is Exit.UNPROVEN
    assert lab.oracle.violations == []


def test_a_human_who_saw_it_says_so_for_this_version_alone(shape):
    lab = adopted(shape)
    seen = lab.run(Resolve(seen=frozenset({"env"})))
    assert (seen.exit, seen.why) == (Exit.DONE, "at rest")
    assert lab.run().exit is Exit.DONE
    again = lab.run(Resolve(seen=frozenset({"env"})))
    assert (again.exit, again.why) == (Exit.FAILED, "refused")
    assert lab.run(Resolve(seen=frozenset({"local"}))).why == "refused"
    lab.at(10_010)
    assert lab.run().why == "not observed"


def test_a_consumer_that_uses_it_has_observed_it(shape):
    lab = adopted(shape, reloads=(ReloadSpec("app", 3),))
    assert lab.results[-1].exit is Exit.DONE
    lab.at(10_010)
    assert lab.run().exit is Exit.DONE
    lab.clean_runs()
    assert lab.oracle.violations == []


def test_what_stood_there_before_is_not_overwritten_unasked(shape):
    lab = lab_of(shape)
    lab.storage.env.values["env"] = STRANGER
    refused = lab.run(Adopt(credential=lab.first))
    assert refused.why == "refused"
    assert "env" in refused.message
    assert lab.storage.env.values["env"] == STRANGER
    lab.run(Adopt(credential=lab.first, overwrite=frozenset({"env"})))
    assert lab.shown("env") == lab.shown("local")


def test_somebody_else_s_write_is_an_alarm_and_is_not_overwritten_unasked(shape):
    lab = adopted(shape)
    lab.storage.env.values["env"] = STRANGER
    assert lab.run().why == "foreign_change of place"
    assert lab.storage.env.values["env"] == STRANGER
    lab.run(Resolve(overwrite=frozenset({"env"})))
    assert lab.shown("env") == lab.shown("local")


def test_a_place_that_could_be_read_before_must_be_overwritten_before_it_can_be_seen():
    lab = Lab("alternating", in_memory())
    lab.adopt()
    lab.attested = True
    lab.spec = replace(lab.spec, places=(lab.spec.places[0], replace(lab.spec.places[1], attested=True)))
    assert lab.run().why == "foreign_change of place"
    assert lab.run(Resolve(seen=frozenset({"env"}))).why == "refused"
    lab.run(Resolve(overwrite=frozenset({"env"})))
    assert lab.run(Resolve(seen=frozenset({"env"}))).exit is Exit.DONE


def test_what_was_deleted_there_is_published_again(shape):
    lab = adopted(shape)
    del lab.storage.env.values["env"]
    lab.run()
    assert lab.shown("env") == lab.shown("local")


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.TIMEOUT, Fault.ERROR])
def test_a_first_publish_whose_end_nobody_saw_is_no_stranger_s(shape, fault):
    lab = lab_of(shape)
    lab.run(Adopt(credential=lab.first), plan=fault_at("publish", fault, 2))
    lab.at(400)
    assert lab.run(named=True).why == "not observed"
    assert lab.shown("env") == lab.shown("local")


def test_after_an_undo_it_shows_the_old_one_again():
    lab = adopted("alternating")
    old = lab.shown("env")
    lab.at(10_010)
    lab.run()
    assert lab.shown("env") != old
    lab.run(Undo())
    assert lab.shown("env") == old
    assert lab.record().marks["env"].seen is None


def test_a_foreign_mark_keeps_the_old_one_alive_past_its_grace():
    lab = adopted("alternating")
    lab.at(10_010)
    lab.run()
    lab.storage.env.values["env"] = STRANGER
    lab.at(12_000)
    lab.run()
    assert lab.record().previous is not None
    assert not lab.record().previous.revoked


def test_people_hear_of_no_look_that_went_well(shape):
    """Logins and what is read back prove something: those are told. Everything else that only looks is left out."""
    lab = adopted(shape, reloads=(ReloadSpec("app", 3),))
    lab.at(10_010)
    lab.run()
    looks = {name for plan in lab.plans for name, kind in zip(plan.names, plan.kinds, strict=True) if kind is Kind.READ}
    assert "read mark" in looks
    assert looks - LOOKS <= {"login", "read back", "confirm dead"}


def test_a_dry_run_changes_no_mark(shape):
    lab = adopted(shape)
    before = lab.documents()
    lab.dry(forced=True)
    assert lab.documents() == before


QUICK = ("alternating", "issue, two slots")


@pytest.mark.parametrize("kind", [pytest.param(each, marks=pytest.mark.proof if each in QUICK else pytest.mark.soak) for each in SHAPES])
@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.value)
def test_no_single_fault_breaks_a_law_where_a_place_is_attested(kind, fault):
    """As in test_single_faults. A reload that is adopted says that it was observed. Of a late publish: below."""
    number, found, reached = 0, [], True
    while reached:
        number += 1
        lab = Lab(kind, as_objects(), attested=True, reloads=(ReloadSpec("app", 3),))
        lab.adopt()
        lab.at(10_010)
        plan = Suffered({number: fault})
        lab.run(plan=plan)
        reached = len(plan.names) >= number
        for seconds in (10_400, 11_900, 12_300):
            lab.at(seconds)
            lab.run()
        lab.clean_runs()
        found += [f"effect {number}: {each}" for each in lab.oracle.violations]
    assert number > 20
    assert found == []


class Suffered(FaultPlan):
    """Only what an effect can suffer; a publish is never late here."""

    def effect(self, name, kind, call):
        fault = self.plan.get(self.count + 1)
        if fault and (not can_suffer(name, kind, fault) or (fault is Fault.LATE and name == "publish")):
            del self.plan[self.count + 1]
        return super().effect(name, kind, call)


def test_a_late_publish_is_an_alarm_since_nobody_can_read_whose_it_is():
    lab = adopted("alternating")
    lab.at(10_010)
    lab.run(plan=fault_at("publish", Fault.LATE, 2))
    lab.at(10_400)
    assert lab.run().why == "foreign_change of place"
    lab.run(Resolve(overwrite=frozenset({"env"})))
    assert lab.run().why == "not observed"
