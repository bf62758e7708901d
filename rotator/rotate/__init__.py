"""The engine: one run of one spec. `Run(...).go()` is all that others call."""

from rotator.rotate.door import Around, Kind, Ports
from rotator.rotate.order import Adopt, Command, Compromise, HoldUntil, Move, Order, Resolve, RunResult, Stopped, Undo
from rotator.rotate.run import Run

__all__ = [
    "Adopt",
    "Around",
    "Command",
    "Compromise",
    "HoldUntil",
    "Kind",
    "Move",
    "Order",
    "Ports",
    "Resolve",
    "Run",
    "RunResult",
    "Stopped",
    "Undo",
]
