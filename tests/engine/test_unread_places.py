"""A place that cannot be read may show anything: nothing that it may show is ended, nothing is claimed of it, and nothing waits for it for ever."""

import json
from dataclasses import replace

import pytest
from labs import GRACE, THEIRS, crash_at, due, fault_at, living, names, restored, touched

from rotator.errors import Exit, Unreachable
from rotator.model import Place, Reached
from rotator.rotate import Adopt, Compromise, HoldUntil, Ports, Undo
from rotator.spec import Named, PlaceSpec, ReloadSpec
from rotator.target import Settings
from rotator.testing.faults import Fault
from rotator.testing.lab import NO_GENERATION, PATH, Lab, in_memory
from rotator.testing.memory import MemoryPlace, Shelf
from rotator.testing.twins import TwinUser

ENV = frozenset({"env"})


def before_the_promotion(shape):
    """The store is what it was when pending was about to be current; env shows pending."""
    lab = due(shape)
    shelf = lab.truth.shelf
    values = shelf.values[PATH]
    lab.run(plan=crash_at("write record PROMOTE"))
    old = shelf.records[PATH][1]
    lab.seam.t += 400
    lab.run()
    restored(lab, old)
    shelf.values[PATH] = values
    touched(lab)
    lab.seam.t += 400
    return lab


# ---- what is taken back


@pytest.mark.parametrize("command", [Undo(), Compromise("pending")])
@pytest.mark.parametrize("shape", GRACE)
@pytest.mark.parametrize("reads_that_fail", ["one", "all"])
def test_what_a_place_may_show_that_cannot_be_read_is_not_taken_back(shape, command, reads_that_fail):
    lab = before_the_promotion(shape)
    before = lab.system.living()
    lab.storage.env.down = reads_that_fail == "all"
    result = lab.run(command, named=True, plan=fault_at("read place", Fault.ERROR, 2) if reads_that_fail == "one" else None)
    lab.storage.env.down = False
    assert (result.exit, result.why, "env" in result.message) == (Exit.FAILED, "refused", True)
    assert "rotator run orders-db" in result.fix
    assert lab.system.living() == before
    assert lab.oracle.violations == []
    assert lab.run(named=True).exit is Exit.DONE


@pytest.mark.parametrize("shape", ["alternating", "overlapping"])
def test_a_second_one_is_not_taken_while_a_place_may_show_it_that_cannot_be_read(shape):
    lab = Lab(shape, in_memory())
    name = "app_b" if shape == "alternating" else "app"
    if shape == "alternating":
        lab.system.users[name] = TwinUser([THEIRS])
    else:
        lab.system.users[name].secrets.append(THEIRS)
    lab.storage.env.values["env"] = json.dumps({"version": "", "generation": 0, "fields": {"USER": name, "PASSWORD": THEIRS}})
    lab.oracle.start()
    lab.storage.env.down = True
    result = lab.run(Adopt(credential=lab.first, take_second=True), named=True)
    assert (result.why, "env shows what cannot be read" in result.message, "--overwrite" in result.fix) == ("refused", True, True)
    lab.storage.env.down = False
    last_read = fault_at("read place", Fault.ERROR, 4)
    assert lab.run(Adopt(credential=lab.first, take_second=True), named=True, plan=last_read).why == "refused"
    assert (name, THEIRS) in lab.system.living()
    assert lab.run(Adopt(credential=lab.first, take_second=True, overwrite=ENV), named=True).exit is Exit.DONE
    assert (name, THEIRS) not in lab.system.living()


# ---- a success that was seen


def test_while_a_failed_attempt_waits_a_place_that_was_never_shown_current_is_no_success(shape):
    lab = Lab(shape, in_memory())
    lab.oracle.start()
    lab.storage.env.down = True
    lab.run(Adopt(credential=lab.first))
    lab.seam.t += 5
    result = lab.run()
    assert (result.exit, result.why) == (Exit.FAILED, "not_before")
    lab.storage.env.down = False
    assert lab.run(named=True).exit is Exit.DONE


def test_while_a_failed_attempt_waits_a_place_that_showed_a_dead_one_when_it_was_last_read_is_no_success(shape):
    lab = due(shape)
    first = lab.storage.env.values["env"]
    for seconds in (10_010, 12_300, 12_700):
        lab.at(seconds)
        last = lab.run()
    assert last.why == "at rest"
    lab.storage.env.values["env"] = first
    lab.run(plan=fault_at("publish", Fault.DENIED))
    lab.storage.env.down = True
    lab.seam.t += 5
    result = lab.run()
    lab.storage.env.down = False
    assert lab.shown("env") not in lab.system.living()
    assert (result.exit, result.why) == (Exit.FAILED, "not_before")


def test_while_a_failed_attempt_waits_an_open_reload_is_no_success(shape):
    lab = Lab(shape, in_memory(), reloads=(ReloadSpec("app", 3),))
    lab.oracle.start()
    lab.reload.level = Reached.accepted
    lab.run(Adopt(credential=lab.first))
    lab.seam.t += 5
    result = lab.run()
    assert (result.exit, result.why) == (Exit.FAILED, "not_before")


def test_while_a_failed_attempt_waits_and_all_is_shown_it_is_a_success_though_a_place_cannot_be_read_now():
    lab = due("alternating")
    lab.system.refuses = True
    lab.run()
    lab.storage.env.down = True
    lab.seam.t += 5
    result = lab.run()
    assert (result.exit, result.why) == (Exit.DONE, "not_before")


# ---- many places


def with_places(lab, number, made):
    """So many places behind one host beside the store's own. `made` makes it."""
    keys = {"USER": lab.fields[0], "PASSWORD": lab.fields[1]}
    more = [PlaceSpec(Place(f"p{each}", f"p{each}", keys), Named("memory", "env", Settings())) for each in range(number)]
    lab.spec = replace(lab.spec, places=(lab.spec.places[0], *more))
    lab.oracle.spec = lab.spec
    ports, shelf = lab.ports, Shelf()

    def opened():
        plain, one = ports(), made(NO_GENERATION, lab.runtime(), shelf)
        return Ports(plain.target, plain.store, {each: plain.store if each == "local" else one for each in lab.spec.place_names})

    def shown(place):
        each = next(each for each in lab.spec.places if each.place.name == place)
        port = lab.truth if place == "local" else MemoryPlace(NO_GENERATION, lab.runtime(), shelf)
        values, fields = port.published(each.place), lab.fields if place == "local" else ("USER", "PASSWORD")
        return tuple(values[field].reveal() for field in fields) if values else None

    lab.ports, lab.shown, lab.oracle.shown = opened, shown, shown
    lab.adopt()
    return lab


def host(lab, *, silent, takes=11.0):
    """A host whose silent paths answer nothing for so many seconds: a set of names that a test fills."""

    class Host(MemoryPlace):
        def _asked(self, place):
            if place.path in silent:
                lab.seam.t += takes
                raise Unreachable("no answer")

        def publish(self, place, *values):
            self._asked(place)
            super().publish(place, *values)

        def published(self, place):
            self._asked(place)
            return super().published(place)

    return Host


@pytest.mark.parametrize("number", [11, 24])
def test_many_places_behind_a_host_that_does_not_answer_do_not_keep_a_leaked_one_from_being_rotated(number):
    silent = set()
    lab = Lab("alternating", in_memory())
    with_places(lab, number, host(lab, silent=silent))
    silent |= {f"p{each}" for each in range(number)}
    lab.at(10_010)
    leaked, began = lab.record().current.id, lab.seam.t
    result = lab.run(Compromise("current"), named=True)
    assert (lab.record().current.id != leaked, result.why) == (True, "open place")
    assert lab.shown("local")[0] == lab.record().current.credential.name
    assert lab.seam.t - began < 240
    silent.clear()
    lab.seam.t += 60
    assert lab.run(named=True).exit is Exit.DONE
    assert {lab.shown(each) for each in lab.spec.place_names} == {lab.shown("local")}


@pytest.mark.parametrize("broken", ["p0", "p2", "p4"])
def test_a_host_with_one_path_that_does_not_answer_serves_the_others(broken):
    silent = set()
    lab = Lab("alternating", in_memory())
    with_places(lab, 5, host(lab, silent=silent))
    silent.add(broken)
    lab.at(10_010)
    result = lab.run(Compromise("current"), named=True)
    served = {each for each in lab.spec.place_names if lab.shown(each) == lab.shown("local")}
    assert served == {*lab.spec.place_names} - {broken}
    assert broken in result.message


def test_a_host_that_refuses_at_once_is_asked_for_each_of_its_places():
    silent = set()
    lab = Lab("alternating", in_memory())
    with_places(lab, 6, host(lab, silent=silent, takes=0.0))
    silent |= {"p0", "p1", "p2"}
    lab.at(10_010)
    lab.run(Compromise("current"), named=True)
    assert lab.shown("p0") != lab.shown("local")
    assert [lab.shown(each) == lab.shown("local") for each in ("p3", "p4", "p5")] == [True] * 3


@pytest.mark.parametrize("number", [60, 70])
def test_a_run_and_a_dry_run_of_many_places_end(number):
    lab = with_places(Lab("alternating", in_memory()), number, MemoryPlace)
    lab.at(10_010)
    assert lab.dry(forced=True).why == "grace"
    result = lab.run(forced=True)
    assert (result.exit, result.why) == (Exit.DONE, "grace")
    assert {lab.shown(each) for each in lab.spec.place_names} == {lab.shown("local")}


# ---- the old one, when it is missed


@pytest.mark.parametrize("shape", ["alternating", "issue, two slots", "issue, labels"])
def test_a_hold_switches_the_old_one_on_again_though_a_place_does_not_answer(shape):
    lab = soaking(shape)
    old = lab.record().previous.credential.name
    assert old not in living(lab)
    lab.storage.env.down = True
    result = lab.run(HoldUntil("somebody misses it", 86_400.0), named=True)
    assert ("ENABLE" in names(result), old in living(lab)) == (True, True)
    assert lab.record().previous.disabled_at is None
    lab.storage.env.down = False


def test_where_a_place_is_open_nothing_is_said_of_an_old_one_that_is_switched_off():
    lab = soaking("issue, labels")
    lab.storage.env.down = True
    result = lab.run(named=True)
    lab.storage.env.down = False
    assert (result.why, "alive" in result.message) == ("open place", False)


def soaking(shape):
    """The old one is switched off, and waits whether anybody misses it."""
    lab = due(shape, changes={"soak": 5000.0})
    lab.run()
    lab.seam.t += 1100
    assert lab.run().why == "soak"
    return lab
