"""Many places behind one host: one that does not answer keeps nothing leaked alive, and their number no run from ending."""

from dataclasses import replace

import pytest

from rotator.errors import Exit, Unreachable
from rotator.model import Place
from rotator.rotate import Compromise, Ports
from rotator.spec import Named, PlaceSpec
from rotator.target import Settings
from rotator.testing.lab import NO_GENERATION, Lab, in_memory
from rotator.testing.memory import MemoryPlace, Shelf


def with_places(lab, number, made, *, shared=False):
    """So many places behind one host, beside the store's own. `made` makes a port: each place has its own, as in a loaded schedule."""
    keys = {"USER": lab.fields[0], "PASSWORD": lab.fields[1]}
    more = [PlaceSpec(Place(f"p{each}", f"p{each}", keys), Named("memory", "env", Settings())) for each in range(number)]
    lab.spec = replace(lab.spec, places=(lab.spec.places[0], *more))
    lab.oracle.spec = lab.spec
    ports, shelf = lab.ports, Shelf()

    def opened():
        plain, one = ports(), made(NO_GENERATION, lab.runtime(), shelf)
        others = {each.place.name: one if shared else made(NO_GENERATION, lab.runtime(), shelf) for each in more}
        return Ports(plain.target, plain.store, {"local": plain.store, **others})

    def shown(place):
        each = next(each for each in lab.spec.places if each.place.name == place)
        port = lab.truth if place == "local" else MemoryPlace(NO_GENERATION, lab.runtime(), shelf)
        values, fields = port.published(each.place), lab.fields if place == "local" else ("USER", "PASSWORD")
        return tuple(values[field].reveal() for field in fields) if values else None

    lab.ports, lab.shown, lab.oracle.shown = opened, shown, shown
    lab.adopt()
    return lab


def host(lab, *, silent, takes=11.0, reads=True):
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
            if reads:
                self._asked(place)
            return super().published(place)

    return Host


def served(lab):
    return {each for each in lab.spec.place_names if lab.shown(each) == lab.shown("local")}


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("number", [11, 24])
def test_many_places_behind_a_host_that_does_not_answer_do_not_keep_a_leaked_one_from_being_rotated(number, shared):
    silent = set()
    lab = Lab("alternating", in_memory())
    with_places(lab, number, host(lab, silent=silent), shared=shared)
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


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("broken", [{"p0"}, {"p2"}, {"p4"}, {"p0", "p1"}])
def test_a_host_with_paths_that_do_not_answer_serves_the_others(broken, shared):
    silent = set()
    lab = Lab("alternating", in_memory())
    with_places(lab, 5, host(lab, silent=silent), shared=shared)
    silent |= broken
    lab.at(10_010)
    result = lab.run(Compromise("current"), named=True)
    assert served(lab) == {*lab.spec.place_names} - broken
    assert all(each in result.message for each in broken)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("reads", [True, False])
def test_a_host_that_refuses_at_once_is_asked_for_each_of_its_places(reads, shared):
    silent = set()
    lab = Lab("alternating", in_memory())
    with_places(lab, 6, host(lab, silent=silent, takes=0.0, reads=reads), shared=shared)
    silent |= {"p0", "p1", "p2"}
    lab.at(10_010)
    lab.run(Compromise("current"), named=True)
    assert served(lab) == {"local", "p3", "p4", "p5"}


@pytest.mark.parametrize("number", [11, 24])
def test_where_a_host_is_not_asked_the_message_names_each_place_that_it_keeps_open(number):
    silent = set()
    lab = Lab("alternating", in_memory())
    with_places(lab, number, host(lab, silent=silent), shared=True)
    silent |= {f"p{each}" for each in range(number)}
    lab.at(10_010)
    result = lab.run(Compromise("current"), named=True)
    assert [each for each in lab.spec.place_names[1:] if f"in {each}: " not in result.message] == []


@pytest.mark.parametrize("number", [60, 70])
def test_a_run_and_a_dry_run_of_many_places_end(number):
    lab = with_places(Lab("alternating", in_memory()), number, MemoryPlace)
    lab.at(10_010)
    assert lab.dry(forced=True).why == "grace"
    result = lab.run(forced=True)
    assert (result.exit, result.why) == (Exit.DONE, "grace")
    assert {lab.shown(each) for each in lab.spec.place_names} == {lab.shown("local")}
