"""Rotations per second, and what one costs beside the bare client."""

from __future__ import annotations

import multiprocessing
import secrets
import statistics
import time
from collections import Counter
from typing import Any

from rotator.cli.runs import held_ledger, make_job
from rotator.model import Secret
from rotator.runner import Runner, preload
from rotator.testing.bench.bare import Act, Bare, Recorder
from rotator.testing.bench.site import Site

SAMPLE = "app_00000"


def _new() -> Secret:
    return Secret(secrets.token_urlsafe(24))


def _recorded(site: Site, loaded: Any) -> list[Act]:
    spec = next(each for each in loaded.specs if each.name == SAMPLE)
    return Recorder(site).record(loaded, spec)


def _bare(site: Site, acts: list[Act]) -> Bare:
    server = site.server
    return Bare(server.host, server.port, (server.superuser, server.password), acts, SAMPLE)


def listed(acts: list[Act]) -> dict[str, Any]:
    """The acts of a rotation, for the report."""
    logins = Counter(f"{each.kind} as {each.which}" for each in acts if each.kind in ("login", "refused"))
    return {"logins": dict(logins), "admin_statements": sum(each.kind in ("run", "rows") for each in acts)}


def one_by_one(count: int) -> dict[str, Any]:
    """So many first rotations of different users, each in a process of its own, in turn with the bare loop on as many others."""
    with Site(users=2 * count + 1, runs=4) as site:
        loaded = site.adopted()
        acts = _recorded(site, loaded)
        bare, ours, theirs = _bare(site, acts), list[float](), list[float]()
        runner = Runner(runs=1, per_connection=1, libraries=preload({"postgres"}))
        by_name = {each.name: each for each in loaded.specs}
        with held_ledger(loaded):
            for number in range(1, count + 1):
                spec, other = by_name[site.users[number]], site.users[count + number]
                begun = time.perf_counter()
                result = runner.start(make_job(loaded, spec, named=True, forced=True, trigger="manual"), more=number < count).result()
                ours.append(time.perf_counter() - begun)
                assert result.exit == 0, result
                theirs.append(bare.rotate(other, site.passwords[other], _new()))
    mine, bare_ms = statistics.median(ours) * 1000, statistics.median(theirs) * 1000
    return {
        "name": "rotation",
        "count": count,
        "ours_ms": round(mine, 1),
        "bare_ms": round(bare_ms, 1),
        "ratio": round(mine / bare_ms, 2),
        **listed(acts),
    }


def _loop(where: tuple[str, int, str, str], acts: list[Act], users: list[tuple[str, str]]) -> None:
    host, port, admin, password = where
    bare = Bare(host, port, (admin, Secret(password)), acts, SAMPLE)
    for user, current in users:
        bare.rotate(user, Secret(current), _new())


def many_due(count: int, at_once: int = 4) -> dict[str, Any]:
    """So many due users, four runs at once, beside the bare loop in four processes on as many others."""
    with Site(users=2 * count + 1, runs=at_once) as site:
        loaded = site.adopted()
        acts = _recorded(site, loaded)
        by_name = {each.name: each for each in loaded.specs}
        runner = Runner(runs=at_once, per_connection=at_once, libraries=preload({"postgres"}))
        jobs = [make_job(loaded, by_name[each], named=True, forced=True, trigger="manual") for each in site.users[1 : count + 1]]
        with held_ledger(loaded):
            begun = time.perf_counter()
            exits = Counter(int(each.exit) for each in runner.run(jobs))
            ours = count / (time.perf_counter() - begun)
        assert set(exits) == {0}, exits
        others = [(each, site.passwords[each].reveal()) for each in site.users[count + 1 :]]
        where = (site.server.host, site.server.port, site.server.superuser, site.server.password.reveal())
        context = multiprocessing.get_context("fork")
        loops = [context.Process(target=_loop, args=(where, acts, others[number::at_once])) for number in range(at_once)]
        begun = time.perf_counter()
        for each in loops:
            each.start()
        for each in loops:
            each.join()
        bare = count / (time.perf_counter() - begun)
    return {
        "name": "due",
        "count": count,
        "ours_per_s": round(ours, 1),
        "bare_per_s": round(bare, 1),
        "ratio": round(bare / ours, 2),
    }
