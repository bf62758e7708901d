"""Labs at the moments where the tests of the engine begin."""

from dataclasses import replace
from hashlib import sha256

from rotator.errors import Exit
from rotator.model import Credential, Secret
from rotator.rotate import RunResult
from rotator.testing.faults import Fault, FaultPlan
from rotator.testing.lab import PATH, SHAPES, START, Lab, in_memory

GRACE = [each for each in SHAPES if each != "in place"]
ISSUE = ["issue, two slots", "issue, labels"]
SET = [each for each in SHAPES if not each.startswith("issue")]

THEIRS = "a-human-chose-this-0123456789-0123"
"""A secret that somebody sets by hand."""
LABEL = f"rotator {sha256(b'test:orders/db').hexdigest()[:8]}-00000000-0000-7000-8000-00000000abcd"
"""Of a key that an earlier rotation of ours has minted."""


def due(shape, **more):
    """A lab whose next slot is due."""
    lab = Lab(shape, in_memory(), **more)
    lab.adopt()
    lab.at(10_010)
    return lab


def rotated(shape, **more):
    """A lab in the grace of its first rotation."""
    lab = due(shape, **more)
    assert isinstance(lab.run(), RunResult)
    return lab


def at_rest(shape, **more):
    """A lab whose first rotation is over: the old one is dead."""
    lab = rotated(shape, **more)
    for seconds in (12_300, 12_700):
        lab.at(seconds)
        lab.run()
    return lab


def fault_at(effect, fault, nth=1):
    """A plan that fails the n-th effect whose name begins so."""

    class At(FaultPlan):
        seen = 0

        def effect(self, name, kind, call):
            if name.startswith(effect):
                self.seen += 1
                if self.seen == nth:
                    self.plan[self.count + 1] = fault
            return super().effect(name, kind, call)

    return At({})


def failing(effect, error):
    """A plan in which every effect of this name fails."""

    class Fails(FaultPlan):
        def effect(self, name, kind, call):
            if name == effect:
                raise error
            return super().effect(name, kind, call)

    return Fails({})


def before(effect, act):
    """A plan that does something just before the first effect whose name begins so."""

    class Before(FaultPlan):
        done = False

        def effect(self, name, kind, call):
            if name.startswith(effect) and not self.done:
                self.done = True
                act()
            return super().effect(name, kind, call)

    return Before({})


def overtaken(lab, seconds=10_400):
    """A plan in which another runner is faster: it rotates before the key that was just minted is written down."""

    def faster():
        lab.at(seconds)
        assert lab.run(home="elsewhere").exit is Exit.DONE
        lab.seam.t = START + 10_020

    return before("write record ISSUE", faster)


def crash_at(effect, nth=1):
    """A plan that ends the process before an effect."""
    return fault_at(effect, Fault.CRASH_BEFORE, nth)


def names(result):
    """The steps of a run, by name."""
    return [str(each.name) for each in result.steps]


def living(lab):
    """Names of all that logs in."""
    return sorted(name for name, _ in lab.system.living())


def with_target(lab, **methods):
    """The lab's target, with some methods of its own."""
    made = lab.target

    def target(runtime):
        one = made(runtime)
        for name, method in methods.items():
            setattr(one, name, method.__get__(one) if callable(method) else method)
        return one

    lab.target = target
    return lab


def with_can(lab, **changes):
    """The lab's target and spec, that can something else."""
    can = replace(lab.spec.can, **changes)
    made = lab.target

    def target(runtime):
        one = made(runtime)
        one.__class__ = type("Other", (type(one),), {"can": property(lambda _self: can)})
        return one

    lab.target, lab.spec = target, replace(lab.spec, can=can)
    return lab


def touched(lab, *, broke=False):
    """Somebody else did something just now, which the oracle does not hold against us."""
    lab.oracle.living = lab.system.living()
    lab.oracle.human_broke_current = lab.oracle.human_broke_current or broke
    lab.oracle._flips()


def restored(lab, old):
    """The record is one from a backup."""
    shelf = lab.truth.shelf
    shelf.writes += 1
    shelf.records[PATH] = (shelf.writes, old)
    touched(lab, broke=True)


def what_get_shows(lab):
    name, secret = lab.shown("local")
    return Credential(name=name, secret=Secret(secret))


def theirs(name):
    return Credential(name=name, secret=Secret(THEIRS))


def broken(lab):
    """Somebody else's hand: current works no more, and nobody knows what does. What the human has there, if anything."""
    current = lab.record().current.credential
    if current.name.startswith("key"):
        del lab.system.keys[current.name]
    else:
        user = lab.system.users[current.name]
        user.secrets = [each for each in user.secrets if each != current.secret.reveal()] or [THEIRS]
    touched(lab, broke=True)
    return lab
