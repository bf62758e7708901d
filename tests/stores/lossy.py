"""Writers who race for one record through a proxy that loses requests and replies, and what they may say of it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from rotator.errors import Conflict, Unreachable
from rotator.store import Store
from rotator.testing.proxy import LossyProxy
from rotator.testing.records import a_record

T = TypeVar("T")
WRITERS, RATE = 8, 0.25


def again(call: Callable[[], T], times: int = 5) -> T:
    """As the engine does: what had no answer is asked again, the very same."""
    for _ in range(times - 1):
        try:
            return call()
        except Unreachable:
            continue
    return call()


def writer(lossy: Store[Any], path: str, name: int, tries: int) -> dict[str, list[str]]:
    """Write ids by what the store said of them."""
    said: dict[str, list[str]] = {"written": [], "conflict": [], "undecided": []}
    for n in range(tries):
        record = a_record(1000 * name + n, before=again(lambda: lossy.read(path)))
        try:
            again(lambda record=record: lossy.write(path, record), 3)
            kind = "written"
        except Conflict:
            kind = "conflict"
        except Unreachable:
            kind = "undecided"
        said[kind].append(record.writes[-1])
    return said


def race(store: Callable[[int], Store[Any]], path: str, proxy: LossyProxy, writes: int) -> dict[str, list[str]]:
    """What all writers were told of `writes` tries together; `store` makes one more that goes through the port of the proxy."""
    with proxy:
        proxy.armed = True
        with ThreadPoolExecutor(WRITERS) as pool:
            futures = [pool.submit(writer, store(proxy.port), path, name, writes // WRITERS) for name in range(1, WRITERS + 1)]
            every = [each.result() for each in futures]
    assert min(proxy.lost.values()) > writes / 20
    return {kind: [id for each in every for id in each[kind]] for kind in every[0]}


def told_truly(said: dict[str, list[str]], truth: list[str], first: str) -> None:
    """`truth`: the ids of all writes that landed; `first`: the one that was there before the race."""
    assert len(truth) == len(set(truth)), "a write landed twice"
    assert set(said["written"]) - set(truth) == set(), "false success"
    assert set(said["conflict"]) & set(truth) == set(), "false conflict"
    assert set(truth) - set(said["written"]) - set(said["undecided"]) == {first}, "landed unknown to its writer"
