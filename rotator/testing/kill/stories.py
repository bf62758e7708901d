"""The stories in which runs are killed."""

from __future__ import annotations

from rotator.rotate import Adopt, Command, Compromise, HoldUntil, Resolve, Undo
from rotator.testing.kill.telling import Story, Telling
from rotator.testing.stands import Stand

OVER = "rotate, later, go on, later, go on"
"""A rotation, its grace and its soak."""
HELD = 1.0
"""Seconds of a hold."""


def _has_grace(stand: Stand) -> bool:
    return stand.grace != "0s"


def _soaks(stand: Stand) -> bool:
    return stand.soak != "0s"


def _mints(stand: Stand) -> bool:
    return stand.mints


def _labels(stand: Stand) -> bool:
    return stand.labels


def _has_second_secret(stand: Stand) -> bool:
    return _has_grace(stand) and not stand.mints


def _alternates(stand: Stand) -> bool:
    return stand.shape == "postgres alternating"


def _hold(_told: Telling) -> Command:
    return HoldUntil("a consumer is late", HELD)


def _undo(_told: Telling) -> Command:
    return Undo()


def _leaked(_told: Telling) -> Command:
    return Compromise()


STORIES: dict[str, Story] = {
    "rotation": Story(forced=True),
    "end of grace": Story("rotate, later", shapes=_has_grace),
    "end of soak": Story("rotate, later, go on, later", shapes=_soaks),
    "abort": Story("die at write record PROMOTE", _undo),
    "recovery": Story("die at write record ISSUE", shapes=_mints),
    "take back": Story(forced=True, overtaken=True, shapes=_mints),
    "sweep": Story("orphan", shapes=_labels),
    "sweep after a leak": Story("orphan", _leaked, shapes=_labels),
    "end of an orphan's grace": Story("orphan, go on, later", shapes=_labels),
    # a dead one came back
    "bury": Story("rotate, restore", shapes=lambda stand: not _has_grace(stand)),
    "bury a third": Story(f"{OVER}, restore", shapes=_has_second_secret),
    "bury under current": Story(f"{OVER}, {OVER}, restore", shapes=_alternates),
    "bury under previous": Story(f"{OVER}, {OVER}, rotate, restore", shapes=_alternates),
    # what humans ask
    "adopt": Story("", lambda _: Adopt(), adopted=False),
    "adopt new": Story("", lambda _: Adopt(new=True), adopted=False),
    "adopt and take the second": Story("second", lambda _: Adopt(take_second=True), adopted=False, shapes=_has_second_secret),
    "adopt and retire": Story("second", lambda told: Adopt(retire=told.other), adopted=False, shapes=_mints),
    "adopt and overwrite": Story("foreign place", lambda _: Adopt(overwrite=frozenset({"env"})), adopted=False),
    "hold in grace": Story("rotate", _hold, shapes=_has_grace),
    "hold in soak": Story("rotate, later, go on", _hold, shapes=_soaks),
    "undo in grace": Story("rotate", _undo, shapes=_has_grace),
    "undo in soak": Story("rotate, later, go on", _undo, shapes=_soaks),
    "resolve: overwrite": Story("foreign place", lambda _: Resolve(overwrite=frozenset({"env"}))),
    "resolve: revoke": Story("second", lambda told: Resolve(revoke=told.other), shapes=_mints),
    "resolve: accept": Story("second", lambda told: Resolve(accept=told.other), shapes=_mints),
    "compromise": Story("", _leaked),
    "compromise in grace": Story("rotate", _leaked, shapes=_has_grace),
    "compromise in soak": Story("rotate, later, go on", _leaked, shapes=_soaks),
    "compromise of the old one": Story("rotate", lambda _: Compromise("previous"), shapes=_has_grace),
    "compromise of the new one": Story("die at write record PROMOTE", lambda _: Compromise("pending")),
}
