"""Chains to prove and to tamper with."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from rotator.audit import Event, EventName, Phase, Result, Row, canonical, digest, link
from rotator.ledgers.nodes import Node, node_of
from rotator.record import Head

CHAIN = "local:orders/db"


def event_of(number: int, chain: str = CHAIN, **about) -> Event:
    """An event like the engine's, unlinked."""
    plain = {
        "ts": f"2026-11-24T12:{number // 60 % 60:02}:{number % 60:02}.000+00:00",
        "event": EventName.STEP,
        "phase": Phase.OUTCOME,
        "step": "APPLY",
        "outcome": Result.SUCCESS,
        "spec": "orders-db",
        "run": f"run-{number}",
    }
    return Event(chain=chain, **{**plain, **about})


def rows_of_events(events, first: int = 1) -> list[Row]:
    return [Row(number, each.chain, each.line()) for number, each in enumerate(events, first)]


def forged(line: str, **changes) -> str:
    """A line with some fields changed and its hash made to fit."""
    document = {**json.loads(line), **changes}
    return canonical({**document, "hash": digest(document)})


@dataclass
class Chain:
    """A whole chain: its rows, the same read, and its head."""

    rows: list[Row]
    nodes: list[Node]
    head: Head


@pytest.fixture(scope="session")
def make_event() -> Callable[..., Event]:
    return event_of


@pytest.fixture(scope="session")
def make_rows():
    return rows_of_events


@pytest.fixture(scope="session")
def forge():
    return forged


@pytest.fixture(scope="session")
def make_chain():
    def make(length: int, chain: str = CHAIN, first: int = 1) -> Chain:
        events, head = link([event_of(number, chain) for number in range(length)], None)
        rows = rows_of_events(events, first)
        return Chain(rows, [node_of(each) for each in rows], head)

    return make


@pytest.fixture(scope="session")
def thousand(make_chain) -> Chain:
    return make_chain(1000)
