"""RELIABILITY.md, out of what a soak has counted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rotator.testing.soak.state import State

HEAD = """\
# Reliability

Written by `make soak`, and by nothing else. It goes on where its last call ended, on any machine, for the count stands in
docs/reliability.json; a change of the code that a history runs begins it anew, and what was told before stands under *Before*.
"""
MEANS = """\
## What was run

- **Histories**: random days of one credential over in-memory twins of target, store and places. Up to eight runs, each with up to two
  faults (crash before; crash after, reply lost; error without effect; timeout with effect; effect visible late; duplicated call; disk full;
  right taken away), commands of humans (undo, hold, compromise), passwords, keys and place values set by strangers, clocks that jump
  (an hour, a day, ten years back), suspends, late providers, providers that give an id again; two and three runners effect by effect, and a
  hold or an undo beside a run. Three in ten go by a cron expression in one of six time zones, around a change of its clock. After every
  effect an oracle asks the twin itself whether a law was broken; then two clean runs must bring it to rest, and one in four goes on to the
  next rotation.
  `python -m rotator.testing.soak --seed N` tells one again; with another time zone database three in 250 are other days. To save time,
  events are numbered here where they are digested elsewhere, and carry seconds for a date; the chain is walked all the same.
- **Kills**: real SIGKILLs of real runs, at every boundary and at random moments (`make kill`), on PostgreSQL in place and alternating, on
  MariaDB and Redis with two passwords, on an IAM (moto), on JupyterHub and on an overlapping twin. The oracle asks the servers themselves.
  At PostgreSQL, the IAM and JupyterHub once more with records in OpenBao, and in Secrets Manager (moto; without random moments, as it bears
  few writes of one record in a day).
  At rest no secret of that world stands in MariaDB's log of all statements, in what Redis's MONITOR shows, or in its slow log.
- **Histories astray**: random days on which humans adopt, resolve and meddle, between runs and within one, places are emptied or show again
  what they showed, and a record, or a whole store, comes back from a backup or is lost; in two of five with keys, keys expire. Who is right
  nobody can tell there; nobody else's credential and none that a place shows is killed, exit 0 claims what is true, and who types what the
  messages name comes to rest.
- **Tests**: the tests that are marked `soak`. Among them: a fault of the file store's disk (ENOSPC, EIO, half a write, at `write`, `fsync`,
  `rename` and all the others, once or until it is mended) at each call of a run; a ledger cut at every byte of its file and of its log;
  a move of a record to another store killed before and after each of its effects, between files, OpenBao and Secrets Manager.

## What is not covered

- Where a human or a stranger has acted, the oracle only asks for a whole record and chain, and for what an exit code of 0 claims: who is
  right nobody can tell.
- Of histories astray: in a run in which a stranger acts, and in an adoption of a user with a second one to end, only that nobody else's
  credential dies; after a restore, not the grace of an old one; where a stranger's value was taken for our own write, not what that place
  shows ([limits.md](docs/limits.md)).
- Targets that cannot fence are sent no call that arrives after its own retry: [limits.md](docs/limits.md) leaves that open.
- Twins stand for targets in the histories; the kills run on real ones, on one machine, with loopback for a network.
"""


BEFORE = """\
## Before

Earlier states of the code, the newest first: with how much each was trusted. None of it counts for the code of today.
"""


def report(state: State, names: Iterable[str]) -> str:
    """The whole file. `names`: of the parts that there are."""
    rows = [
        ("code", f"{state.code}, last at commit {state.commit}"),
        ("written", datetime.now(UTC).isoformat(timespec="minutes")),
        (
            "histories",
            f"{state.histories:,} (seeds {state.first_seed:,} to {state.next_seed - 1:,})" if state.histories else "none on this code yet",
        ),
        ("told by", "; ".join(f"{name}: {count:,}" for name, count in sorted(state.interpreters.items())) or "-"),
        ("runs in them", f"{state.runs:,}"),
        ("faults that struck", f"{state.faults:,}"),
        ("violations", f"**{len(state.violations)}**"),
        *((name, state.parts.get(name, "not run on this code")) for name in names),
    ]
    lines = [HEAD, "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
    lines += ["| shape | histories |", "|---|---|", *(f"| {shape} | {count:,} |" for shape, count in sorted(state.by_shape.items())), ""]
    lines += ["| how runs ended | runs |", "|---|---|", *(f"| {why} | {count:,} |" for why, count in _most(state.ends)), "", MEANS]
    if state.earlier:
        lines += [BEFORE, "| code | histories | faults that struck | violations | parts |", "|---|---|---|---|---|"]
        lines += [*map(_row, reversed(state.earlier)), ""]
    if state.violations:
        lines += ["## Violations", "", *(f"- `{each}`" for each in state.violations), ""]
    return "\n".join(lines)


def _row(each: dict[str, Any]) -> str:
    """Of an earlier state of the code."""
    parts = "; ".join(f"{name}: {line}" for name, line in each["parts"].items()) or "none"
    return (
        f"| {each['code']}, last at commit {each['commit']} | {each['histories']:,} | {each['faults']:,} | {each['violations']} | {parts} |"
    )


def _most(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: -each[1])
